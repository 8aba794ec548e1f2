"""Scored groups and their credit to samples (pure): what is trained on, how much of it is shared, and which
groups have a signal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, pairwise
from math import nan
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from rewards.types import ScoredGroup
from rl.trees import needed, renumbered
from rl.types import Array, Credit, Sample
from rollout.types import Answer, Group, Logprobs, Rollout, Spans, TokenIds, VersionSpan, WeightVersion

GIVEN = -1
"""The weight version of a token that was not sampled."""


class Selection(NamedTuple):
    """What a step trains on: its samples, the share of groups with a signal, and how many were dropped."""

    samples: list[Sample]
    informative: float
    dropped: int


class Stretch(NamedTuple):
    """Sampled tokens in a row, column by column. NaN credit is never trained."""

    ids: TokenIds
    logprobs: Logprobs
    credit: Sequence[float]
    versions: Sequence[WeightVersion]

    def part(self, start: int, stop: int) -> Stretch:
        at = slice(start, stop)
        return Stretch(self.ids[at], self.logprobs[at], self.credit[at], self.versions[at])


class Branch(NamedTuple):
    """One rollout below its prompt: the thought, and cut, forced tokens and answer in the order of the cuts."""

    number: int
    prompt_ids: TokenIds
    thought: Stretch
    answers: tuple[tuple[int, TokenIds, Stretch], ...]


def select(
    scored: Sequence[ScoredGroup], credits: Sequence[Credit], *, drop_zero_signal: bool, share: str
) -> Selection:
    """Flatten the groups, and here alone drop those without a training signal, when asked to.

    A dropped group also leaves the denominators of the loss. `informative` is 0 over no groups. For
    `share` see `SHARES`.
    """
    firsts = np.cumsum([0, *(len(group.group.rollouts) for group in scored)]).tolist()
    trees = [
        flatten(group.group, credit, share, first=first)
        for group, credit, first in zip(scored, credits, firsts[:-1], strict=True)
    ]
    signal = [informative(samples) for samples in trees]
    kept = [
        sample for samples, has in zip(trees, signal, strict=True) if has or not drop_zero_signal for sample in samples
    ]
    dropped = signal.count(False) if drop_zero_signal else 0
    return Selection(kept, sum(signal) / len(signal) if signal else 0.0, dropped)


def informative(samples: Sequence[Sample]) -> bool:
    """Whether any token of a group would move the policy. Equal rewards are not asked about: with several
    budgets, credit can differ from 0 although every rollout has the same scores.
    """
    return any(any(sample.advantages) for sample in samples)


def flatten(group: Group, credit: Credit, share: str, *, first: int = 0) -> list[Sample]:
    """A group as token trees: prompt, thought, and at each cut forced tokens and answers.

    `share` names in `SHARES` what is written once; `first` is the number in the step of the group's first
    rollout. Every sampled token with credit is trained exactly once, whatever is shared. NaN credit masks
    its tokens, and tokens with nothing to train at or below them are left out. Raises ValueError when a
    thought is longer than its budget, or the largest budget cuts it short; KeyError for an unknown share.
    """
    branches = [_branch(group, credit, g, first) for g in range(len(group.rollouts))]
    forest = Forest()
    for together in SHARES[share](branches):
        forest.plant(together)
    return forest.samples()


def thought_credit(rollout: Rollout, group: Group, credit_S: Array) -> Array:
    """Credit [T] of each thought token: position t (from 0) belongs to the first budget above t."""
    tokens, budgets_S = len(rollout.token_ids), group.prior.tokens
    if tokens > budgets_S[-1]:
        raise ValueError(f"task {group.task.id}: a thought of {tokens} tokens under a budget of {budgets_S[-1]}")
    cut = rollout.answers[-1][-1].prefix_len
    if cut != tokens:
        raise ValueError(f"task {group.task.id}: the largest budget cut a thought of {tokens} tokens at {cut}")
    return credit_S[np.searchsorted(budgets_S, np.arange(tokens), side="right")]


def _copies(branches: Sequence[Branch]) -> Iterable[Sequence[Branch]]:
    """One plain sequence for each answer. The thought is trained with the last answer, which follows all
    of it; in the others it is context.
    """
    for branch in branches:
        context = branch.thought._replace(credit=(nan,) * len(branch.thought.ids))
        *others, last = branch.answers
        yield from ([branch._replace(thought=context, answers=(answer,))] for answer in others)
        yield [branch._replace(answers=(last,))]


def _rollouts(branches: Sequence[Branch]) -> Iterable[Sequence[Branch]]:
    """One tree for each rollout; with one budget and one answer it is a plain sequence."""
    return ([branch] for branch in branches)


def _prompts(branches: Sequence[Branch]) -> Iterable[Sequence[Branch]]:
    """One tree for each prompt: rollouts that were asked for different efforts do not share theirs."""
    together: dict[TokenIds, list[Branch]] = {}
    for branch in branches:
        together.setdefault(branch.prompt_ids, []).append(branch)
    return together.values()


SHARES: dict[str, Callable[[Sequence[Branch]], Iterable[Sequence[Branch]]]] = {
    "none": _copies,
    "rollout": _rollouts,
    "group": _prompts,
}


def _branch(group: Group, credit: Credit, g: int, first: int) -> Branch:
    rollout = group.rollouts[g]
    thought_T = thought_credit(rollout, group, credit.thought[g]).tolist()
    answers = [
        (answer.prefix_len, answer.forced_ids, _stretch(answer, [worth] * len(answer.token_ids)))
        for answers_A, worth_A in zip(rollout.answers, credit.answer[g].tolist(), strict=True)
        for answer, worth in zip(answers_A, worth_A, strict=True)
    ]
    in_order = tuple(sorted(answers, key=itemgetter(0)))
    return Branch(first + g, rollout.prompt_ids, _stretch(rollout, thought_T), in_order)


def _stretch(sampled: Rollout | Answer, credit: Sequence[float]) -> Stretch:
    """Tokens with their credit; one without a weight version was put there by a strategy and is not trained.

    Raises ValueError when no token has one: nothing would be trained, and nobody be told.
    """
    if sampled.token_ids and not sampled.versions:
        raise ValueError(f"{len(sampled.token_ids)} tokens without a weight version: which weights sampled them?")
    version_T = [GIVEN] * len(sampled.token_ids)
    for span in sampled.versions:
        version_T[span.start : span.end] = [span.version] * (span.end - span.start)
    own = [nan if version == GIVEN else worth for version, worth in zip(version_T, credit, strict=True)]
    return Stretch(sampled.token_ids, sampled.logprobs, own, version_T)


class Forest:
    """Token trees under construction, one behind the other, column by column: appending to a list is cheap."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._parents: list[int] = []
        self._rollouts: list[int] = []
        self._logprobs: list[float] = []
        self._credit: list[float] = []
        self._versions: list[int] = []

    def plant(self, branches: Sequence[Branch]) -> None:
        """A tree of rollouts that share a prompt, depth first: the thought up to a cut, the answers at that
        cut, the thought's next stretch.
        """
        root = self._given(-1, branches[0].prompt_ids, -1)
        for branch in branches:
            last, start = root, 0
            for cut, forced_ids, answer in branch.answers:
                last, start = self._sampled(last, branch.thought.part(start, cut), branch.number), cut
                self._sampled(self._given(last, forced_ids, branch.number), answer, branch.number)

    def _given(self, after: int, ids: TokenIds, number: int) -> int:
        """Tokens that were not sampled: a prompt, a closing string."""
        count = len(ids)
        return self._sampled(after, Stretch(ids, (0.0,) * count, (nan,) * count, (GIVEN,) * count), number)

    def _sampled(self, after: int, tokens: Stretch, number: int) -> int:
        """Append tokens in a row below token `after`; returns the last of them, or `after` of none."""
        size, count = len(self._ids), len(tokens.ids)
        if not count:
            return after
        self._ids += tokens.ids
        self._parents += (after, *range(size, size + count - 1))
        self._rollouts += (number,) * count
        self._logprobs += tokens.logprobs
        self._credit += tokens.credit
        self._versions += tokens.versions
        return size + count - 1

    def samples(self) -> list[Sample]:
        """The trees, without the tokens that have nothing to train at or below them."""
        parents_T, credit_T = np.array(self._parents, np.int64), np.array(self._credit)
        trained_T = np.isfinite(credit_T)
        keep_T = needed(parents_T, trained_T)
        columns = (self._ids, self._rollouts, self._logprobs, self._versions)
        ids, rollouts, logprobs, versions = (np.array(column)[keep_T].tolist() for column in columns)
        parents_T, trained_T = renumbered(parents_T, keep_T), trained_T[keep_T]
        mask = trained_T.astype(int).tolist()
        advantages = np.where(trained_T, credit_T[keep_T], 0.0).tolist()
        roots = np.flatnonzero(parents_T < 0).tolist()
        return [
            Sample(
                token_ids=tuple(ids[a:b]),
                parents=(-1, *(parents_T[a + 1 : b] - a).tolist()),
                loss_mask=tuple(mask[a:b]),
                logprobs=tuple(logprobs[a:b]),
                advantages=tuple(advantages[a:b]),
                rollouts=tuple(rollouts[a:b]),
                versions=_spans(versions[a:b]),
            )
            for a, b in pairwise([*roots, len(ids)])
        ]


def _spans(version_T: Sequence[WeightVersion]) -> Spans:
    """Runs of sampled tokens of one version."""
    spans: list[VersionSpan] = []
    start = 0
    for version, run in groupby(version_T):
        end = start + len(list(run))
        if version != GIVEN:
            spans.append(VersionSpan(version, start, end))
        start = end
    return tuple(spans)
