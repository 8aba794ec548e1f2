"""Budget Guidance and SwiReasoning: what vLLM cannot do, for the reference decoder.

vLLM tells no logits processor its hidden states, and feeds no embeddings back while it decodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rollout.engine import Codec, Completion, Draw, Ended
from rollout.prompts import Markers, PromptFormat, markers, prompt_ids
from rollout.reference_steering import Gates, Guidance, Switching, SwitchRules
from rollout.sampler import Sampler, crop, seed_of
from rollout.strategies.base import Strategy
from rollout.types import Answer, BudgetPrior, Finish, Group, Rollout, Task, TokenIds


@dataclass(frozen=True, slots=True)
class Guided(Strategy):
    """A thought of its own for each budget, steered towards it, and closed there by force if that did not help.

    `predictor` is the folder of a trained predictor (`rollout.reference.predictor`); `aim` is the share of the
    budget that is steered towards. Needs the reference decoder: vLLM tells no logits processor its hidden states.

    Source: see `rollout.reference_steering`.
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


@dataclass(frozen=True, slots=True)
class Switched(SwitchRules, Strategy):
    """One sequence for each budget, thought and answer in one go, because nothing but it holds the soft embeddings.

    A thought that is still open at its budget is closed by force as ever; `last_words` begin the short answer
    after too many switches. Needs the reference decoder: vLLM cannot feed embeddings back while it decodes.
    Published with temperature 0.6, top-p 0.95 and top-k 20.

    Source: Shi et al., "SwiReasoning", ICLR 2026 (arXiv 2510.05069), and its released code.
    """

    think_start: str = "<think>"
    last_words: str = "\n\nThe final answer is"

    async def groups(
        self, sampler: Sampler, task: Task, budgets: Sequence[int], samples: int, seed: int
    ) -> list[Group]:
        """Raises ValueError where a cue would have to be inserted, or a marker is not one token."""
        self.check(sampler.style, sampler.codec)
        marks = markers(sampler.style, sampler.codec)
        how = self.switching(sampler.codec, marks)
        done = (_group(sampler, task, replace(how, limit=b), marks, samples, seed + b) for b in budgets)
        return list(await asyncio.gather(*done))

    def check(self, style: PromptFormat, codec: Codec) -> None:
        if style.cue:
            raise ValueError(f"soft embeddings leave no place for a cue: rollout.cue={style.cue!r} must be empty")
        self.switching(codec, markers(style, codec))

    def switching(self, codec: Codec, marks: Markers) -> Switching:
        """What a draw is told, in the tokens of a tokenizer and without a limit."""
        named = {name: tuple(codec.encode(name, add_special_tokens=False)) for name in (self.think_start, "\n")}
        if any(len(ids) != 1 for ids in named.values()):
            raise ValueError(f"think_start={self.think_start!r} and a line break must be one token each: {named}")
        (think,), (newline,) = named.values()
        last = (marks.think_end, *codec.encode(self.last_words, add_special_tokens=False))
        return Switching(self, think, marks.think_end, newline, last, marks.closing)


async def _group(sampler: Sampler, task: Task, how: Switching, marks: Markers, samples: int, seed: int) -> Group:
    prompt = prompt_ids(task, sampler.style, sampler.codec, budget=how.limit)
    most = how.limit + len(marks.closing) + sampler.answer_tokens
    draw = Draw(prompt, samples, most, seed_of(seed, task.id, task.epoch), steering=how)
    rollouts = (rollout_of(sampler, prompt, said, how.limit, marks) for said in await sampler.engine.sample(draw))
    return Group(task, replace(BudgetPrior.single(how.limit), kind="switched"), tuple(rollouts))


def rollout_of(sampler: Sampler, prompt: TokenIds, said: Completion, budget: int, marks: Markers) -> Rollout:
    """A sequence that holds a thought, its end, be it by force behind `budget` tokens, and an answer."""
    if marks.think_end in said.token_ids[:budget]:
        length, forced, finish = said.token_ids.index(marks.think_end) + 1, 0, Finish.CLOSED
    elif len(said.token_ids) > budget:
        length, forced, finish = budget, len(marks.closing), Finish.BUDGET
    else:
        length, forced, finish = len(said.token_ids), 0, Finish.EMPTY
    thought, rest = crop(said, 0, length), crop(said, length + forced)
    spoken = crop(rest, 0, sampler.answer_tokens)
    ended = Finish.STOP if spoken.ended is Ended.EOS else Finish.LENGTH
    answer = Answer(
        budget=budget,
        prefix_len=length,
        forced_ids=said.token_ids[length : length + forced],
        token_ids=spoken.token_ids,
        logprobs=spoken.logprobs,
        text=_text(sampler, spoken),
        finish=Finish.EMPTY if finish is Finish.EMPTY else ended,
        thought=_text(sampler, thought),
        versions=spoken.versions,
    )
    discarded = len(rest.token_ids) - len(spoken.token_ids)
    return Rollout(
        prompt, thought.token_ids, thought.logprobs, finish, thought.versions, ((answer,),), discarded=discarded
    )


def _text(sampler: Sampler, said: Completion) -> str:
    return sampler.codec.decode(list(said.token_ids), skip_special_tokens=True)
