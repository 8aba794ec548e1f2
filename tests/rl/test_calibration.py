"""Calibration of efforts: curves that do not fall, and their inverse."""

from __future__ import annotations

import numpy as np
import pytest

from rl.calibration import effort_for, monotone, relative_curve

EFFORTS = [0.25, 0.5, 0.75, 1.0]


def slow_monotone(values: list[float]) -> list[float]:
    """The min-max formula of isotonic regression: max over starts of min over ends of the mean between."""
    n = len(values)
    return [
        max(min(float(np.mean(values[a : b + 1])) for b in range(i, n)) for a in range(i + 1)) for i in range(n)
    ]  # fmt: skip


def test_monotone_by_hand():
    np.testing.assert_array_equal(monotone([1, 2, 3]), [1, 2, 3])
    np.testing.assert_array_equal(monotone([1, 3, 2, 4]), [1, 2.5, 2.5, 4])
    np.testing.assert_array_equal(monotone([3, 2, 1]), [2, 2, 2])
    np.testing.assert_array_equal(monotone([5, 1, 2, 6]), [8 / 3, 8 / 3, 8 / 3, 6])
    np.testing.assert_array_equal(monotone([]), [])


def test_monotone_is_isotonic_regression():
    rng = np.random.default_rng(0)
    for size in range(1, 9):
        values = rng.normal(size=size).tolist()
        np.testing.assert_allclose(monotone(values), slow_monotone(values), rtol=0, atol=1e-12)
        assert monotone(values).sum() == pytest.approx(sum(values))
        np.testing.assert_allclose(monotone(monotone(values)), monotone(values), rtol=0, atol=1e-12)


def test_a_curve_is_relative_to_the_largest_effort():
    np.testing.assert_allclose(relative_curve([120, 260, 240, 400]), [0.3, 0.625, 0.625, 1])
    np.testing.assert_allclose(relative_curve([0.2, 0.4, 0.6, 0.5]), [4 / 11, 8 / 11, 1, 1])
    for nothing in ([], [0, 0], [-2, -1], [1, np.nan], [np.nan, 1]):
        with pytest.raises(ValueError, match="measures must be numbers, the last of them positive"):
            relative_curve(nothing)


def test_the_effort_that_gave_a_share():
    curve = [0.3, 0.5, 0.9, 1.0]
    assert [effort_for(share, EFFORTS, curve) for share in curve] == pytest.approx(EFFORTS)
    assert effort_for(0.4, EFFORTS, curve) == pytest.approx(0.375)
    assert effort_for(0.8, EFFORTS, curve) == pytest.approx(0.6875)
    assert effort_for(0.05, EFFORTS, curve) == 0.25  # nothing below was measured
    assert effort_for(1.3, EFFORTS, curve) == 1.0


def test_a_plateau_gives_its_smallest_effort_and_the_rise_behind_it_begins_at_its_end():
    curve = [0.3, 0.6, 0.6, 1.0]
    assert effort_for(0.6, EFFORTS, curve) == pytest.approx(0.5)
    assert effort_for(0.8, EFFORTS, curve) == pytest.approx(0.875)
    assert effort_for(1.0, EFFORTS, [0.5, 1.0, 1.0, 1.0]) == pytest.approx(0.5)
    assert effort_for(0.5, EFFORTS, [0.5, 0.5, 1.0, 1.0]) == 0.25


def test_the_inverse_undoes_the_curve():
    rng = np.random.default_rng(1)
    for _ in range(50):
        curve = relative_curve(np.abs(rng.normal(size=6)) + np.arange(6) / 4 + 0.1)
        efforts = np.sort(rng.choice(np.arange(1, 101), 6, replace=False)) / 100
        for share in rng.uniform(curve[0], 1, 5):
            assert np.interp(effort_for(share, efforts, curve), efforts, curve) == pytest.approx(share)


def test_what_is_no_curve_is_refused():
    for efforts, curve in (([0.5, 0.5], [0.1, 1]), ([0.5, 1], [1, 0.9]), ([0.5], [0.1, 1]), ([], [])):
        with pytest.raises(ValueError, match="efforts must ascend and the curve must not fall"):
            effort_for(0.5, efforts, curve)
