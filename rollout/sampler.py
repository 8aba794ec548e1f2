"""Tasks under a budget prior -> groups: think once, cut at each budget, answer at each cut.

A thought is sampled to the largest budget. At every budget it is cut (or taken whole, if it ended
before), closed, and answered. Where a single answer follows the thought's own end, both are sampled
in one request; everywhere else the answers are requests of their own on the shared prefix.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from rollout.engine import Codec, Completion, Draw, Ended, Engine
from rollout.prompts import Markers, PromptFormat, markers, prompt_ids
from rollout.types import Answer, BudgetPrior, Finish, Group, Rollout, Task, VersionSpan


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a thought is answered: after its first `length` tokens, `closing` and `cue`; `head` was sampled already."""

    length: int
    closing: tuple[int, ...]
    cue: tuple[int, ...]
    head: Completion | None

    @property
    def forced(self) -> tuple[int, ...]:
        return self.closing + self.cue


def seed_of(*parts: object) -> int:
    """A 48-bit seed that depends on nothing but the parts, in any process."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big")


def crop(completion: Completion, start: int, end: int | None = None) -> Completion:
    """Tokens `start` to `end` of a completion, with positions counted from `start`."""
    tokens = completion.token_ids[start:end]
    stop = start + len(tokens)
    spans = tuple(
        VersionSpan(s.version, max(s.start, start) - start, min(s.end, stop) - start)
        for s in completion.versions
        if max(s.start, start) < min(s.end, stop)
    )
    whole = stop == len(completion.token_ids)
    return Completion(tokens, completion.logprobs[start:end], completion.ended if whole else Ended.LENGTH, spans)


def join(head: Completion, tail: Completion) -> Completion:
    """One completion from two that were sampled one after the other."""
    shift = len(head.token_ids)
    spans = head.versions + tuple(VersionSpan(s.version, s.start + shift, s.end + shift) for s in tail.versions)
    return Completion(head.token_ids + tail.token_ids, head.logprobs + tail.logprobs, tail.ended, spans)


def cut_at(thought: Completion, rest: Completion | None, finish: Finish, budget: int, marks: Markers) -> Cut | None:
    """How a thought is answered at a budget: as it ended, if it did so within the budget, else closed by force.

    None where the model ended the whole sequence within the budget, without closing its thought.
    """
    length = len(thought.token_ids)
    if length <= budget and finish is Finish.CLOSED:
        return Cut(length, (), marks.cue, rest)
    if length <= budget and finish is Finish.EMPTY:
        return None
    return Cut(min(budget, length), marks.closing, marks.cue, None)


@dataclass(frozen=True, slots=True)
class Sampler:
    """Samples groups from an engine. `answer_tokens` is the allowance of each answer, `answers` their number A."""

    engine: Engine
    codec: Codec
    style: PromptFormat
    answer_tokens: int
    answers: int = 1

    async def groups(self, tasks: Sequence[Task], prior: BudgetPrior, *, size: int, seed: int) -> list[Group]:
        """One group of `size` rollouts per task, in order. The same arguments and weights give the same tokens."""
        marks = markers(self.style, self.codec)
        return list(await asyncio.gather(*(self._group(task, prior, size, seed, marks) for task in tasks)))

    async def _group(self, task: Task, prior: BudgetPrior, size: int, seed: int, marks: Markers) -> Group:
        prompt = prompt_ids(task, self.style, self.codec, budget=prior.largest)
        one_pass = len(prior.tokens) == 1 and self.answers == 1 and not marks.cue
        stop = () if one_pass else (marks.think_end,)
        thoughts = await self.engine.sample(Draw(prompt, size, prior.largest, seed_of(seed, task.id), stop))
        rollouts = await asyncio.gather(
            *(
                self._rollout(prompt, thought, prior, seed_of(seed, task.id, index), marks)
                for index, thought in enumerate(thoughts)
            )
        )
        return Group(task, prior, tuple(rollouts))

    async def _rollout(
        self, prompt: tuple[int, ...], sampled: Completion, prior: BudgetPrior, seed: int, marks: Markers
    ) -> Rollout:
        thought, rest, finish = split(sampled, marks.think_end)
        answers = await asyncio.gather(
            *(
                self._answers(prompt, thought, cut_at(thought, rest, finish, budget, marks), budget, seed_of(seed, s))
                for s, budget in enumerate(prior.tokens)
            )
        )
        return Rollout(prompt, thought.token_ids, thought.logprobs, finish, thought.versions, tuple(answers))

    async def _answers(
        self, prompt: tuple[int, ...], thought: Completion, cut: Cut | None, budget: int, seed: int
    ) -> tuple[Answer, ...]:
        if cut is None:
            text = self._text(thought.token_ids)
            return (Answer(budget, len(thought.token_ids), (), (), (), "", Finish.EMPTY, text),) * self.answers
        prefix = thought.token_ids[: cut.length]
        if cut.head is not None:
            completions = [await self._continue(prompt + prefix, cut.head, seed)]
        else:
            draw = Draw(prompt + prefix + cut.forced, self.answers, self.answer_tokens, seed)
            completions = await self.engine.sample(draw)
        text = self._text(prefix)
        return tuple(
            Answer(
                budget=budget,
                prefix_len=cut.length,
                forced_ids=cut.forced,
                token_ids=completion.token_ids,
                logprobs=completion.logprobs,
                text=self._text(cut.cue + completion.token_ids),
                finish=Finish.STOP if completion.ended is not Ended.LENGTH else Finish.LENGTH,
                thought=text,
                versions=completion.versions,
            )
            for completion in completions
        )

    async def _continue(self, prefix: tuple[int, ...], head: Completion, seed: int) -> Completion:
        """Finish an answer of which `head` is sampled, within the answer's own allowance."""
        left = self.answer_tokens - len(head.token_ids)
        if left <= 0:
            return crop(head, 0, self.answer_tokens)
        if head.ended is not Ended.LENGTH:
            return head
        tail = await self.engine.sample(Draw(prefix + head.token_ids, 1, left, seed))
        return join(head, tail[0])

    def _text(self, token_ids: tuple[int, ...]) -> str:
        return self.codec.decode(list(token_ids), skip_special_tokens=True)


def split(sampled: Completion, think_end: int) -> tuple[Completion, Completion | None, Finish]:
    """Part a completion into the thought (its end marker included), what follows it, and how the thought ended."""
    if think_end in sampled.token_ids:
        end = sampled.token_ids.index(think_end) + 1
        rest = crop(sampled, end)
        alone = not rest.token_ids and sampled.ended is Ended.STOP
        return crop(sampled, 0, end), None if alone else rest, Finish.CLOSED
    # A model may have more ends of sequence than the tokenizer's: engines report those as stops.
    return sampled, None, Finish.BUDGET if sampled.ended is Ended.LENGTH else Finish.EMPTY
