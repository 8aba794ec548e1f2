"""Budget forcing of s1: a thought that ends too early is made to wait, one that runs too long is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rollout.engine import Completion, Draw, Ended
from rollout.prompts import Markers, markers, prompt_ids
from rollout.sampler import Sampler, crop, join, seed_of
from rollout.strategies.base import Strategy, grid
from rollout.types import BudgetPrior, Group, Rollout, Task, TokenIds


def remaining(cap: int, used: int) -> int:
    """A round may use what the rounds before it left of the cap."""
    return cap - used


def whole(cap: int, used: int) -> int:
    """Each round may use the whole cap again, as in the released code; the thought is cut at the cap afterwards."""
    return cap


ROUND_LIMITS = {"remaining": remaining, "whole": whole}


@dataclass(frozen=True, slots=True)
class Wait(Strategy):
    """Each of the first `times` ends of a thought is dropped and `string` put in its place; then it may end.

    The thought so made is cut and answered at each budget; the largest is the cap on all rounds together, the
    strings included. A round that is cut short, or in which the model ends the whole sequence, is the last.
    `round_limit` names in `ROUND_LIMITS` what a round may use: both give the same thought when there is one
    wait, and `whole` pays for tokens that it cuts away. For s1's "Final Answer:" behind a forced end put it into
    `rollout.closing`.

    Source: Muennighoff et al., "s1: Simple test-time scaling", section 3.1, and its released code.
    """

    times: int = 2
    string: str = "Wait"
    round_limit: Literal["remaining", "whole"] = "remaining"

    def __post_init__(self) -> None:
        if self.times < 1 or not self.string:
            raise ValueError(f"times must be at least 1 and string not empty: {self.times} and {self.string!r}")

    async def groups(
        self, sampler: Sampler, task: Task, budgets: Sequence[int], samples: int, seed: int
    ) -> list[Group]:
        prior, marks = grid(budgets, "wait"), markers(sampler.style, sampler.codec)
        prompt = prompt_ids(task, sampler.style, sampler.codec, budget=prior.asked)
        own = (seed_of(seed, task.id, task.epoch, index) for index in range(samples))
        rollouts = await asyncio.gather(*(self._rollout(sampler, prompt, prior, marks, one) for one in own))
        return [Group(task, prior, tuple(rollouts))]

    async def _rollout(
        self, sampler: Sampler, prompt: TokenIds, prior: BudgetPrior, marks: Markers, seed: int
    ) -> Rollout:
        thought, dropped = await self._think(sampler, prompt, prior.largest, marks.think_end, seed)
        rollout = await sampler.rollout(prompt, thought, prior, seed, marks)
        return replace(rollout, discarded=rollout.discarded + dropped)

    async def _think(self, sampler: Sampler, prompt: TokenIds, cap: int, end: int, seed: int) -> tuple[Completion, int]:
        """The thought of all rounds, and how many sampled tokens are not in it."""
        string = sampler.codec.encode(self.string, add_special_tokens=False)
        inserted = Completion(tuple(string), (0.0,) * len(string), Ended.LENGTH, ())
        thought = Completion((), (), Ended.LENGTH, ())
        turn = 0
        for turn in range(self.times + 1):
            used = len(thought.token_ids)
            most = ROUND_LIMITS[self.round_limit](cap, used)
            # A round of a single end marker would wait on a wait: s1 asks for one token before it.
            draw = Draw(prompt + thought.token_ids, 1, most, seed + turn, (end,), min_tokens=1)
            (said,) = await sampler.engine.sample(draw)
            thought = join(thought, said)
            ended_itself = said.token_ids[-1:] == (end,)  # a model may have more ends of sequence than one
            if turn == self.times or not ended_itself or len(thought.token_ids) - 1 + len(string) >= cap:
                break
            thought = join(crop(thought, 0, len(thought.token_ids) - 1), inserted)
        beyond = max(0, len(thought.token_ids) - cap)
        return (crop(thought, 0, cap) if beyond else thought), turn + beyond
