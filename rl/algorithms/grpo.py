"""One budget, one answer, and an outcome reward, compared within the group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from rewards.types import ScoredGroup
from rl.advantages import group_population, group_relative, group_standardized, leave_one_out, rewards_of
from rl.schedules import Schedule, kind_of, schedule_of, tokens_at, version_at
from rl.types import Array, Credit
from rollout.types import BudgetPrior


def outcome_credit(scored: ScoredGroup, advantage_fn: Callable[[Array], Array]) -> Credit:
    """Thought [G, 1] and answer [G, 1, 1] share the advantage of the rollout's one reward.

    `advantage_fn` takes rewards_G, in which NaN marks a rollout without a verdict, and must leave it
    NaN. Raises ValueError when the group was sampled with several budgets or several answers.
    """
    rewards_GSA = rewards_of(scored)
    if rewards_GSA.shape[1:] != (1, 1):
        _, budgets, answers = rewards_GSA.shape
        raise ValueError(f"an outcome reward needs one answer at one budget, not {answers} at each of {budgets}")
    advantage_G = advantage_fn(rewards_GSA[:, 0, 0])
    return Credit(thought=advantage_G[:, None], answer=advantage_G[:, None, None])


@dataclass(frozen=True)
class OneBudget:
    """Every thought of a step is sampled under the same budget, in tokens. Raises ValueError below 1."""

    budget: Schedule

    def __post_init__(self) -> None:
        object.__setattr__(self, "budget", schedule_of(self.budget))  # a plain number is a constant one
        self.budgets(0)

    def budgets(self, step: int, *, moves: tuple[int, ...] = (), draw: float = 0.0) -> BudgetPrior:
        tokens, version = tokens_at(self.budget, step, moves), version_at(self.budget, step, moves)
        return BudgetPrior((tokens,), (1.0,), kind_of(self.budget), version)


@dataclass(frozen=True)
class GRPO(OneBudget):
    """Reward against the group in units of its unbiased standard deviation plus `eps` (arXiv 2402.03300), the root of
    `population` variance plus `eps` (arXiv 2508.08940), or `none`: of the reward, as in Dr. GRPO."""

    eps: float = 1e-6
    scale: Literal["group", "population", "none"] = "group"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.eps >= 0:
            raise ValueError(f"eps must be at least 0, not {self.eps}")

    def credit(self, scored: ScoredGroup) -> Credit:
        spread_fns = {"group": group_standardized, "population": group_population}
        advantage_fn = group_relative if self.scale == "none" else partial(spread_fns[self.scale], eps=self.eps)
        return outcome_credit(scored, advantage_fn)


@dataclass(frozen=True)
class DrGRPO(OneBudget):
    """Reward against the group's mean, unscaled (arXiv 2503.20783); goes with `constant` aggregation."""

    def credit(self, scored: ScoredGroup) -> Credit:
        return outcome_credit(scored, group_relative)


@dataclass(frozen=True)
class RLOO(OneBudget):
    """Reward against the mean of the other rollouts (arXiv 2402.14740)."""

    def credit(self, scored: ScoredGroup) -> Credit:
        return outcome_credit(scored, leave_one_out)
