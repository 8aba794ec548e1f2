"""A batch as rectangles: one worked by hand, and no way of splitting it that changes its loss."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from make_groups import make_answer, make_rollout
from make_trees import random_group

from rl.aggregation import constant, sequence_mean, token_mean
from rl.batches import Rectangle, batch_of, minibatches, rectangle, trained_tokens
from rl.config import LossConfig
from rl.objective import build_objective
from rl.samples import SHARES, flatten
from rl.trees import chain
from rl.types import Credit, Sample
from rollout.types import BudgetPrior, Group, Task, VersionSpan


def make_sample(tokens, mask, *, rollout=0, advantage=1.0):
    """A plain sequence of one rollout. Token i is told with log-probability -i / 10 where it was sampled."""
    logprobs = tuple(-token / 10 if on else 0.0 for token, on in zip(tokens, mask, strict=True))
    advantages = tuple(advantage if on else 0.0 for on in mask)
    numbers, spans = (rollout,) * len(tokens), (VersionSpan(0, 0, len(tokens)),)
    return Sample(tuple(tokens), chain(len(tokens)), tuple(mask), logprobs, advantages, numbers, spans)


LONG = make_sample((1, 2, 3, 4, 5), (0, 0, 1, 0, 1), rollout=0, advantage=2.0)
SHORT = make_sample((6, 7, 8), (0, 1, 1), rollout=1, advantage=-1.0)
UNTRAINED = make_sample((9, 9), (0, 0), rollout=2)
# The prompt 1; rollout 0 thinks 2 3 and answers 4, 5 after the first; rollout 1 thinks 6.
TREE = Sample(
    token_ids=(1, 2, 4, 5, 3, 6),
    parents=(-1, 0, 1, 1, 1, 0),
    loss_mask=(0, 1, 1, 1, 1, 1),
    logprobs=(0.0, -0.2, -0.4, -0.5, -0.3, -0.6),
    advantages=(0.0, 1.0, 2.0, 3.0, 1.0, 4.0),
    rollouts=(-1, 0, 0, 0, 0, 1),
    versions=(),
)


def parts_of(micro: Rectangle) -> list[np.ndarray]:
    return [micro.token_ids_NT, micro.mask_NT, micro.engine_logp_K, micro.advantage_K, micro.weight_K]


def each(*weights: float) -> np.ndarray:
    return np.array(weights)


def same(one: Rectangle, other: Rectangle) -> bool:
    return all(map(np.array_equal, parts_of(one), parts_of(other)))


def test_a_rectangle_by_hand():
    micro = rectangle([LONG, SHORT], each(0.25, 0.5))
    assert micro.token_ids_NT.tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 0, 0]]
    assert micro.mask_NT.tolist() == [[False, False, True, False, True], [False, True, True, False, False]]
    assert micro.engine_logp_K.tolist() == [-0.3, -0.5, -0.7, -0.8]
    assert micro.advantage_K.tolist() == [2.0, 2.0, -1.0, -1.0]
    assert micro.weight_K.tolist() == [0.25, 0.25, 0.5, 0.5]
    assert (micro.tokens, micro.forest) == (8, None)


def test_a_rectangle_of_a_tree_and_a_plain_sequence_by_hand():
    micro = rectangle([TREE, SHORT], each(0.25, 0.5))
    assert micro.token_ids_NT.tolist() == [[1, 2, 4, 5, 3, 6], [6, 7, 8, 0, 0, 0]]
    assert micro.weight_K.tolist() == [0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5]
    assert micro.tokens == 9
    assert micro.forest.parent_NT[0].tolist() == [-1, 0, 1, 1, 1, 0]
    assert micro.forest.depth_NT[0].tolist() == [0, 1, 2, 2, 2, 1]
    assert micro.forest.end_NT[0].tolist() == [6, 5, 3, 4, 5, 6]
    assert micro.forest.parent_NT[1, :3].tolist() == [-1, 0, 1]
    assert micro.forest.depth_NT[1, :3].tolist() == [0, 1, 2]
    assert micro.forest.end_NT[1].tolist() == [3, 3, 3, 4, 5, 6]  # padding sees itself alone


def test_what_is_no_tree_is_refused():
    with pytest.raises(ValueError, match="token 3 cannot follow token 1"):
        rectangle([replace(TREE, parents=(-1, 0, 0, 1, 3, 0))], each(1.0, 1.0))


def test_no_samples_give_an_empty_rectangle_that_can_still_be_run_forward():
    micro = rectangle([], each())
    assert micro.token_ids_NT.tolist() == [[0, 0]]
    assert micro.mask_NT.tolist() == [[False, False]]
    assert micro.engine_logp_K.size == micro.advantage_K.size == micro.weight_K.size == 0


def test_a_weight_for_every_rollout():
    with pytest.raises(IndexError, match="out of bounds"):
        rectangle([LONG, SHORT], each(1.0))


def test_trained_tokens_are_counted_by_rollout_however_they_are_spread():
    assert trained_tokens([TREE]).tolist() == [4, 1]
    other = make_sample((1, 2, 9), (0, 0, 1), rollout=0)
    assert trained_tokens([TREE, other, UNTRAINED]).tolist() == [5, 1, 0]
    assert trained_tokens([SHORT]).tolist() == [0, 2]
    with pytest.raises(ValueError, match="negative"):
        trained_tokens([make_sample((1, 2), (0, 1), rollout=-1)])


def test_a_batch_on_one_rank_by_hand():
    """Four trained tokens, two and two; the longest sequence comes first."""
    ((first, second),) = batch_of([SHORT, LONG], token_mean, ranks=1, micro_tokens=5)
    assert same(first, rectangle([LONG], each(0.25)))
    assert same(second, rectangle([SHORT], each(0, 0.25)))
    (micros,) = batch_of([SHORT, LONG], token_mean, ranks=1, micro_tokens=10)
    assert len(micros) == 1
    assert same(micros[0], rectangle([LONG, SHORT], each(0.25, 0.25)))


def test_the_denominator_spans_all_ranks():
    """Three rollouts with 2, 2 and 0 trained tokens: 1 / (2 rollouts * 2 tokens), wherever they land."""
    ranks = batch_of([LONG, SHORT, UNTRAINED], sequence_mean, ranks=2, micro_tokens=6)
    assert [[micro.weight_K.tolist() for micro in micros] for micros in ranks] == [[[0.25, 0.25]], [[0.25, 0.25]]]


def test_a_rank_without_work_keeps_step():
    ranks = batch_of([LONG], token_mean, ranks=3, micro_tokens=100)
    assert [len(micros) for micros in ranks] == [1, 1, 1]
    assert same(ranks[1][0], rectangle([], each()))
    assert same(ranks[2][0], rectangle([], each()))


@st.composite
def samples(draw):
    masks = draw(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=9), max_size=12))
    token = st.integers(1, 99)
    return [
        make_sample(
            [draw(token) for _ in mask], mask, rollout=draw(st.integers(0, 5)), advantage=draw(st.floats(-3, 3))
        )
        for mask in masks
    ]


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
@settings(deadline=None)
@given(batch=samples(), ranks=st.integers(1, 4), micro_tokens=st.integers(1, 60))
def test_no_split_changes_the_loss(weights, batch, ranks, micro_tokens):
    counts = [sum(sum(s.loss_mask) for s in batch if s.rollouts[0] == rollout) for rollout in range(6)]
    whole_NT = [[rectangle(batch, weights(counts))]]
    parts = batch_of(batch, weights, ranks=ranks, micro_tokens=micro_tokens)
    assert loss_of(parts) == pytest.approx(loss_of(whole_NT), abs=1e-12)
    assert len({len(micros) for micros in parts}) == 1


@settings(deadline=None)
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
    five = [make_sample((i,), (1,), rollout=i) for i in range(1, 6)]
    assert minibatches(five, 1) == [five]
    assert minibatches(five, 2) == [five[:2], five[2:]]
    assert minibatches(five, 5) == [[one] for one in five]
    assert minibatches(five, 9) == [[one] for one in five]  # never an empty optimizer step
    assert minibatches([], 3) == []


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 12))
def test_minibatches_are_consecutive_and_of_nearly_equal_size(n, count):
    batch = [make_sample((i,), (1,), rollout=i) for i in range(n)]
    parts = minibatches(batch, count)
    assert [sample for part in parts for sample in part] == batch
    assert len(parts) == min(count, n)
    assert max(map(len, parts), default=0) - min(map(len, parts), default=0) <= 1


def test_minibatches_do_not_split_the_copies_of_a_rollout():
    copies = [make_sample((i,), (1,), rollout=rollout) for i, rollout in enumerate((3, 3, 3, 3, 3, 4, 5, 5))]
    assert minibatches(copies, 2) == [copies[:6], copies[6:]]
    assert minibatches(copies, 9) == [copies[:5], copies[5:6], copies[6:]]
    assert minibatches([TREE, make_sample((1,), (1,), rollout=2)], 2) == [[TREE], [make_sample((1,), (1,), rollout=2)]]


def test_minibatches_of_copies_are_those_of_rollouts():
    group, credit = random_group(0)
    copies, trees = (minibatches(flatten(group, credit, share), 3) for share in ("none", "rollout"))
    assert [trained_tokens(part).tolist() for part in copies] == [trained_tokens(part).tolist() for part in trees]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("micro_tokens", [1, 1000])
def test_k7_the_loss_is_that_of_rollouts_whatever_is_shared(share, micro_tokens):
    """N = 2, L_max = 10. Rollout 1 has 4 trained tokens of A = .5, rollout 2 has 2 of -.25: -(2 - .5) / 20 at ratio 1.

    Two tokens of each are its thought, two of rollout 1 are answers at two cuts: three copies or one tree.
    """
    first = make_rollout((10, 11), [[make_answer(1, 1, (20,), forced=(7,))], [make_answer(2, 2, (21,), forced=(7,))]])
    second = make_rollout((12, 13), [[make_answer(1, 1, ())], [make_answer(2, 2, ())]])
    group = Group(Task("t", "p", "a"), BudgetPrior((1, 2), (0.5, 0.5)), (first, second))
    credit = Credit(np.array([[0.5] * 2, [-0.25] * 2]), np.array([[[0.5]] * 2, [[-0.25]] * 2]))
    config = LossConfig(aggregation=10, correction="none")
    objective, total = build_objective(config), 0.0
    batch = batch_of(flatten(group, credit, share), objective.weights, ranks=1, micro_tokens=micro_tokens)
    for micro in batch[0]:
        logp_K, advantage_K, weight_K = map(torch.tensor, (micro.engine_logp_K, micro.advantage_K, micro.weight_K))
        total += objective.loss(logp_K, logp_K, logp_K, advantage_K, weight_K)[0].item()
    assert total == pytest.approx(-0.075, abs=1e-12)


def test_ranks_that_work_at_once_know_the_most_that_any_of_them_trains():
    """LONG trains 2 tokens and SHORT 2, alone on their ranks; the empty rectangle that keeps step trains none."""
    lone = make_sample((1, 2, 3, 4), (0, 1, 1, 1), rollout=2)
    dealt = batch_of([LONG, SHORT, lone], token_mean, ranks=2, micro_tokens=5)
    trained = [[len(micro.engine_logp_K) for micro in micros] for micros in dealt]
    assert sorted(chain_of(trained)) == [0, 2, 2, 3]
    for at_once, counts in zip(zip(*dealt, strict=True), zip(*trained, strict=True), strict=True):
        assert {micro.most for micro in at_once} == {max(counts)}


def chain_of(lists):
    return [item for one in lists for item in one]
