"""Budget Guidance: a thought is steered towards its budget by a network that predicts how long it still goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rollout.engine import Codec
from rollout.guidance import Gates, Guidance
from rollout.prompts import Markers, PromptFormat, markers
from rollout.sampler import Sampler
from rollout.strategies.base import Strategy
from rollout.types import BudgetPrior, Group, Task


@dataclass(frozen=True, slots=True)
class Guided(Strategy):
    """A thought of its own for each budget, steered towards it, and closed there by force if that did not help.

    `predictor` is the folder of a trained predictor (`rollout.reference.predictor`); `aim` is the share of the
    budget that is steered towards. Needs the reference decoder: vLLM tells no logits processor its hidden states.

    Source: Li et al., "Steering LLM Thinking with Budget Guidance", ACL Findings 2026, and its released code.
    """

    predictor: str
    aim: float = 1.0
    gates: Gates = field(default_factory=Gates)

    def __post_init__(self) -> None:
        if not 0 < self.aim <= 1:
            raise ValueError(f"aim is a share of the budget in (0, 1], not {self.aim}")

    async def groups(
        self, sampler: Sampler, task: Task, budgets: Sequence[int], samples: int, seed: int
    ) -> list[Group]:
        marks = markers(sampler.style, sampler.codec)
        done = await asyncio.gather(*(self._group(sampler, task, b, marks, samples, seed + b) for b in budgets))
        return [group for (group,) in done]

    def check(self, style: PromptFormat, codec: Codec) -> None:
        if not Path(self.predictor).is_dir():
            raise ValueError(f"predictor={self.predictor!r}: no such folder; rollout.reference.predictor trains one")

    async def _group(
        self, sampler: Sampler, task: Task, budget: int, marks: Markers, samples: int, seed: int
    ) -> list[Group]:
        target = max(1, round(self.aim * budget))
        steered = replace(sampler, steering=Guidance(self.predictor, target, marks.think_end, self.gates))
        prior = replace(BudgetPrior.single(budget), kind="guided", target=target)
        return await steered.groups([task], [prior], size=samples, seed=seed)
