"""What every test-time budget method is: from one problem and a grid of budgets to answered thoughts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from rollout.engine import Codec
from rollout.prompts import PromptFormat
from rollout.sampler import Sampler
from rollout.types import BudgetPrior, Group, Rollout, Task


class Strategy(Protocol):
    """A frozen dataclass whose fields are its knobs and whose defaults are the published setting; to derive from."""

    async def groups(
        self, sampler: Sampler, task: Task, budgets: Sequence[int], samples: int, seed: int
    ) -> list[Group]:
        """Groups of `samples` rollouts each, one answer per budget.

        The budgets of their priors together are `budgets`, each exactly once. A token of a thought that no
        version span covers was inserted, not sampled. The same arguments and weights give the same tokens.
        """
        ...

    def check(self, style: PromptFormat, codec: Codec) -> None:
        """Raises ValueError for a prompt or tokenizer with which this method cannot work, before anything starts."""

    def room(self, budgets: Sequence[int]) -> int:
        """Tokens that the longest thought may take, with what the strategy adds to the prompt."""
        return budgets[-1]


def grid(budgets: Sequence[int], kind: str) -> BudgetPrior:
    """Every budget of an evaluation's grid, with equal weight."""
    return BudgetPrior(tuple(budgets), (1 / len(budgets),) * len(budgets), kind=kind)


def under(group: Group, budget: int) -> Group:
    """A group that was sampled to one cap of tokens, filed under the budget for which it was asked."""
    rollouts = (
        replace(rollout, answers=tuple(tuple(replace(a, budget=budget) for a in row) for row in rollout.answers))
        for rollout in group.rollouts
    )
    prior = replace(group.prior, tokens=(budget,), target=0)
    return Group(group.task, prior, tuple[Rollout, ...](rollouts))
