"""From scored groups to the flat training record, token by token."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_groups import make_answer, make_rollout, outcome_group

from rewards.types import Status
from rl.algorithms.grpo import GRPO, DrGRPO
from rl.samples import flatten, informative, select
from rl.types import Credit, Sample
from rollout.types import BudgetPrior, Finish, Group, Task, VersionSpan

NAN = float("nan")
TASK = Task("t", "p", "a")


def credit_of(thought, answer) -> Credit:
    return Credit(np.array(thought, dtype=np.float64), np.array(answer, dtype=np.float64))


def test_one_rollout_written_out():
    answer = make_answer(4, 2, (20, 21), forced=(7,), version=6)
    rollout = make_rollout(
        (10, 11), [[answer]], prompt=(1, 2, 3), versions=(VersionSpan(5, 0, 1), VersionSpan(6, 1, 2))
    )
    group = Group(TASK, BudgetPrior.single(4), (rollout,))
    assert flatten(group, credit_of([[0.5]], [[[-0.25]]])) == [
        Sample(
            token_ids=(1, 2, 3, 10, 11, 7, 20, 21),
            loss_mask=(0, 0, 0, 1, 1, 0, 1, 1),
            logprobs=(0, 0, 0, -1.0, -1.1, 0, -2.0, -2.1),
            advantages=(0, 0, 0, 0.5, 0.5, 0, -0.25, -0.25),
            versions=(VersionSpan(5, 3, 4), VersionSpan(6, 4, 5), VersionSpan(6, 6, 8)),
        )
    ]


@pytest.fixture
def two_budgets() -> Group:
    """S = 2 (budgets 2 and 4), A = 2. One thought of four tokens cut at both; one that ended after two."""
    long = make_rollout(
        (10, 11, 12, 13),
        [
            [make_answer(2, 2, (20,), forced=(7,)), make_answer(2, 2, (21,), forced=(7,))],
            [make_answer(4, 4, (22,), forced=(7,)), make_answer(4, 4, (23,), forced=(7,))],
        ],
        finish=Finish.BUDGET,
        versions=(VersionSpan(0, 0, 1), VersionSpan(1, 1, 3), VersionSpan(2, 3, 4)),
    )
    short = make_rollout(
        (14, 15),
        [[make_answer(2, 2, (24,)), make_answer(2, 2, (25,))], [make_answer(4, 2, (26,)), make_answer(4, 2, (27,))]],
    )
    return Group(TASK, BudgetPrior((2, 4), (0.5, 0.5)), (long, short))


THOUGHT = [[0.1, 0.2], [0.3, 0.4]]
ANSWER = [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]


def test_every_cut_is_a_sequence_and_the_thought_is_trained_in_one(two_budgets):
    samples = flatten(two_budgets, credit_of(THOUGHT, ANSWER))
    assert [(sample.token_ids[3:], sample.loss_mask[3:], sample.advantages[3:]) for sample in samples] == [
        ((10, 11, 7, 20), (0, 0, 0, 1), (0, 0, 0, 1)),
        ((10, 11, 7, 21), (0, 0, 0, 1), (0, 0, 0, 2)),
        ((10, 11, 12, 13, 7, 22), (1, 1, 1, 1, 0, 1), (0.1, 0.1, 0.2, 0.2, 0, 3)),
        ((10, 11, 12, 13, 7, 23), (0, 0, 0, 0, 0, 1), (0, 0, 0, 0, 0, 4)),
        ((14, 15, 24), (0, 0, 1), (0, 0, 5)),
        ((14, 15, 25), (0, 0, 1), (0, 0, 6)),
        ((14, 15, 26), (1, 1, 1), (0.3, 0.3, 7)),
        ((14, 15, 27), (0, 0, 1), (0, 0, 8)),
    ]
    assert all(sample.token_ids[:3] == (1, 2, 3) and sample.loss_mask[:3] == (0, 0, 0) for sample in samples)


def test_versions_are_cut_with_the_thought_and_moved(two_budgets):
    first, _, third, *_ = flatten(two_budgets, credit_of(THOUGHT, ANSWER))
    assert first.versions == (VersionSpan(0, 3, 4), VersionSpan(1, 4, 5), VersionSpan(0, 6, 7))
    assert third.versions == (VersionSpan(0, 3, 4), VersionSpan(1, 4, 6), VersionSpan(2, 6, 7), VersionSpan(0, 8, 9))


def test_nan_credit_is_masked_and_an_empty_sequence_left_out(two_budgets):
    samples = flatten(two_budgets, credit_of([[NAN, 0.2], [NAN, NAN]], [[[NAN, 2], [NAN, 4]], [[NAN] * 2, [NAN, 8]]]))
    assert [(sample.token_ids[3:], sample.loss_mask[3:], sample.advantages[3:]) for sample in samples] == [
        ((10, 11, 7, 21), (0, 0, 0, 1), (0, 0, 0, 2)),
        ((10, 11, 12, 13, 7, 22), (0, 0, 1, 1, 0, 0), (0, 0, 0.2, 0.2, 0, 0)),
        ((10, 11, 12, 13, 7, 23), (0, 0, 0, 0, 0, 1), (0, 0, 0, 0, 0, 4)),
        ((14, 15, 27), (0, 0, 1), (0, 0, 8)),
    ]


def test_a_thought_without_an_answer_is_trained_once(two_budgets):
    empty = make_rollout((10, 11, 12), [[make_answer(2, 2, ())], [make_answer(4, 3, ())]], finish=Finish.EMPTY)
    group = Group(TASK, two_budgets.prior, (empty,))
    (sample,) = flatten(group, credit_of([[0.1, 0.2]], [[[1], [2]]]))
    assert (sample.token_ids, sample.loss_mask) == ((1, 2, 3, 10, 11, 12), (0, 0, 0, 1, 1, 1))
    assert sample.advantages == (0, 0, 0, 0.1, 0.1, 0.2)


def test_a_thought_that_breaks_its_budget_is_an_error():
    group = Group(TASK, BudgetPrior.single(2), (make_rollout((10, 11, 12), [[make_answer(2, 3, (20,))]]),))
    with pytest.raises(ValueError, match="task t: a thought of 3 tokens under a budget of 2"):
        flatten(group, credit_of([[1]], [[[1]]]))
    cut = Group(TASK, BudgetPrior.single(4), (make_rollout((10, 11, 12), [[make_answer(4, 2, (20,))]]),))
    with pytest.raises(ValueError, match="task t: the largest budget cut a thought of 3 tokens at 2"):
        flatten(cut, credit_of([[1]], [[[1]]]))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=4, unique=True), st.data())
def test_each_sampled_token_is_trained_once_with_the_credit_of_its_segment(budgets, data):
    budgets = sorted(budgets)
    length, answers = data.draw(st.integers(0, budgets[-1])), data.draw(st.integers(1, 3))
    cuts = [[make_answer(b, min(b, length), (9,), forced=(7,)) for _ in range(answers)] for b in budgets]
    prior = BudgetPrior(tuple(budgets), (1 / len(budgets),) * len(budgets))
    group = Group(TASK, prior, (make_rollout(range(100, 100 + length), cuts),))
    samples = flatten(group, credit_of([range(1, len(budgets) + 1)], np.full((1, len(budgets), answers), -1.0)))
    trained = [
        (token, advantage)
        for sample in samples
        for token, mask, advantage in zip(sample.token_ids, sample.loss_mask, sample.advantages, strict=True)
        if mask
    ]
    expected = [(100 + t, 1 + next(s for s, b in enumerate(budgets) if t < b)) for t in range(length)]
    assert sorted(pair for pair in trained if pair[0] >= 100) == expected
    assert [pair for pair in trained if pair[0] < 100] == [(9, -1.0)] * (len(budgets) * answers)


@pytest.mark.parametrize(
    ("thought", "answer", "expected"),
    [
        ([[0.0]], [[[0.0]]], False),
        ([[NAN]], [[[NAN]]], False),
        ([[NAN], [0.0]], [[[0.0]], [[NAN]]], False),
        ([[0.0]], [[[0.5]]], True),
        ([[-1e-9]], [[[NAN]]], True),
    ],
)
def test_informative(thought, answer, expected):
    assert informative(credit_of(thought, answer)) is expected


def test_equal_scores_with_credit_are_kept():
    """Both rollouts scored 0, 0, 1, 1 over four budgets: no variance in the group, and yet a signal."""
    credit = credit_of([[0, 0.125, 0.25, 0.0803571]] * 2, np.zeros((2, 4, 1)))
    assert informative(credit)


def test_groups_without_a_signal_are_dropped_and_counted():
    scored = [outcome_group(rewards) for rewards in ([1, 0], [1, 1], [0, 0], [Status.ERROR, 1], [0, 1])]
    credits = [DrGRPO(8).credit(group) for group in scored]
    samples, share, dropped = select(scored, credits, drop_zero_signal=True)
    assert (len(samples), share, dropped) == (4, 0.4, 3)
    assert [sample.advantages[-1] for sample in samples] == [0.5, -0.5, -0.5, 0.5]


def test_groups_without_a_signal_can_be_kept():
    scored = [outcome_group(rewards) for rewards in ([1, 0], [1, 1], [Status.ERROR, Status.TIMEOUT])]
    samples, share, dropped = select(scored, [GRPO(8).credit(g) for g in scored], drop_zero_signal=False)
    assert (len(samples), share, dropped) == (4, pytest.approx(1 / 3), 0)
    assert [sample.loss_mask for sample in samples] == [(0, 0, 0, 1, 1, 1)] * 4
    assert [sample.advantages[-1] for sample in samples[2:]] == [0, 0]


def test_nothing_to_select_from():
    assert select([], [], drop_zero_signal=True) == ([], 0.0, 0)
