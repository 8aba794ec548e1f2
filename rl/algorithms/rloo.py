"""GRPO with the advantage of RLOO."""

from __future__ import annotations

from dataclasses import dataclass

from rewards.types import ScoredGroup
from rl.advantages import leave_one_out
from rl.algorithms.grpo import OneBudget, outcome_credit
from rl.types import Credit


@dataclass(frozen=True)
class RLOO(OneBudget):
    """Reward against the mean of the other rollouts (arXiv 2402.14740)."""

    def credit(self, scored: ScoredGroup) -> Credit:
        return outcome_credit(scored, leave_one_out)
