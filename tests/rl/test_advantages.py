"""Advantages of a group: the published values, the definition written slowly, and what must not change them."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_groups import outcome_group

from rewards.types import Status
from rl.advantages import group_relative, group_standardized, leave_one_out, rewards_of

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
