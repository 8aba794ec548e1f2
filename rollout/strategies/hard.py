"""The hard budget: think once to the largest, cut at each, as in training; and the same under a wave (CyclicReflex)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rollout.engine import Codec
from rollout.logit_waves import LogitWave, single_tokens
from rollout.prompts import PromptFormat, markers
from rollout.sampler import Sampler
from rollout.strategies.base import Strategy, grid
from rollout.types import BudgetPrior, Group, Task

REFLECTION = ("wait", "Wait", "but", "But", "Alternatively")


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


@dataclass(frozen=True, slots=True)
class CyclicReflex(Strategy):
    """The hard budget, under a triangular bias on the logits of `words` while the model thinks.

    The wave knows no budget, so one thought serves the whole grid. `amplitude` is in logits before the temperature,
    `period` in tokens, `shift` in periods; both of the first two were tuned by model and benchmark (1 to 10, 200 to
    2000), and an infinite period with shift 0.75 is TIP, the constant penalty. The released code takes the words
    as they are; `spaced` takes them behind a space as well, where most of them stand.

    Source: Fan et al., "CyclicReflex", ICLR 2026, and its released code.
    """

    words: tuple[str, ...] = REFLECTION
    spaced: bool = False
    amplitude: float = 5.0
    period: float = 1200.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        LogitWave(tuple(range(len(self.words))), 0, self.amplitude, self.period, self.shift)  # refuses bad numbers

    async def groups(
        self, sampler: Sampler, task: Task, budgets: Sequence[int], samples: int, seed: int
    ) -> list[Group]:
        """Raises ValueError when a word is not one token of the model's tokenizer."""
        ids = single_tokens(self.words, sampler.codec, spaced=self.spaced)
        end = markers(sampler.style, sampler.codec).think_end
        waved = replace(sampler, steering=LogitWave(ids, end, self.amplitude, self.period, self.shift))
        return await waved.groups([task], [grid(budgets, "cyclic")], size=samples, seed=seed)

    def check(self, style: PromptFormat, codec: Codec) -> None:
        single_tokens(self.words, codec, spaced=self.spaced)
