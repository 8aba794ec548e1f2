"""Floor 2, what it was worth: each answer judged alone, in a process that can be killed."""

from rewards.judge import PoolJudge, score
from rewards.types import RewardFn, RewardResult, ScoredGroup, Status

__all__ = ["PoolJudge", "RewardFn", "RewardResult", "ScoredGroup", "Status", "score"]
