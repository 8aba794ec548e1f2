"""CyclicReflex: the words with which a model doubts itself are made likelier and rarer in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rollout.engine import Codec
from rollout.logit_waves import LogitWave, single_tokens
from rollout.prompts import PromptFormat, markers
from rollout.sampler import Sampler
from rollout.strategies.base import Strategy, grid
from rollout.types import Group, Task

REFLECTION = ("wait", "Wait", "but", "But", "Alternatively")


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
