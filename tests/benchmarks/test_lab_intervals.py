from itertools import product

import numpy as np
import pytest

from benchmarks.lab.intervals import difference, interval, ratio, resampled
from rl.evaluation.intervals import Interval


def test_equal_values_have_no_width():
    assert interval(np.full((3, 5), 0.25)) == Interval(0.25, 0.25, 0.25)


def test_two_problems_of_one_seed_by_hand():
    # Draws of {0, 1} with replacement: means 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4.
    assert interval([[0.0, 1.0]]) == Interval(0.5, 0.0, 1.0)


def test_forty_problems_of_one_seed_are_nearly_a_binomial():
    # 20 of 40 are right; the 2.5th and 97.5th percentile of Binomial(40, 1/2) are 14 and 26.
    found = interval([[0.0] * 20 + [1.0] * 20])
    assert (found.mean, found.low, found.high) == (0.5, 14 / 40, 26 / 40)


def test_seeds_that_differ_widen_the_interval_however_many_problems_they_have():
    # Every problem of seed 0 is wrong, every one of seed 1 right: means 0, 1/2, 1 as of two problems.
    assert interval([[0.0] * 500, [1.0] * 500]) == Interval(0.5, 0.0, 1.0)
    # The same 1,000 values, alike in both seeds: now only problems vary, by 0.5 / sqrt(1000) = 0.0158.
    alike = interval([[0.0, 1.0] * 250] * 2)
    assert alike.high - alike.low == pytest.approx(2 * 1.96 * 0.0158, abs=0.004)


def test_draws_are_those_of_a_slow_loop():
    values = np.arange(6.0).reshape(2, 3)
    numbers = np.random.default_rng(5)
    chosen: list[np.ndarray] = []

    def choose(n, shape):
        chosen.append(numbers.integers(n, size=shape))
        return chosen[-1]

    means = resampled(values, choose, 4)
    seed_BK, problem_BKN = chosen
    for b in range(4):
        drawn = [values[seed_BK[b, k], problem_BKN[b, k, n]] for k, n in product(range(2), range(3))]
        assert means[b] == pytest.approx(sum(drawn) / 6)


def test_what_two_arms_share_leaves_their_difference():
    easy_or_hard = np.array([[0.0, 0.5, 0.75], [0.25, 0.0, 0.5]])
    assert difference(easy_or_hard + 0.25, easy_or_hard) == Interval(0.25, 0.25, 0.25)
    assert interval(easy_or_hard).high - interval(easy_or_hard).low > 0.2


def test_a_ratio_is_of_means_and_paired():
    tokens = np.array([[10.0, 20.0, 40.0]])
    assert ratio(tokens / 2, tokens) == Interval(0.5, 0.5, 0.5)
    assert ratio([[1.0, 3.0]], [[2.0, 2.0]]).mean == 1.0
    assert ratio([[1.0, 3.0]], [[2.0, 6.0]]) == Interval(0.5, 0.5, 0.5)
    assert ratio([[1.0, 8.0]], [[1.0, 2.0]]).mean == 3.0  # 9/3, not the mean of 1 and 4


def test_the_same_numbers_give_the_same_interval():
    values = np.random.default_rng(0).random((3, 50))
    assert interval(values) == interval(values)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        interval([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"shape \(0, 2\)"):
        interval(np.zeros((0, 2)))
    with pytest.raises(ValueError, match="same seeds and problems"):
        difference(np.zeros((1, 2)), np.zeros((2, 2)))
