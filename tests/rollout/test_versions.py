"""Every token keeps the weight version that sampled it, wherever it is moved to."""

from __future__ import annotations

import asyncio

import pytest
from char_codec import CODEC, TASK, ids
from hypothesis import given
from hypothesis import strategies as st

from rollout.engine import Completion, Ended
from rollout.prompts import PromptFormat
from rollout.sampler import Sampler, crop, join
from rollout.types import BudgetPrior, VersionSpan

MIXED = Completion(
    (10, 11, 12, 13, 14, 15),
    (0.0, -0.1, -0.2, -0.3, -0.4, -0.5),
    Ended.EOS,
    (VersionSpan(1, 0, 2), VersionSpan(2, 2, 6)),
)


@pytest.mark.parametrize(
    ("start", "end", "spans"),
    [
        (0, None, (VersionSpan(1, 0, 2), VersionSpan(2, 2, 6))),
        (0, 2, (VersionSpan(1, 0, 2),)),
        (0, 3, (VersionSpan(1, 0, 2), VersionSpan(2, 2, 3))),
        (1, 4, (VersionSpan(1, 0, 1), VersionSpan(2, 1, 3))),
        (2, None, (VersionSpan(2, 0, 4),)),
        (4, 5, (VersionSpan(2, 0, 1),)),
        (6, None, ()),
        (3, 3, ()),
    ],
)
def test_crop_counts_positions_from_its_start(start, end, spans):
    cropped = crop(MIXED, start, end)
    assert cropped.token_ids == MIXED.token_ids[start:end]
    assert cropped.logprobs == MIXED.logprobs[start:end]
    assert cropped.versions == spans
    assert cropped.ended == (Ended.EOS if end in (None, 6) else Ended.LENGTH)


def test_join_shifts_the_second_half():
    tail = Completion((20, 21), (-1.0, -1.1), Ended.LENGTH, (VersionSpan(2, 0, 1), VersionSpan(3, 1, 2)))
    joined = join(MIXED, tail)
    assert joined.token_ids == (10, 11, 12, 13, 14, 15, 20, 21)
    assert joined.logprobs == (0.0, -0.1, -0.2, -0.3, -0.4, -0.5, -1.0, -1.1)
    assert joined.ended == Ended.LENGTH
    assert joined.versions == (
        *(VersionSpan(1, 0, 2), VersionSpan(2, 2, 6)),
        *(VersionSpan(2, 6, 7), VersionSpan(3, 7, 8)),
    )


@given(st.integers(0, 6))
def test_what_was_cut_in_two_joins_to_itself(cut):
    joined = join(crop(MIXED, 0, cut), crop(MIXED, cut))
    assert (joined.token_ids, joined.logprobs, joined.ended) == (MIXED.token_ids, MIXED.logprobs, MIXED.ended)
    version_T = [s.version for s in joined.versions for _ in range(s.start, s.end)]
    assert version_T == [1, 1, 2, 2, 2, 2]
    assert [s.start for s in joined.versions[1:]] == [s.end for s in joined.versions[:-1]]


class Republished:
    """An engine whose weights changed in the middle of the one request that was made: version 1, then 2, then 3."""

    def __init__(self):
        self.draws = []

    async def sample(self, draw):
        self.draws.append(draw)
        if len(self.draws) > 1:
            return [Completion(ids("45"), (-0.5,) * 2, Ended.EOS, (VersionSpan(3, 0, 2),))]
        spans = (VersionSpan(1, 0, 1), VersionSpan(2, 1, 6))
        return [Completion(ids("ab</think>123"), (-0.5,) * 6, Ended.LENGTH, spans)]


def test_versions_follow_their_tokens_into_thought_and_answer():
    """Version 1 sampled `a`, version 2 the rest of the first request, version 3 the end of the answer."""
    sampler = Sampler(Republished(), CODEC, PromptFormat(), 8)
    (group,) = asyncio.run(sampler.groups([TASK], [BudgetPrior.single(6)], size=1, seed=0))
    (rollout,) = group.rollouts
    assert rollout.versions == (VersionSpan(1, 0, 1), VersionSpan(2, 1, 3))
    assert rollout.answers[0][0].token_ids == ids("12345")
    assert rollout.answers[0][0].versions == (VersionSpan(2, 0, 3), VersionSpan(3, 3, 5))
