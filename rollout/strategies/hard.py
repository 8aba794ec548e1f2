"""The hard budget: think once to the largest, cut at each, as in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout.sampler import Sampler
from rollout.strategies.base import Strategy, grid
from rollout.types import BudgetPrior, Group, Task


@dataclass(frozen=True, slots=True)
class Hard(Strategy):
    """One generation for the whole grid: the answers of all budgets hang from the same thought."""

    async def groups(
        self, sampler: Sampler, task: Task, budgets: Sequence[int], samples: int, seed: int
    ) -> list[Group]:
        return await sampler.groups([task], [grid(budgets, "hard")], size=samples, seed=seed)


@dataclass(frozen=True, slots=True)
class Separate(Strategy):
    """A generation of its own for each budget, cut there: what forks are checked against, and what they save."""

    async def groups(
        self, sampler: Sampler, task: Task, budgets: Sequence[int], samples: int, seed: int
    ) -> list[Group]:
        priors = [BudgetPrior.single(budget) for budget in budgets]
        return [
            group
            for prior in priors
            for group in await sampler.groups([task], [prior], size=samples, seed=seed + prior.largest)
        ]
