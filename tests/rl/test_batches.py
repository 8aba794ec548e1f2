"""A batch as rectangles: one worked by hand, and no way of splitting it that changes its loss."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.aggregation import constant, sequence_mean, token_mean
from rl.batches import Rectangle, batch_of, minibatches, rectangle
from rl.types import Sample
from rollout.types import VersionSpan


def make_sample(tokens, mask, *, advantage=1.0):
    """Token i is told with log-probability -i / 10 where it was sampled."""
    logprobs = tuple(-token / 10 if on else 0.0 for token, on in zip(tokens, mask, strict=True))
    advantages = tuple(advantage if on else 0.0 for on in mask)
    return Sample(tuple(tokens), tuple(mask), logprobs, advantages, (VersionSpan(0, 0, len(tokens)),))


LONG = make_sample((1, 2, 3, 4, 5), (0, 0, 1, 0, 1), advantage=2.0)
SHORT = make_sample((6, 7, 8), (0, 1, 1), advantage=-1.0)
UNTRAINED = make_sample((9, 9), (0, 0))


def parts_of(micro: Rectangle) -> list[np.ndarray]:
    return [micro.token_ids_NT, micro.mask_NT, micro.engine_logp_K, micro.advantage_K, micro.weight_K]


def same(one: Rectangle, other: Rectangle) -> bool:
    return all(map(np.array_equal, parts_of(one), parts_of(other)))


def test_a_rectangle_by_hand():
    micro = rectangle([LONG, SHORT], [0.25, 0.5])
    assert micro.token_ids_NT.tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 0, 0]]
    assert micro.mask_NT.tolist() == [[False, False, True, False, True], [False, True, True, False, False]]
    assert micro.engine_logp_K.tolist() == [-0.3, -0.5, -0.7, -0.8]
    assert micro.advantage_K.tolist() == [2.0, 2.0, -1.0, -1.0]
    assert micro.weight_K.tolist() == [0.25, 0.25, 0.5, 0.5]


def test_no_samples_give_an_empty_rectangle_that_can_still_be_run_forward():
    micro = rectangle([], [])
    assert micro.token_ids_NT.tolist() == [[0, 0]]
    assert micro.mask_NT.tolist() == [[False, False]]
    assert micro.engine_logp_K.size == micro.advantage_K.size == micro.weight_K.size == 0


def test_a_weight_for_every_sample():
    with pytest.raises(ValueError, match="shorter"):
        rectangle([LONG, SHORT], [1.0])


def test_a_batch_on_one_rank_by_hand():
    """Four trained tokens, two and two; the longest sequence comes first."""
    ((first, second),) = batch_of([SHORT, LONG], token_mean, ranks=1, micro_tokens=5)
    assert same(first, rectangle([LONG], [0.25]))
    assert same(second, rectangle([SHORT], [0.25]))
    (micros,) = batch_of([SHORT, LONG], token_mean, ranks=1, micro_tokens=10)
    assert len(micros) == 1
    assert same(micros[0], rectangle([LONG, SHORT], [0.25, 0.25]))


def test_the_denominator_spans_all_ranks():
    """Three samples with 2, 2 and 0 trained tokens: 1 / (2 sequences * 2 tokens), wherever they land."""
    ranks = batch_of([LONG, SHORT, UNTRAINED], sequence_mean, ranks=2, micro_tokens=6)
    assert [[micro.weight_K.tolist() for micro in micros] for micros in ranks] == [[[0.25, 0.25]], [[0.25, 0.25]]]


def test_a_rank_without_work_keeps_step():
    ranks = batch_of([LONG], token_mean, ranks=3, micro_tokens=100)
    assert [len(micros) for micros in ranks] == [1, 1, 1]
    assert same(ranks[1][0], rectangle([], []))
    assert same(ranks[2][0], rectangle([], []))


@st.composite
def samples(draw):
    masks = draw(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=9), max_size=12))
    token = st.integers(1, 99)
    return [make_sample([draw(token) for _ in mask], mask, advantage=draw(st.floats(-3, 3))) for mask in masks]


def token_loss(logp, advantage):
    """Any loss of one token will do."""
    return math.sin(7 * logp) - advantage * (1 + logp)


def loss_of(ranks):
    return sum(
        weight * token_loss(logp, advantage)
        for micros in ranks
        for micro in micros
        for logp, advantage, weight in zip(micro.engine_logp_K, micro.advantage_K, micro.weight_K, strict=True)
    )


AGGREGATIONS = [token_mean, sequence_mean, partial(constant, max_tokens=16)]


@pytest.mark.parametrize("weights", AGGREGATIONS, ids=["token_mean", "sequence_mean", "constant"])
@given(batch=samples(), ranks=st.integers(1, 4), micro_tokens=st.integers(1, 60))
def test_no_split_changes_the_loss(weights, batch, ranks, micro_tokens):
    whole_NT = [[rectangle(batch, weights([sum(sample.loss_mask) for sample in batch]).tolist())]]
    parts = batch_of(batch, weights, ranks=ranks, micro_tokens=micro_tokens)
    assert loss_of(parts) == pytest.approx(loss_of(whole_NT), abs=1e-12)
    assert len({len(micros) for micros in parts}) == 1


@given(batch=samples(), ranks=st.integers(1, 4), micro_tokens=st.integers(1, 60))
def test_every_token_is_in_one_place_with_what_belongs_to_it(batch, ranks, micro_tokens):
    def trained(sample):
        rows = zip(sample.token_ids, sample.loss_mask, sample.logprobs, sample.advantages, strict=True)
        return [(token, logp, advantage) for token, on, logp, advantage in rows if on]

    found = [
        (int(token), float(logp), float(advantage))
        for micros in batch_of(batch, token_mean, ranks=ranks, micro_tokens=micro_tokens)
        for micro in micros
        for token, logp, advantage in zip(
            micro.token_ids_NT[micro.mask_NT], micro.engine_logp_K, micro.advantage_K, strict=True
        )
    ]
    assert sorted(found) == sorted(row for sample in batch for row in trained(sample))


def test_minibatches_by_hand():
    five = [make_sample((i,), (1,)) for i in range(1, 6)]
    assert minibatches(five, 1) == [five]
    assert minibatches(five, 2) == [five[:2], five[2:]]
    assert minibatches(five, 5) == [[one] for one in five]
    assert minibatches(five, 9) == [[one] for one in five]  # never an empty optimizer step
    assert minibatches([], 3) == []


@given(st.integers(0, 40), st.integers(1, 12))
def test_minibatches_are_consecutive_and_of_nearly_equal_size(n, count):
    batch = [make_sample((i,), (1,)) for i in range(n)]
    parts = minibatches(batch, count)
    assert [sample for part in parts for sample in part] == batch
    assert len(parts) == min(count, n)
    assert max(map(len, parts), default=0) - min(map(len, parts), default=0) <= 1
