"""A reward that an untrained model earns by chance: what an end-to-end test can learn from."""

from rewards.types import RewardResult, Status
from rollout.types import Answer, Task


def digits(task: Task, answer: Answer) -> RewardResult:
    """The share of digits among the answer's characters."""
    share = sum(map(str.isdigit, answer.text)) / max(len(answer.text), 1)
    return RewardResult(Status.OK if share > 0.2 else Status.WRONG, share)
