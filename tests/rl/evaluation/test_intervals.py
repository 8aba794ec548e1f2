"""Bootstrap over problems: by hand, against a slow loop, coverage, and where there is nothing to resample."""

from __future__ import annotations

import numpy as np
import pytest

from rl.evaluation import intervals
from rl.evaluation.intervals import Interval, accuracy_intervals, around, counts, interval, mean_interval, resampled

Z2 = 1.959963984540054**2


def of(right_N, judged_N) -> Interval:
    """The interval of one budget."""
    right, judged = (np.array(values, np.float64)[:, None] for values in (right_N, judged_N))
    return accuracy_intervals(right, judged)[0]


@pytest.mark.parametrize(
    ("name", "samples", "true", "draw"),
    [
        ("all alike, one sample", 1, 0.5, lambda rng, shape: np.full(shape, 0.5)),
        ("easy, one sample", 1, 0.9, lambda rng, shape: np.full(shape, 0.9)),
        ("all alike, eight samples", 8, 0.9, lambda rng, shape: np.full(shape, 0.9)),
        ("right or wrong, four samples", 4, 0.5, lambda rng, shape: rng.beta(0.5, 0.5, shape)),
        ("rather easy, eight samples", 8, 2 / 3, lambda rng, shape: rng.beta(2, 1, shape)),
        ("hard, eight samples", 8, 0.3 / 2.3, lambda rng, shape: rng.beta(0.3, 2, shape)),
    ],
)
def test_95_percent_intervals_cover_93_to_97_percent(name, samples, true, draw):
    """2,000 data sets of 200 problems, each of an accuracy of its own."""
    rng = np.random.default_rng(1)
    right_ND = rng.binomial(samples, draw(rng, (200, 2000))).astype(np.float64)
    found = accuracy_intervals(right_ND, np.full(right_ND.shape, float(samples)))
    coverage = np.mean([one.low <= true <= one.high for one in found])
    print(f"{name}: {coverage:.2%}")
    assert 0.93 <= coverage <= 0.97
    assert all(one.low <= one.mean <= one.high for one in found)


def test_30_problems_that_are_nearly_all_right_are_not_certain():
    """AIME-sized: the bare percentiles cover 97 % in 6 of 10 data sets only, because many have no wrong answer."""
    right_ND = np.random.default_rng(1).binomial(1, 0.97, (30, 2000)).astype(np.float64)
    found = accuracy_intervals(right_ND, np.ones_like(right_ND))
    assert np.mean([one.low <= 0.97 <= one.high for one in found]) >= 0.95
    bare = np.percentile(resampled(right_ND, np.ones_like(right_ND)), [2.5, 97.5], axis=0)
    assert np.mean((bare[0] <= 0.97) & (bare[1] >= 0.97)) < 0.65


def test_two_problems_by_hand():
    # Draws of {0, 1} with replacement: 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4.
    assert of([0, 4], [4, 4]) == Interval(0.5, 0.0, 1.0)


def test_forty_problems_are_nearly_a_binomial():
    # 2.5th and 97.5th percentile of Binomial(40, 1/2) are 14 and 26.
    assert of([0] * 20 + [1] * 20, [1] * 40) == Interval(0.5, 14 / 40, 26 / 40)


def test_draws_are_those_of_a_slow_loop():
    right_NS = np.array([[1.0, 2.0], [0.0, 3.0], [4.0, 4.0]])
    judged_NS = np.array([[2.0, 4.0], [4.0, 3.0], [4.0, 4.0]])
    fast_BS = resampled(right_NS, judged_NS, draws=50, seed=3)
    rng = np.random.default_rng(3)
    for b, drawn in enumerate(rng.integers(3, size=(50, 3))):
        for s in range(2):
            assert fast_BS[b, s] == sum(right_NS[n, s] for n in drawn) / sum(judged_NS[n, s] for n in drawn)


