"""The formulas of an evaluation: the known answers of their papers, by hand, and slow definitions."""

from __future__ import annotations

from itertools import combinations
from math import comb, isnan

import numpy as np
import pytest

from rl.evaluation.numbers import (
    Adherence,
    adherence,
    area,
    control,
    e3,
    ks,
    mean_known,
    pass_at_k,
    performance,
    scaling,
    token_efficiency,
)


def at_k(right: int, judged: int, k: int) -> float:
    return float(pass_at_k(np.array([[float(right)]]), np.array([[float(judged)]]), k)[0, 0])


def test_pass_at_k_is_the_share_of_draws_with_a_right_one():
    for n in range(1, 8):
        for c in range(n + 1):
            for k in range(1, n + 1):
                draws = list(combinations([True] * c + [False] * (n - c), k))
                assert at_k(c, n, k) == pytest.approx(sum(map(any, draws)) / len(draws), abs=1e-15)


def test_pass_at_k_by_codex():
    assert at_k(3, 10, 5) == pytest.approx(1 - comb(7, 5) / comb(10, 5), abs=1e-15)
    assert at_k(1, 200, 100) == pytest.approx(0.5, abs=1e-12)
    assert at_k(20, 1000, 500) == pytest.approx(1 - comb(980, 500) / comb(1000, 500), abs=1e-12)
    assert at_k(1999, 2000, 2) == 1.0


def test_pass_at_k_is_unbiased_where_a_naive_power_is_not():
    rng = np.random.default_rng(0)
    right_N1 = rng.binomial(8, 0.2, (200_000, 1)).astype(float)
    judged_N1 = np.full(right_N1.shape, 8.0)
    assert pass_at_k(right_N1, judged_N1, 4).mean() == pytest.approx(1 - 0.8**4, abs=0.003)
    assert (1 - (1 - right_N1 / 8) ** 4).mean() < 1 - 0.8**4 - 0.02


def test_pass_at_k_needs_k_verdicts():
    assert isnan(at_k(2, 3, 4))
    assert isnan(at_k(0, 0, 1))
    right, judged = np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[4.0, 0.0], [2.0, 1.0]])
    assert pass_at_k(right, judged, 1).tolist()[1] == [1.0, 0.0]
    assert np.isnan(pass_at_k(right, judged, 1)[0, 1])


def test_powers_of_two_and_the_number_of_samples():
    assert [ks(n) for n in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_means_leave_out_what_is_not_known():
    means = mean_known(np.array([[1.0, np.nan, np.nan], [0.0, 0.5, np.nan]]))
    assert means[:2].tolist() == [0.5, 0.5]
    assert isnan(means[2])


def test_area_counts_doublings_alike():
    assert area([100, 200, 400], [0.0, 0.4, 0.8]) == pytest.approx(0.4)
    assert area([100, 1000, 2000], [0.5, 0.5, 0.5]) == pytest.approx(0.5)
    # ln 10 of the way at 0.25, ln 2 at 0.75: (0.25 ln 10 + 0.75 ln 2) / ln 20
    assert area([100, 1000, 2000], [0.0, 0.5, 1.0]) == pytest.approx(0.3656891)
    assert area([512], [0.7]) == 0.7


@pytest.mark.parametrize(
    ("percent", "tokens", "expected"),
    [
        (90, 2000, 4.05),
        (60, 1200, 3.0),
        (30, 1900, 0.47368),
        (62.5, 6229, 0.6271),
        (63.5, 4094, 0.9849),
        (62.3, 3303, 1.1751),
        (57.5, 2541, 1.3012),
    ],
)
def test_T4_e3_of_plan_and_budget(percent, tokens, expected):
    assert e3(percent, tokens) == pytest.approx(expected, abs=5e-5)


def test_s1_control_scaling_performance():
    used, percent = [1000, 2000, 4000], [30, 40, 50]
    assert scaling(used, percent) == pytest.approx(7.2222, abs=5e-5)  # slopes 10, 6.6667 and 5
    assert performance(percent) == 50
    assert control(used, [1000, 2000, 3000]) == pytest.approx(2 / 3)


def test_equally_long_thoughts_have_no_slope():
    assert scaling([1000, 2000, 2000], [30, 40, 60]) == pytest.approx((10 + 30) / 2)
    assert isnan(scaling([1000, 1000], [30, 40]))
    assert isnan(scaling([1000], [30]))
    assert isnan(performance([]))
    assert isnan(e3(50, 0))


def test_l1_control():
    found = adherence([900, 1100, 1300], 1000)
    assert found.mean_error == pytest.approx(0.10)
    assert found.relative_rmse == pytest.approx(0.191485, abs=5e-7)
    assert (found.soft_violation, found.hard_violation) == (0.0, pytest.approx(2 / 3))
    assert adherence([1500, 1501, 1000], 1000).soft_violation == pytest.approx(1 / 3)  # more than 500 over
    assert adherence([64, 64], 64) == Adherence(0.0, 0.0, 0.0, 0.0)


def test_token_efficiency_of_swireasoning():
    assert token_efficiency(0.6, 500, 0.5, 1000) == pytest.approx(2.4)
    assert token_efficiency(0.5, 1000, 0.5, 1000) == 1
    assert isnan(token_efficiency(0.5, 1000, 0.0, 1000))
    assert isnan(token_efficiency(0.0, 0, 0.5, 1000))
