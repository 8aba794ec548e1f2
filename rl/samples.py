"""Scored groups and their credit to flat samples (pure): what is trained on, and which groups have a signal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rewards.types import ScoredGroup
from rl.types import Array, Credit, Sample
from rollout.types import Answer, Group, Rollout, VersionSpan


class Selection(NamedTuple):
    """What a step trains on: its samples, the share of groups with a signal, and how many were dropped."""

    samples: list[Sample]
    informative: float
    dropped: int


def select(scored: Sequence[ScoredGroup], credits: Sequence[Credit], *, drop_zero_signal: bool) -> Selection:
    """Flatten the groups, and here alone drop those without a training signal, when asked to.

    A dropped group also leaves the denominators of the loss. `informative` is 0 over no groups.
    """
    signal = [informative(credit) for credit in credits]
    samples = [
        sample
        for group, credit, has_signal in zip(scored, credits, signal, strict=True)
        if has_signal or not drop_zero_signal
        for sample in flatten(group.group, credit)
    ]
    dropped = signal.count(False) if drop_zero_signal else 0
    return Selection(samples, sum(signal) / len(signal) if signal else 0.0, dropped)


def informative(credit: Credit) -> bool:
    """Whether any stretch of the group would move the policy. Equal rewards are not asked about: with
    several budgets, credit can differ from 0 although every rollout has the same scores.
    """
    return any(bool(np.any(np.isfinite(part) & (part != 0))) for part in (credit.thought, credit.answer))


def flatten(group: Group, credit: Credit) -> list[Sample]:
    """One sequence for each answer: prompt, thought up to the cut, forced tokens, answer.

    The thought is trained once, in the sequence of the largest budget's first answer; in the others it
    is context. NaN credit masks its tokens, and a sequence with nothing to train is left out. Raises
    ValueError when a thought is longer than its budget, or the largest budget cuts it short.
    """
    return [
        sample
        for g, rollout in enumerate(group.rollouts)
        for sample in _samples_of(rollout, thought_credit(rollout, group, credit.thought[g]), credit.answer[g])
    ]


def thought_credit(rollout: Rollout, group: Group, credit_S: Array) -> Array:
    """Credit [T] of each thought token: position t (from 0) belongs to the first budget above t."""
    tokens, budgets_S = len(rollout.token_ids), group.prior.tokens
    if tokens > budgets_S[-1]:
        raise ValueError(f"task {group.task.id}: a thought of {tokens} tokens under a budget of {budgets_S[-1]}")
    if rollout.answers[-1][0].prefix_len != tokens:
        cut = rollout.answers[-1][0].prefix_len
        raise ValueError(f"task {group.task.id}: the largest budget cut a thought of {tokens} tokens at {cut}")
    return credit_S[np.searchsorted(budgets_S, np.arange(tokens), side="right")]


def _samples_of(rollout: Rollout, thought_T: Array, credit_SA: Array) -> Iterator[Sample]:
    context_T = np.full_like(thought_T, np.nan)
    home = (len(rollout.answers) - 1, 0)
    for s, answers_A in enumerate(rollout.answers):
        for a, answer in enumerate(answers_A):
            mine_T = thought_T if (s, a) == home else context_T
            credit_T = np.concatenate(
                [
                    np.full(len(rollout.prompt_ids), np.nan),
                    mine_T[: answer.prefix_len],
                    np.full(len(answer.forced_ids), np.nan),
                    np.full(len(answer.token_ids), credit_SA[s, a]),
                ]
            )
            if np.isfinite(credit_T).any():
                yield _sample(rollout, answer, credit_T)


def _sample(rollout: Rollout, answer: Answer, credit_T: Array) -> Sample:
    prompt, cut, forced = len(rollout.prompt_ids), answer.prefix_len, len(answer.forced_ids)
    mask_T = np.isfinite(credit_T)
    return Sample(
        token_ids=rollout.prompt_ids + rollout.token_ids[:cut] + answer.forced_ids + answer.token_ids,
        loss_mask=tuple(mask_T.astype(int).tolist()),
        logprobs=(0.0,) * prompt + rollout.logprobs[:cut] + (0.0,) * forced + answer.logprobs,
        advantages=tuple(np.where(mask_T, credit_T, 0.0).tolist()),
        versions=(
            *_moved(rollout.versions, prompt, upto=cut),
            *_moved(answer.versions, prompt + cut + forced, upto=len(answer.token_ids)),
        ),
    )


def _moved(spans: Sequence[VersionSpan], offset: int, *, upto: int) -> Iterator[VersionSpan]:
    """Spans of the first `upto` tokens of a stretch, in positions of the sequence that it starts at `offset`."""
    for span in spans:
        if span.start < upto:
            yield VersionSpan(span.version, span.start + offset, min(span.end, upto) + offset)
