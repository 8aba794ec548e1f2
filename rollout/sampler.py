"""Tasks under a budget prior -> groups: think once, cut at each budget, answer at each cut.

A thought is sampled to the largest budget. At every budget it is cut (or taken whole, if it ended
before), closed, and answered. Where a single answer follows the thought's own end, both are sampled
in one request; everywhere else the answers are requests of their own on the shared prefix.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rollout.engine import Codec, Completion, Draw, Ended, Engine, Steering
from rollout.prompts import Markers, PromptFormat, markers, prompt_ids
from rollout.types import Answer, BudgetPrior, Finish, Group, Rollout, Task, TokenIds, VersionSpan


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


@dataclass(frozen=True, slots=True)
class Fork:
    """The answers [S'][A] at one cut, which serves S' budgets, and what they cost beside their own tokens."""

    answers: tuple[tuple[Answer, ...], ...]
    discarded: int
    recomputed: int


def seed_of(*parts: object) -> int:
    """A 48-bit seed that depends on nothing but the parts, in any process."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big")


def uniform_of(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but the parts, in any process."""
    return seed_of(*parts) / 2**48


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
    """Samples groups from an engine. `answer_tokens` is the allowance of each answer; `steering` acts on thoughts."""

    engine: Engine
    codec: Codec
    style: PromptFormat
    answer_tokens: int
    steering: Steering | None = None

    async def groups(
        self, tasks: Sequence[Task], priors: Sequence[BudgetPrior], *, size: int, seed: int
    ) -> list[Group]:
        """One group of `size` rollouts per task and its prior, in order.

        The same arguments and weights give the same tokens. Raises ValueError when a prior's efforts do
        not divide the group.
        """
        marks = markers(self.style, self.codec)
        asked = zip(tasks, priors, strict=True)
        return list(await asyncio.gather(*(self._group(task, prior, size, seed, marks) for task, prior in asked)))

    async def _group(self, task: Task, prior: BudgetPrior, size: int, seed: int, marks: Markers) -> Group:
        share, rest = divmod(size, len(prior.efforts))
        if rest:
            raise ValueError(f"a group of {size} cannot be divided evenly among {len(prior.efforts)} efforts")
        parts = (self._part(task, prior, effort, share, seed, marks) for effort in prior.efforts)
        return Group(task, prior, tuple(itertools.chain.from_iterable(await asyncio.gather(*parts))))

    async def _part(
        self, task: Task, prior: BudgetPrior, effort: float, size: int, seed: int, marks: Markers
    ) -> list[Rollout]:
        prompt = prompt_ids(task, self.style, self.codec, budget=prior.asked, effort=effort)
        one_pass = len(prior.tokens) == prior.answers == 1 and not marks.cue
        stop = () if one_pass else (marks.think_end,)
        own = seed_of(seed, task.id, task.epoch, effort)
        thoughts = await self.engine.sample(Draw(prompt, size, prior.largest, own, stop, steering=self.steering))
        rollouts = (
            self.rollout(prompt, thought, prior, seed_of(own, index), marks) for index, thought in enumerate(thoughts)
        )
        return list(await asyncio.gather(*rollouts))

    async def rollout(
        self, prompt: TokenIds, sampled: Completion, prior: BudgetPrior, seed: int, marks: Markers
    ) -> Rollout:
        """The answers at every budget of the prior to a thought that was sampled already, up to the largest."""
        thought, rest, finish = split(sampled, marks.think_end)
        forks = forks_of(prior.tokens, lambda budget: cut_at(thought, rest, finish, budget, marks))
        done = await asyncio.gather(
            *(
                self._fork(prompt, thought, cut, budgets, prior.answers, seed_of(seed, cut and cut.length))
                for cut, budgets in forks
            )
        )
        return Rollout(
            prompt,
            thought.token_ids,
            thought.logprobs,
            finish,
            thought.versions,
            answers=tuple(answers for fork in done for answers in fork.answers),
            discarded=sum(fork.discarded for fork in done),
            recomputed=sum(fork.recomputed for fork in done),
        )

    async def _fork(
        self, prompt: TokenIds, thought: Completion, cut: Cut | None, budgets: Sequence[int], answers: int, seed: int
    ) -> Fork:
        """`answers` answers for each of the budgets that cut the thought at this place, in one go."""
        if cut is None:
            text, length = self._text(thought.token_ids), len(thought.token_ids)
            empty = [Answer(budget, length, (), (), (), "", Finish.EMPTY, text) for budget in budgets]
            return Fork(tuple((answer,) * answers for answer in empty), 0, 0)
        prefix = prompt + thought.token_ids[: cut.length]
        recomputed = discarded = 0
        if cut.head is not None:
            completion, recomputed = await self._continue(prefix, cut.head, seed)
            completions = [completion]
            discarded = max(0, len(cut.head.token_ids) - len(completion.token_ids))
        else:
            # Requests of one sequence each: of several, vLLM tells the cached tokens of but one.
            draws = [Draw(prefix + cut.forced, 1, self.answer_tokens, seed + i) for i in range(answers * len(budgets))]
            completions = [one for (one,) in await asyncio.gather(*map(self.engine.sample, draws))]
            recomputed = sum(max(0, len(prefix) - one.cached) for one in completions)
        text = self._text(thought.token_ids[: cut.length])
        made = [self._answer(cut, budgets[i // answers], one, text) for i, one in enumerate(completions)]
        by_budget = (tuple(made[i : i + answers]) for i in range(0, len(made), answers))
        return Fork(tuple(by_budget), discarded, recomputed)

    def _answer(self, cut: Cut, budget: int, completion: Completion, thought: str) -> Answer:
        return Answer(
            budget=budget,
            prefix_len=cut.length,
            forced_ids=cut.forced,
            token_ids=completion.token_ids,
            logprobs=completion.logprobs,
            text=self._text(cut.cue + completion.token_ids),
            finish=Finish.STOP if completion.ended is not Ended.LENGTH else Finish.LENGTH,
            thought=thought,
            versions=completion.versions,
        )

    async def _continue(self, prefix: TokenIds, head: Completion, seed: int) -> tuple[Completion, int]:
        """Finish an answer of which `head` is sampled, within the answer's own allowance.

        Returns it with the number of tokens that the engine had to read again.
        """
        left = self.answer_tokens - len(head.token_ids)
        if left <= 0:
            return crop(head, 0, self.answer_tokens), 0
        if head.ended is not Ended.LENGTH:
            return head, 0
        before = prefix + head.token_ids
        (tail,) = await self.engine.sample(Draw(before, 1, left, seed))
        return join(head, tail), max(0, len(before) - tail.cached)

    def _text(self, token_ids: TokenIds) -> str:
        return self.codec.decode(list(token_ids), skip_special_tokens=True)


def forks_of(budgets: Sequence[int], cut: Callable[[int], Cut | None]) -> list[tuple[Cut | None, tuple[int, ...]]]:
    """The cuts of a thought with the budgets that each serves: those behind its end share one."""
    pairs = ((cut(budget), budget) for budget in budgets)
    by_cut = itertools.groupby(pairs, key=lambda pair: pair[0])
    return [(at, tuple(budget for _, budget in same)) for at, same in by_cut]


def split(sampled: Completion, think_end: int) -> tuple[Completion, Completion | None, Finish]:
    """Part a completion into the thought (its end marker included), what follows it, and how the thought ended."""
    if think_end in sampled.token_ids:
        end = sampled.token_ids.index(think_end) + 1
        rest = crop(sampled, end)
        alone = not rest.token_ids and sampled.ended is Ended.STOP
        return crop(sampled, 0, end), None if alone else rest, Finish.CLOSED
    # A model may have more ends of sequence than the tokenizer's: engines report those as stops.
    return sampled, None, Finish.BUDGET if sampled.ended is Ended.LENGTH else Finish.EMPTY
