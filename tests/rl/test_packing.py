"""Dealing sequences to ranks and packing them into rectangles."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.packing import deal, pack

LENGTHS = st.lists(st.integers(1, 60), max_size=40)
RANKS = st.integers(1, 5)


def area(batch, lengths):
    return len(batch) * max(lengths[i] for i in batch)


def test_deal_by_hand():
    lengths = [10, 60, 30, 20, 50, 40]
    assert [rank.tolist() for rank in deal(lengths, 2)] == [[1, 2, 3], [4, 5, 0]]  # 60+30+20 and 50+40+10
    assert [rank.tolist() for rank in deal(lengths, 4)] == [[1], [4], [5, 0], [2, 3]]


def test_pack_by_hand():
    lengths = [10, 60, 30, 20, 50, 40]
    assert pack(lengths, 1, 100) == [[(1,), (4, 5), (2, 3, 0)]]  # 1*60 (2*60 is too much), 2*50, 3*30
    assert pack(lengths, 2, 100) == [[(1,), (2, 3)], [(4, 5), (0,)]]


def test_a_rank_that_runs_out_keeps_step_with_empty_micro_batches():
    assert pack([10, 60, 30, 20, 50, 40], 2, 60) == [[(1,), (2, 3), ()], [(4,), (5,), (0,)]]
    assert pack([9], 3, 10) == [[(0,)], [()], [()]]
    assert pack([], 2, 10) == [[], []]


def test_a_sequence_above_the_limit_gets_a_rectangle_of_its_own():
    assert pack([25, 3, 3], 1, 10) == [[(0,), (1, 2)]]


@given(LENGTHS, RANKS)
def test_ranks_are_balanced_within_one_sequence(lengths, ranks):
    hands = deal(lengths, ranks)
    assert sorted(np.concatenate(hands).tolist()) == list(range(len(lengths)))
    for one, other in combinations(hands, 2):
        assert abs(len(one) - len(other)) <= 1
        assert abs(sum(lengths[i] for i in one) - sum(lengths[i] for i in other)) <= max(lengths, default=0)


@given(LENGTHS, RANKS, st.integers(1, 200))
def test_every_sequence_once_within_the_limit_and_in_lockstep(lengths, ranks, micro_tokens):
    by_rank = pack(lengths, ranks, micro_tokens)
    assert len(by_rank) == ranks
    assert len({len(batches) for batches in by_rank}) == 1
    filled = [batch for batches in by_rank for batch in batches if batch]
    assert sorted(i for batch in filled for i in batch) == list(range(len(lengths)))
    assert all(area(batch, lengths) <= micro_tokens or len(batch) == 1 for batch in filled)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=9), st.integers(1, 90))
def test_no_other_cut_of_the_order_needs_fewer_rectangles(lengths, micro_tokens):
    ordered = sorted(lengths, reverse=True)

    def fewest(start):
        if start == len(ordered):
            return 0
        ends = [end for end in range(start + 1, len(ordered) + 1) if (end - start) * ordered[start] <= micro_tokens]
        return 1 + min(fewest(end) for end in ends or [start + 1])

    assert len(pack(lengths, 1, micro_tokens)[0]) == fewest(0)


@pytest.mark.parametrize(("micro_tokens", "most"), [(1024, 0.025), (2048, 0.05), (4096, 0.08)])
def test_little_padding_at_realistic_lengths(micro_tokens, most):
    lengths = np.random.default_rng(0).integers(20, 61, 512).tolist()
    batches = [batch for batch in pack(lengths, 1, micro_tokens)[0] if batch]
    padded = sum(area(batch, lengths) for batch in batches)
    assert 1 - sum(lengths) / padded < most
