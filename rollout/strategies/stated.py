"""Budgets that the prompt states: a generation of its own for each, because the prompts differ."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rollout.engine import Codec
from rollout.prompts import PromptFormat
from rollout.sampler import Sampler
from rollout.strategies.base import Strategy, under
from rollout.types import BudgetPrior, Group, Task

WORDINGS = {
    "l1_exact": " Think for {budget} tokens.",  # L1 / LCPO, exact
    "l1_max": " Think for maximum {budget} tokens.",  # L1 / LCPO, max
    "think_prune": " The output of the assistant should be within {budget} tokens.",
    "global_budget": " Let's think step by step and use less than {budget} tokens.",  # baseline of Plan-and-Budget
}
"""What is put behind the problem, by the method that trained models to heed it."""


@dataclass(frozen=True, slots=True)
class Stated(Strategy):
    """The budget is named in the prompt, in one of `WORDINGS` or in words of one's own that contain {budget}.

    A prompt template that contains {budget} already says it in its own way. `cap` is where thoughts are closed by
    force whatever was stated; 0 closes them at the stated budget itself.
    """

    wording: str = "l1_max"
    cap: int = 0

    def __post_init__(self) -> None:
        if self.wording not in WORDINGS and "{budget}" not in self.wording:
            raise ValueError(f"wording is one of {', '.join(WORDINGS)}, or a text with {{budget}}: {self.wording!r}")
        if self.cap < 0:
            raise ValueError(f"cap must be at least 0, not {self.cap}")

    async def groups(
        self, sampler: Sampler, task: Task, budgets: Sequence[int], samples: int, seed: int
    ) -> list[Group]:
        said = "" if "{budget}" in sampler.style.template else WORDINGS.get(self.wording, self.wording)
        own = replace(sampler, style=replace(sampler.style, template=sampler.style.template + said))
        priors = [replace(BudgetPrior.single(self.cap or b), kind="stated", target=b) for b in budgets]
        groups = await asyncio.gather(*(own.groups([task], [p], size=samples, seed=seed + p.target) for p in priors))
        return [under(group, budget) for (group,), budget in zip(groups, budgets, strict=True)]

    def room(self, budgets: Sequence[int]) -> int:
        return max(self.cap, budgets[-1]) + len(WORDINGS.get(self.wording, self.wording))  # no token is shorter


@dataclass(frozen=True, slots=True)
class EffortShare(Strategy):
    """The prompt names a share of the usual length: each budget's share of the largest one (e1).

    Needs a prompt template with {effort}. No thought is closed before the largest budget: what a
    budget really cost stands in the tokens used.
    """

    async def groups(
        self, sampler: Sampler, task: Task, budgets: Sequence[int], samples: int, seed: int
    ) -> list[Group]:
        self.check(sampler.style, sampler.codec)
        largest = budgets[-1]
        single = replace(BudgetPrior.single(largest), kind="effort")
        priors = [replace(single, efforts=(budget / largest,)) for budget in budgets]
        groups = await asyncio.gather(*(sampler.groups([task], [p], size=samples, seed=seed) for p in priors))
        return [under(group, budget) for (group,), budget in zip(groups, budgets, strict=True)]

    def check(self, style: PromptFormat, codec: Codec) -> None:
        if "{effort}" not in style.template:
            raise ValueError(
                f"an effort strategy needs {{effort}} in the prompt, such as the recipe effort: {style.template!r}"
            )
