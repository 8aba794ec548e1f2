"""From scored groups to the training record, token by token, copied and shared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_groups import make_answer, make_rollout, outcome_group
from make_trees import random_group

from rewards.types import Status
from rl.algorithms.grpo import GRPO, DrGRPO
from rl.samples import SHARES, flatten, informative, select
from rl.trees import check, is_chain
from rl.types import Credit, Sample
from rollout.types import BudgetPrior, Finish, Group, Task, VersionSpan

NAN = float("nan")
TASK = Task("t", "p", "a")


def credit_of(thought, answer) -> Credit:
    return Credit(np.array(thought, dtype=np.float64), np.array(answer, dtype=np.float64))


@pytest.mark.parametrize("share", SHARES)
def test_one_rollout_with_one_answer_is_one_plain_sequence(share):
    answer = make_answer(4, 2, (20, 21), forced=(7,), version=6)
    rollout = make_rollout(
        (10, 11), [[answer]], prompt=(1, 2, 3), versions=(VersionSpan(5, 0, 1), VersionSpan(6, 1, 2))
    )
    group = Group(TASK, BudgetPrior.single(4), (rollout,))
    assert flatten(group, credit_of([[0.5]], [[[-0.25]]]), share, first=9) == [
        Sample(
            token_ids=(1, 2, 3, 10, 11, 7, 20, 21),
            parents=(-1, 0, 1, 2, 3, 4, 5, 6),
            loss_mask=(0, 0, 0, 1, 1, 0, 1, 1),
            logprobs=(0, 0, 0, -1.0, -1.1, 0, -2.0, -2.1),
            advantages=(0, 0, 0, 0.5, 0.5, 0, -0.25, -0.25),
            rollouts=(-1, -1, -1, 9, 9, 9, 9, 9),
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


def test_copies_are_a_sequence_for_every_cut_and_the_thought_is_trained_in_the_last(two_budgets):
    samples = flatten(two_budgets, credit_of(THOUGHT, ANSWER), "none")
    assert [(sample.token_ids[3:], sample.loss_mask[3:], sample.advantages[3:]) for sample in samples] == [
        ((10, 11, 7, 20), (0, 0, 0, 1), (0, 0, 0, 1)),
        ((10, 11, 7, 21), (0, 0, 0, 1), (0, 0, 0, 2)),
        ((10, 11, 12, 13, 7, 22), (0, 0, 0, 0, 0, 1), (0, 0, 0, 0, 0, 3)),
        ((10, 11, 12, 13, 7, 23), (1, 1, 1, 1, 0, 1), (0.1, 0.1, 0.2, 0.2, 0, 4)),
        ((14, 15, 24), (0, 0, 1), (0, 0, 5)),
        ((14, 15, 25), (0, 0, 1), (0, 0, 6)),
        ((14, 15, 26), (0, 0, 1), (0, 0, 7)),
        ((14, 15, 27), (1, 1, 1), (0.3, 0.3, 8)),
    ]
    assert all(sample.token_ids[:3] == (1, 2, 3) and sample.loss_mask[:3] == (0, 0, 0) for sample in samples)
    assert all(is_chain(sample.parents) for sample in samples)
    assert [sample.rollouts[2:4] for sample in samples] == [(-1, 0)] * 4 + [(-1, 1)] * 4


def test_a_rollout_is_a_tree_with_answers_at_its_cuts(two_budgets):
    long, short = flatten(two_budgets, credit_of(THOUGHT, ANSWER), "rollout")
    assert long.token_ids == (1, 2, 3, 10, 11, 7, 20, 7, 21, 12, 13, 7, 22, 7, 23)
    assert long.parents == (-1, 0, 1, 2, 3, 4, 5, 4, 7, 4, 9, 10, 11, 10, 13)
    assert long.loss_mask == (0, 0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1)
    assert long.advantages == (0, 0, 0, 0.1, 0.1, 0, 1, 0, 2, 0.2, 0.2, 0, 3, 0, 4)
    assert long.logprobs == (0, 0, 0, -1.0, -1.1, 0, -2.0, 0, -2.1, -1.2, -1.3, 0, -2.2, 0, -2.3)
    assert long.rollouts == (-1, -1, -1, *(0,) * 12)
    assert short.token_ids == (1, 2, 3, 14, 15, 24, 25, 26, 27)
    assert short.parents == (-1, 0, 1, 2, 3, 4, 4, 4, 4)
    assert short.advantages == (0, 0, 0, 0.3, 0.3, 5, 6, 7, 8)
    assert short.rollouts == (-1, -1, -1, *(1,) * 6)


def test_a_group_is_a_tree_of_rollouts_below_their_prompt(two_budgets):
    credit = credit_of(THOUGHT, ANSWER)
    (tree,) = flatten(two_budgets, credit, "group")
    long, short = flatten(two_budgets, credit, "rollout")
    assert tree.token_ids == long.token_ids + short.token_ids[3:]
    assert tree.parents == (*long.parents, 2, 15, *(16,) * 4)
    assert tree.rollouts == long.rollouts + short.rollouts[3:]
    assert tree.advantages == long.advantages + short.advantages[3:]


def test_rollouts_of_different_prompts_do_not_share_them(two_budgets):
    easy, hard = two_budgets.rollouts[1], replace(two_budgets.rollouts[1], prompt_ids=(1, 2, 4))
    group = replace(two_budgets, rollouts=(easy, hard, easy))
    first, second = flatten(group, credit_of([THOUGHT[1]] * 3, [ANSWER[1]] * 3), "group")
    assert (first.token_ids[:5], first.rollouts[2:4], first.rollouts[-1]) == ((1, 2, 3, 14, 15), (-1, 0), 2)
    assert (second.token_ids, set(second.rollouts)) == ((1, 2, 4, 14, 15, 24, 25, 26, 27), {-1, 1})
    assert first.parents == (-1, 0, 1, 2, 3, 4, 4, 4, 4, 2, 9, 10, 10, 10, 10)


def test_versions_are_cut_with_the_thought_and_moved(two_budgets):
    first, _, third, *_ = flatten(two_budgets, credit_of(THOUGHT, ANSWER), "none")
    assert first.versions == (VersionSpan(0, 3, 4), VersionSpan(1, 4, 5), VersionSpan(0, 6, 7))
    assert third.versions == (VersionSpan(0, 3, 4), VersionSpan(1, 4, 6), VersionSpan(2, 6, 7), VersionSpan(0, 8, 9))
    tree, _ = flatten(two_budgets, credit_of(THOUGHT, ANSWER), "rollout")
    assert [(span.version, span.start, span.end) for span in tree.versions] == [
        *[(0, 3, 4), (1, 4, 5), (0, 6, 7), (0, 8, 9), (1, 9, 10), (2, 10, 11), (0, 12, 13), (0, 14, 15)]
    ]


def test_nan_credit_is_masked_and_what_no_trained_token_needs_is_left_out(two_budgets):
    credit = credit_of([[NAN, 0.2], [NAN, NAN]], [[[NAN, 2], [3, NAN]], [[NAN] * 2, [NAN, 8]]])
    copies = flatten(two_budgets, credit, "none")
    assert [(sample.token_ids[3:], sample.loss_mask[3:], sample.advantages[3:]) for sample in copies] == [
        ((10, 11, 7, 21), (0, 0, 0, 1), (0, 0, 0, 2)),
        ((10, 11, 12, 13, 7, 22), (0, 0, 0, 0, 0, 1), (0, 0, 0, 0, 0, 3)),
        ((10, 11, 12, 13), (0, 0, 1, 1), (0, 0, 0.2, 0.2)),
        ((14, 15, 27), (0, 0, 1), (0, 0, 8)),
    ]
    long, short = flatten(two_budgets, credit, "rollout")
    assert long.token_ids == (1, 2, 3, 10, 11, 7, 21, 12, 13, 7, 22)
    assert long.parents == (-1, 0, 1, 2, 3, 4, 5, 4, 7, 8, 9)
    assert long.loss_mask == (0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1)
    assert short == copies[-1]


@pytest.mark.parametrize("share", SHARES)
def test_a_thought_without_an_answer_is_trained_once(two_budgets, share):
    empty = make_rollout((10, 11, 12), [[make_answer(2, 2, ())], [make_answer(4, 3, ())]], finish=Finish.EMPTY)
    group = Group(TASK, two_budgets.prior, (empty,))
    (sample,) = flatten(group, credit_of([[0.1, 0.2]], [[[1], [2]]]), share)
    assert (sample.token_ids, sample.loss_mask) == ((1, 2, 3, 10, 11, 12), (0, 0, 0, 1, 1, 1))
    assert sample.advantages == (0, 0, 0, 0.1, 0.1, 0.2)


def test_a_thought_that_breaks_its_budget_is_an_error():
    group = Group(TASK, BudgetPrior.single(2), (make_rollout((10, 11, 12), [[make_answer(2, 3, (20,))]]),))
    with pytest.raises(ValueError, match="task t: a thought of 3 tokens under a budget of 2"):
        flatten(group, credit_of([[1]], [[[1]]]), "rollout")
    cut = Group(TASK, BudgetPrior.single(4), (make_rollout((10, 11, 12), [[make_answer(4, 2, (20,))]]),))
    with pytest.raises(ValueError, match="task t: the largest budget cut a thought of 3 tokens at 2"):
        flatten(cut, credit_of([[1]], [[[1]]]), "rollout")


@settings(deadline=None)
@pytest.mark.parametrize("share", SHARES)
@given(budgets=st.lists(st.integers(1, 20), min_size=1, max_size=4, unique=True), data=st.data())
def test_each_sampled_token_is_trained_once_with_the_credit_of_its_segment(share, budgets, data):
    budgets = sorted(budgets)
    length, answers = data.draw(st.integers(0, budgets[-1])), data.draw(st.integers(1, 3))
    cuts = [[make_answer(b, min(b, length), (9,), forced=(7,)) for _ in range(answers)] for b in budgets]
    prior = BudgetPrior(tuple(budgets), (1 / len(budgets),) * len(budgets))
    group = Group(TASK, prior, (make_rollout(range(100, 100 + length), cuts),))
    samples = flatten(group, credit_of([range(1, len(budgets) + 1)], np.full((1, len(budgets), answers), -1.0)), share)
    trained = [
        (token, advantage)
        for sample in samples
        for token, mask, advantage in zip(sample.token_ids, sample.loss_mask, sample.advantages, strict=True)
        if mask
    ]
    expected = [(100 + t, 1 + next(s for s, b in enumerate(budgets) if t < b)) for t in range(length)]
    assert sorted(pair for pair in trained if pair[0] >= 100) == expected
    assert [pair for pair in trained if pair[0] < 100] == [(9, -1.0)] * (len(budgets) * answers)


def paths(sample):
    """Each trained token with all that it was sampled after, its rollout and its advantage."""
    ways = []
    for i, token in enumerate(sample.token_ids):
        ways.append((*(ways[sample.parents[i]] if i else ()), token))
    rows = zip(ways, sample.rollouts, sample.advantages, sample.logprobs, sample.loss_mask, strict=True)
    return [(way, rollout, advantage, logp) for way, rollout, advantage, logp, on in rows if on]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_what_is_shared_changes_neither_context_nor_credit(seed, prompts):
    group, credit = random_group(seed, prompts=prompts)
    copies, rollouts, groups = (flatten(group, credit, share, first=3) for share in SHARES)
    trained = sorted(row for sample in copies for row in paths(sample))
    assert sorted(row for sample in rollouts for row in paths(sample)) == trained
    assert sorted(row for sample in groups for row in paths(sample)) == trained
    assert all(is_chain(sample.parents) for sample in copies)
    assert len(groups) <= prompts
    for sample in (*rollouts, *groups):
        check(sample.parents)


@pytest.mark.parametrize(
    ("thought", "answer", "expected"),
    [
        ([[0.0, 0.0]], [[[NAN], [0.0]]], False),
        ([[NAN, NAN]], [[[NAN], [NAN]]], False),
        ([[0.0, 0.0]], [[[NAN], [0.5]]], True),
        ([[-1e-9, 0.0]], [[[NAN], [NAN]]], True),
        ([[0.0, 0.5]], [[[NAN], [0.0]]], False),  # the thought ended before the second segment: it owns no tokens
    ],
)
def test_a_signal_is_credit_that_some_token_has(thought, answer, expected):
    ended = make_rollout((10, 11), [[make_answer(4, 2, (20,))], [make_answer(8, 2, (21,))]])
    group = Group(Task("t", "p", "1"), BudgetPrior((4, 8), (0.5, 0.5)), (ended,))
    assert informative(flatten(group, credit_of(thought, answer), "rollout")) is expected


def test_groups_without_a_signal_are_dropped_and_counted():
    scored = [outcome_group(rewards) for rewards in ([1, 0], [1, 1], [0, 0], [Status.ERROR, 1], [0, 1])]
    credits = [DrGRPO(8).credit(group) for group in scored]
    samples, informative, dropped = select(scored, credits, drop_zero_signal=True, share="rollout")
    assert (len(samples), informative, dropped) == (4, 0.4, 3)
    assert [sample.advantages[-1] for sample in samples] == [0.5, -0.5, -0.5, 0.5]
    assert [sample.rollouts[-1] for sample in samples] == [0, 1, 8, 9]


def test_groups_without_a_signal_can_be_kept():
    scored = [outcome_group(rewards) for rewards in ([1, 0], [1, 1], [Status.ERROR, Status.TIMEOUT])]
    credits = [GRPO(8).credit(group) for group in scored]
    samples, informative, dropped = select(scored, credits, drop_zero_signal=False, share="rollout")
    assert (len(samples), informative, dropped) == (4, pytest.approx(1 / 3), 0)
    assert [sample.loss_mask for sample in samples] == [(0, 0, 0, 1, 1, 1)] * 4
    assert [sample.advantages[-1] for sample in samples[2:]] == [0, 0]


def test_nothing_to_select_from():
    assert select([], [], drop_zero_signal=True, share="none") == ([], 0.0, 0)


def test_a_token_that_a_strategy_put_into_a_thought_is_not_trained():
    """`Wait` of s1: no weight version sampled it, so whatever its credit, it enters no ratio."""
    spans = (VersionSpan(3, 0, 2), VersionSpan(3, 3, 4))
    rollout = make_rollout((10, 11, 12, 13), [[make_answer(4, 4, (20,))]], versions=spans)
    group = Group(Task("t", "p", "a"), BudgetPrior.single(4), (rollout,))
    (sample,) = flatten(group, Credit(np.array([[2.0]]), np.array([[[2.0]]])), "rollout")
    trained = [token for token, mask in zip(sample.token_ids, sample.loss_mask, strict=True) if mask]
    assert trained == [10, 11, 13, 20]
