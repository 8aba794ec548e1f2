"""Advantages of a group: the published values, the definition written slowly, and what must not change them."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
import slow_brpo
from hypothesis import given
from hypothesis import strategies as st
from make_groups import outcome_group

from rewards.types import Status
from rl.advantages import (
    answer_relative,
    budget_group_relative,
    budget_progress,
    budget_relative,
    budget_return,
    group_relative,
    group_standardized,
    leave_one_out,
    mean_scores,
    rewards_of,
)

NAN = float("nan")
FUNCTIONS = [group_relative, group_standardized, leave_one_out]
REWARDS = st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0, -1.0, NAN]), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("rewards", "population", "unbiased", "trl", "relative", "rloo"),
    [
        ([1, 0, 0, 1], [1, -1], [0.866024, -0.866024], [0.865875, -0.865875], [0.5, -0.5], [0.666667, -0.666667]),
        ([1, 0, 0, 0], [1.73205, -0.57735], [1.499997, -0.499999], [1.49970, -0.49990], [0.75, -0.25], [1, -0.333333]),
        ([1, 1, 1, 0], [0.57735, -1.73205], [0.499999, -1.499997], [0.49990, -1.49970], [0.25, -0.75], [0.333333, -1]),
        ([1, 1, 1, 1], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0]),
    ],
)
def test_published_values(rewards, population, unbiased, trl, relative, rloo):
    """Each row lists the advantage of a reward of 1 and of a reward of 0."""

    def expand(pair):
        return [pair[0] if reward else pair[1] for reward in rewards]

    close = {"rtol": 0, "atol": 6e-6}
    np.testing.assert_allclose(group_standardized(rewards, ddof=0, eps=0), expand(population), **close)
    np.testing.assert_allclose(group_standardized(rewards), expand(unbiased), rtol=0, atol=6e-7)
    np.testing.assert_allclose(group_standardized(rewards, eps=1e-4), expand(trl), **close)
    np.testing.assert_allclose(group_relative(rewards), expand(relative), rtol=0, atol=1e-15)
    np.testing.assert_allclose(leave_one_out(rewards), expand(rloo), rtol=0, atol=6e-7)


@given(REWARDS)
def test_the_definition_written_slowly(rewards):
    judged = [reward for reward in rewards if reward == reward]
    for i, reward in enumerate(rewards):
        got = [function(rewards)[i] for function in FUNCTIONS]
        if reward != reward:
            assert np.isnan(got).all()
        elif len(judged) == 1:
            assert got == [0, 0, 0]
        else:
            centred = reward - statistics.mean(judged)
            others = [r for j, r in enumerate(rewards) if j != i and r == r]
            assert got[0] == pytest.approx(centred, abs=1e-12)
            assert got[1] == pytest.approx(centred / (statistics.stdev(judged) + 1e-6), abs=1e-9)
            assert got[2] == pytest.approx(reward - statistics.mean(others), abs=1e-12)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_excluded_members_leave_the_baseline_and_the_spread(function):
    with_excluded = function([1, NAN, 0, 0, NAN, 1])
    np.testing.assert_array_equal(with_excluded[[0, 2, 3, 5]], function([1, 0, 0, 1]))
    assert np.isnan(with_excluded[[1, 4]]).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_member_without_a_judged_sibling_has_no_advantage(function):
    np.testing.assert_array_equal(function([1.0]), [0.0])
    np.testing.assert_array_equal(function([NAN, 1.0]), [NAN, 0.0])
    np.testing.assert_array_equal(function([NAN, NAN]), [NAN, NAN])
    assert function([]).shape == (0,)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("reward", [0.1, 1 / 3, -0.7, 1e9])
def test_equal_rewards_give_exactly_zero_whatever_rounding_says(function, reward):
    np.testing.assert_array_equal(function([reward] * 7), np.zeros(7))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_common_shift_changes_nothing_and_the_input_is_left_alone(function):
    rewards = np.array([1.0, 0.0, 0.25, NAN])
    shifted = function(rewards + 100)
    np.testing.assert_allclose(shifted, function(rewards), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(rewards, [1.0, 0.0, 0.25, NAN])


def test_standardized_ignores_the_scale_of_rewards_and_the_others_keep_it():
    rewards = np.array([1.0, 0.0, 0.25])
    np.testing.assert_allclose(group_standardized(10 * rewards), group_standardized(rewards), rtol=1e-4)
    np.testing.assert_allclose(group_relative(10 * rewards), 10 * group_relative(rewards))
    np.testing.assert_allclose(leave_one_out(10 * rewards), 10 * leave_one_out(rewards))


def test_without_a_verdict_a_reward_is_nan_whatever_value_it_came_with():
    scored = outcome_group([1.0, Status.TIMEOUT, 0.0, Status.ERROR, 0.5])
    np.testing.assert_array_equal(rewards_of(scored), np.reshape([1.0, NAN, 0.0, NAN, 0.5], (5, 1, 1)))


def test_an_unparsable_answer_is_a_verdict():
    np.testing.assert_array_equal(rewards_of(outcome_group([Status.UNPARSABLE])), [[[1.0]]])


UNIFORM, LINEAR, BASE = [0.25] * 4, [0.1, 0.2, 0.3, 0.4], [0, 0, 0, 1]
TWO_THOUGHTS = [[0, 0.25, 0.75, 1], [0, 0, 0.5, 0.5]]
CLOSE = {"rtol": 0, "atol": 6e-8}


@pytest.mark.parametrize(
    ("probs", "expected"),
    [
        pytest.param(
            UNIFORM,
            [[0.125, 0.21875, 0.2239583, 0.109375], [-0.125, -0.03125, 0.078125, 0.0245536]],
            id="K1",
        ),
        pytest.param(
            BASE,
            [[0.25, 0.4375, 0.5416667, 0.4375], [-0.25, -0.0625, 0.125, 0.0982143]],
            id="K2",
        ),
        pytest.param(
            LINEAR,
            [[0.1625, 0.290625, 0.3229167, 0.175], [-0.1625, -0.034375, 0.10625, 0.0392857]],
            id="K3",
        ),
    ],
)
def test_k1_to_k3_two_thoughts_under_three_priors(probs, expected):
    np.testing.assert_allclose(budget_relative(TWO_THOUGHTS, probs), expected, **CLOSE)


def test_k1_return_and_both_baselines():
    returns = budget_return(TWO_THOUGHTS, UNIFORM)
    np.testing.assert_allclose(returns, [[0.5, 0.5, 0.4375, 0.25], [0.25, 0.25, 0.25, 0.125]], **CLOSE)
    v1 = returns - budget_progress(TWO_THOUGHTS, UNIFORM)
    np.testing.assert_allclose(v1, [[0, 0, 0.5 / 3 * 0.5, 3.5 / 7 * 0.25], [0, 0, 0, 2 / 7 * 0.25]], **CLOSE)
    v2 = returns - budget_group_relative(TWO_THOUGHTS, UNIFORM)
    np.testing.assert_allclose(v2, [[0.375, 0.375, 0.34375, 0.1875]] * 2, **CLOSE)


def test_k4_one_budget_and_one_answer_is_the_group_s_mean():
    outcome = np.array([1.0, 0, 0, 1])
    expected = [0.5, -0.5, -0.5, 0.5]
    np.testing.assert_array_equal(budget_relative(outcome[:, None], [1.0])[:, 0], expected)
    np.testing.assert_array_equal(answer_relative(outcome[:, None, None], [[7]] * 4)[:, 0, 0], expected)


def test_k5_without_variance_in_the_group_there_is_credit_for_rising_scores():
    credit = budget_relative([[0, 0, 1, 1]] * 2, UNIFORM)
    np.testing.assert_allclose(credit, [[0, 0.125, 0.25, 0.0803571]] * 2, **CLOSE)
    np.testing.assert_array_equal(budget_relative([[1, 1, 1, 1]] * 2, UNIFORM), np.zeros((2, 4)))


def test_k6_a_thought_that_ends_between_two_budgets():
    """3,000 tokens under 2,000 to 8,000: two cuts, and the whole thought has one group of six answers."""
    rewards = [[[0, 1], [1, 1], [0, 1], [1, 0]], [[0, 0]] * 4]
    np.testing.assert_array_equal(mean_scores(rewards), [[0.5, 1, 0.5, 0.5], [0, 0, 0, 0]])
    credit = budget_relative(mean_scores(rewards), UNIFORM)
    np.testing.assert_allclose(credit[0], [0.3125, 0.21875, -0.0208333, -0.0111607], **CLOSE)
    answer = answer_relative(rewards, [[2000, 3000, 3000, 3000], [2000, 4000, 6000, 8000]])
    third = 1 / 3
    np.testing.assert_allclose(
        answer[0], [[-0.5, 0.5], [third, third], [-2 * third, third], [third, -2 * third]], **CLOSE
    )
    np.testing.assert_array_equal(answer[1], np.zeros((4, 2)))


def random_case(rng):
    """Thoughts of any length: behind its end the scores of a thought stay as they are."""
    group, budgets = rng.integers(2, 17), rng.integers(1, 9)
    scores = rng.choice([0, 0.25, 0.5, 0.75, 1.0], size=(group, budgets))
    for score_S, end in zip(scores, rng.integers(0, budgets, size=group), strict=True):
        score_S[end:] = score_S[end]
    return scores, rng.dirichlet(np.ones(budgets)), rng.uniform(0.1, 1)


def test_budget_credit_is_its_definition_written_slowly():
    rng = np.random.default_rng(0)
    for _ in range(1000):
        scores, probs, decay = random_case(rng)
        for baseline, credit in [
            ("mix", budget_relative(scores, probs, decay=decay)),
            ("v1", budget_progress(scores, probs, decay=decay)),
            ("v2", budget_group_relative(scores, probs)),
            ("none", budget_return(scores, probs)),
        ]:
            slow = slow_brpo.thought_credit(scores.tolist(), probs.tolist(), decay, baseline)
            np.testing.assert_allclose(credit, slow, rtol=0, atol=1e-12)


def test_answer_credit_is_its_definition_written_slowly():
    rng = np.random.default_rng(1)
    for _ in range(200):
        group, budgets, answers = rng.integers(1, 6), rng.integers(1, 6), rng.integers(1, 5)
        rewards = rng.choice([0, 0.1, 1.0], size=(group, budgets, answers))
        lengths = np.minimum(rng.integers(0, 60, size=(group, 1)), 10 * np.arange(1, budgets + 1))
        slow = slow_brpo.answer_credit(rewards.tolist(), lengths.tolist())
        np.testing.assert_allclose(answer_relative(rewards, lengths), slow, rtol=0, atol=1e-12)


def test_single_answers_are_compared_across_the_group_though_a_prefix_is_shared():
    """The released rule for A = 1: thoughts of 5 and of 25 tokens under 10, 20 and 30."""
    credit = answer_relative([[[1], [0], [1]], [[0], [0], [0]]], [[5, 5, 5], [10, 20, 25]])
    np.testing.assert_array_equal(credit[:, :, 0], [[0.5, 0, 0.5], [-0.5, 0, -0.5]])


BUDGET_FUNCTIONS = [budget_relative, budget_progress, budget_group_relative, budget_return]


@pytest.mark.parametrize("function", BUDGET_FUNCTIONS)
def test_the_order_of_thoughts_does_not_matter(function):
    rng = np.random.default_rng(2)
    scores, order = rng.random((6, 4)), rng.permutation(6)
    np.testing.assert_allclose(function(scores[order], LINEAR), function(scores, LINEAR)[order], rtol=0, atol=1e-15)


@pytest.mark.parametrize("shift", [1.0, -0.3, 100.0])
def test_a_shift_of_all_scores_changes_no_credit_against_a_baseline(shift):
    """V1 of the first segment is 0, so that only its later segments are free of the shift."""
    scores = np.random.default_rng(3).random((5, 4))
    for function in (budget_relative, budget_group_relative):
        np.testing.assert_allclose(function(scores + shift, LINEAR), function(scores, LINEAR), rtol=0, atol=1e-12)
    moved, still = budget_progress(scores + shift, LINEAR), budget_progress(scores, LINEAR)
    np.testing.assert_allclose(moved[:, 1:], still[:, 1:], rtol=0, atol=1e-12)
    np.testing.assert_allclose(moved[:, 0], still[:, 0] + shift, rtol=0, atol=1e-12)
    rewards = np.random.default_rng(4).random((5, 4, 3))
    lengths = [[1, 2, 2, 2]] * 5
    moved, still = answer_relative(rewards + shift, lengths), answer_relative(rewards, lengths)
    np.testing.assert_allclose(moved, still, rtol=0, atol=1e-12)


@pytest.mark.parametrize("reward", [0.1, 1 / 3, -0.7, 1e9])
@pytest.mark.parametrize("budgets", [1, 3, 7])
def test_equal_rewards_give_exactly_no_credit_whatever_rounding_says(reward, budgets):
    rewards = np.full((7, budgets, 3), reward)
    rewards[0, 0, 0] = NAN  # a mean over fewer answers is still that reward
    scores, probs = mean_scores(rewards), np.full(budgets, 1 / budgets)
    np.testing.assert_array_equal(scores, np.full((7, budgets), reward))
    np.testing.assert_array_equal(budget_relative(scores, probs), np.zeros((7, budgets)))
    np.testing.assert_array_equal(budget_group_relative(scores, probs), np.zeros((7, budgets)))
    np.testing.assert_array_equal(budget_progress(scores, probs)[:, 1:], np.zeros((7, budgets - 1)))
    answer = answer_relative(rewards, [[9] * budgets] * 7)
    np.testing.assert_array_equal(answer, np.where(np.isnan(rewards), NAN, 0))


def test_the_past_of_a_segment_knows_nothing_of_its_own_scores():
    """What makes V1 a baseline: it may depend on the tokens before a segment only."""
    rng = np.random.default_rng(5)
    scores = rng.random((3, 5))
    probs = [0.2] * 5
    v1 = budget_return(scores, probs) - budget_progress(scores, probs)
    for s in range(5):
        other = scores.copy()
        other[:, s:] = rng.random((3, 5 - s))
        changed = budget_return(other, probs) - budget_progress(other, probs)
        np.testing.assert_allclose(changed[:, : s + 1], v1[:, : s + 1], rtol=0, atol=1e-15)


def test_a_missing_score_takes_out_what_needs_it_and_leaves_the_group_s_mean():
    full = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    probs = [0.2, 0.3, 0.5]
    for s in range(3):
        scores = np.array([[0.25, 0.5, 0.75], *full], dtype=np.float64)
        scores[0, s] = NAN
        returns = budget_group_relative(scores, probs)
        assert np.isnan(returns[0]).tolist() == [True] * (s + 1) + [False] * (2 - s)
        np.testing.assert_allclose(returns[1:, : s + 1], budget_group_relative(full, probs)[:, : s + 1], atol=1e-15)
        credit = budget_relative(scores, probs)  # with V1 every segment needs every score
        assert np.isnan(credit).tolist() == [[True] * 3, *[[False] * 3] * 3]
        np.testing.assert_allclose(credit[1:, : s + 1], budget_relative(full, probs)[:, : s + 1], atol=1e-15)


def test_a_score_without_weight_is_needed_as_a_past_only():
    scores = [[0, NAN, 1], [1, 0, 0]]
    np.testing.assert_array_equal(budget_return(scores, [0, 0, 1]), [[1, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(budget_group_relative(scores, [0, 0, 1]), [[0.5] * 3, [-0.5] * 3])
    progress = budget_progress(scores, [0, 0, 1])  # what the second thought scored before: 1, then (1 + 0) / 3
    np.testing.assert_allclose(progress, [[1, 1, NAN], [0, -1, -1 / 3]], **CLOSE)


def test_a_mean_score_is_of_the_judged_answers():
    np.testing.assert_array_equal(mean_scores([[[1, NAN, 0], [NAN, NAN, NAN], [NAN, NAN, 1]]]), [[0.5, NAN, 1]])


def test_an_answer_without_a_verdict_leaves_its_prefix():
    credit = answer_relative([[[1, NAN, 0], [NAN, NAN, 1]]], [[2, 4]])
    np.testing.assert_array_equal(credit, [[[0.5, NAN, -0.5], [NAN, NAN, 0]]])
    credit = answer_relative([[[1]], [[NAN]], [[0]]], [[2], [2], [2]])
    np.testing.assert_array_equal(credit[:, 0, 0], [0.5, NAN, -0.5])


@pytest.mark.parametrize("function", BUDGET_FUNCTIONS)
def test_scores_are_left_alone(function):
    scores, probs = np.array(TWO_THOUGHTS), np.array(LINEAR)
    function(scores, probs)
    np.testing.assert_array_equal(scores, TWO_THOUGHTS)
    np.testing.assert_array_equal(probs, LINEAR)