def test_large_evaluations_are_drawn_in_blocks():
    blocks = list(counts(3_000_000, 3, 0))
    assert [block.shape for block in blocks] == [(2, 3_000_000), (1, 3_000_000)]
    drawn = np.concatenate(blocks)
    assert (drawn.sum(axis=1) == 3_000_000).all()
    assert drawn.var() == pytest.approx(1.0, rel=0.01)  # of a binomial with mean 1


def test_samples_of_one_problem_are_no_new_problems():
    """Eight copies of every answer say no more than one; eight independent ones do."""
    rng = np.random.default_rng(0)
    once = rng.binomial(1, 0.5, 200).astype(float)
    assert of(8 * once, [8] * 200) == of(once, [1] * 200)
    several = of(rng.binomial(8, 0.5, 200), [8] * 200)
    assert several.high - several.low < 0.5 * (of(once, [1] * 200).high - of(once, [1] * 200).low)


def test_excluded_answers_leave_both_sides():
    assert of([1, 0, 2], [2, 0, 4]).mean == 0.5
    assert of([3, 1], [3, 1]).mean == 1.0
    # Problem 2 has one judged answer of eight: it weighs one eighth of problem 1.
    assert of([8, 0], [8, 1]).mean == 8 / 9


def test_all_right_and_all_wrong_are_wilson_not_certainty():
    for n in (1, 30, 1000):
        right, wrong = of([2] * n, [2] * n), of([0] * n, [2] * n)
        assert (right.mean, right.high) == (1.0, 1.0)
        assert right.low == pytest.approx(n / (n + Z2))
        assert (wrong.mean, wrong.low) == (0.0, 0.0)
        assert wrong.high == pytest.approx(Z2 / (n + Z2))


def test_one_problem_says_little():
    half = of([4], [8])
    assert (half.low, half.high) == (pytest.approx(0.103, abs=1e-3), pytest.approx(0.897, abs=1e-3))
    assert of([4] * 1000, [8] * 1000).high == pytest.approx(0.502, abs=1e-3)


def test_nothing_judged_may_be_anything():
    nothing = of([0, 0], [0, 0])
    assert np.isnan(nothing.mean)
    assert (nothing.low, nothing.high) == (0.0, 1.0)


def test_a_difference_that_never_varies_reaches_from_minus_one_to_one():
    same = interval(0.0, np.zeros(9), 100, lowest=-1.0)
    share = Z2 / (100 + Z2)
    assert (same.low, same.high) == (pytest.approx(-share), pytest.approx(share))
    apart = interval(1.0, np.ones(9), 100, lowest=-1.0)
    assert (apart.low, apart.high) == (pytest.approx(1 - 2 * share), 1.0)


def test_an_interval_includes_its_number():
    assert around(0.9, np.linspace(0.1, 0.5, 41)) == Interval(0.9, pytest.approx(0.11), 0.9)
    assert around(0.0, np.linspace(0.1, 0.5, 41)) == Interval(0.0, 0.0, pytest.approx(0.49))


def test_the_mean_over_budgets_varies_with_the_problems_not_with_the_budgets():
    # Each problem is right at exactly one of two budgets: every draw has mean 1/2.
    right = np.array([[1.0, 0.0], [0.0, 1.0]] * 50)
    found = mean_interval(right, np.ones_like(right))
    assert found.mean == 0.5
    assert found.high - found.low == pytest.approx(Z2 / (100 + Z2))
    # The same at both budgets: as wide as one budget alone.
    both = np.repeat(right[:, :1], 2, axis=1)
    assert mean_interval(both, np.ones_like(both)) == of(right[:, 0], [1] * 100)


def test_the_same_answers_give_the_same_interval():
    right = np.random.default_rng(0).binomial(4, 0.3, 50)
    assert of(right, [4] * 50) == of(right, [4] * 50)
    assert (intervals.DRAWS, intervals.SEED) == (2000, 0)
