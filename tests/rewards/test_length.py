"""What a length is worth on its own: the known answers of the papers, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest

from rewards.length import (
    band,
    effort_gate,
    effort_gate_inclusive,
    lcpo_exact,
    lcpo_max,
    overlong,
    think_prune,
    triangular,
)

NAN = float("nan")


def slow_triangular(length: float, budget: float) -> float:
    """The cases as the paper prints them."""
    if length <= budget:
        return length / budget
    return 1 - (length - budget) / budget if length <= 2 * budget else 0


def slow_band(length: float, budget: float) -> float:
    if length <= budget:
        return 1
    return 1 - (length - budget) / budget if length <= 2 * budget else 0


@pytest.mark.parametrize(
    ("length", "triangle", "plateau"),
    [(0, 0, 1), (43.5, 0.5, 1), (87, 1, 1), (130.5, 0.5, 0.5), (174, 0, 0), (200, 0, 0)],
)
def test_C3_shapes_of_the_curriculum_at_a_budget_of_87(length, triangle, plateau):
    assert triangular(length, 87) == pytest.approx(triangle, abs=1e-12)
    assert band(length, 87) == pytest.approx(plateau, abs=1e-12)


def test_arrays_agree_with_the_printed_cases_element_by_element():
    lengths = np.arange(0.0, 200.0, 3.0)
    np.testing.assert_allclose(triangular(lengths, 64), [slow_triangular(x, 64) for x in lengths], atol=1e-12)
    np.testing.assert_allclose(band(lengths, 64), [slow_band(x, 64) for x in lengths], atol=1e-12)
    budgets = lengths + 1
    np.testing.assert_allclose(triangular(50, budgets), [slow_triangular(50, b) for b in budgets], atol=1e-12)


def test_C4_total_reward_of_a_curriculum():
    """λ = (correct, length, format), all R = 1, α = .5 each."""

    def total(weights, correct, length, tags):
        c, w, f = weights
        return c * correct + w * triangular(length, 87) + f * 0.5 * tags

    correctness_heavy, length_heavy = (0.6, 0.3, 0.1), (0.3, 0.6, 0.1)
    cases = [(1, 60, 2), (0, 87, 2), (1, 180, 1)]
    np.testing.assert_allclose([total(correctness_heavy, *case) for case in cases], [0.906897, 0.4, 0.65], atol=1e-6)
    np.testing.assert_allclose([total(length_heavy, *case) for case in cases], [0.813793, 0.7, 0.35], atol=1e-6)
    # Length gaming: with the heavy length term, a wrong answer of the exact length beats a right one that is too long.
    assert total(length_heavy, 0, 87, 2) > total(length_heavy, 1, 180, 1)


@pytest.mark.parametrize(
    ("length", "expected"), [(16384, 0), (16383, 0), (17408, -0.25), (18432, -0.5), (20480, -1), (20481, -1)]
)
def test_dapo_overlong_at_its_published_limit(length, expected):
    assert overlong(length, 20480, 4096) == pytest.approx(expected, abs=1e-12)


def test_overlong_in_trls_example():
    assert overlong(90, 100, 20) == -0.5
    np.testing.assert_allclose(overlong(np.array([0.0, 80, 85, 100, 500]), 100, 20), [0, 0, -0.25, -1, -1])


@pytest.mark.parametrize(
    ("correct", "target", "length", "expected"),
    [
        (1, 1000, 1000, 1),
        (1, 1000, 2000, 0.7),
        (0, 1000, 1000, 0),
        (1, 2000, 500, 0.55),
        (0, 500, 4000, -1.05),
    ],
)
def test_lcpo_exact(correct, target, length, expected):
    assert lcpo_exact(correct, length, target) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("correct", "target", "length", "expected"),
    [
        (1, 1000, 1000, 0.5),
        (1, 1000, 2000, 0.2),
        (0, 1000, 100, 0),
        (1, 2000, 500, 0.95),
        (1, 4000, 1000, 1),
        (1, 500, 4000, 0),
    ],
)
def test_lcpo_max(correct, target, length, expected):
    assert lcpo_max(correct, length, target) == pytest.approx(expected, abs=1e-12)


def test_lcpo_max_with_half_the_slope_is_the_released_code():
    """sc = clip(α (n - l), -1, 1); max(0, (sc + 1) / 2): the notes give .35 and .725 at α = .0003."""
    assert lcpo_max(1, 2000, 1000, alpha=1.5e-4) == pytest.approx(0.35)
    assert lcpo_max(1, 500, 2000, alpha=1.5e-4) == pytest.approx(0.725)


@pytest.mark.parametrize(("correct", "length", "expected"), [(1, 2000, 1), (1, 2001, 0), (0, 2000, 0), (0, 1, 0)])
def test_think_prune(correct, length, expected):
    assert think_prune(correct, length, 2000) == expected


def test_E1_and_E2_half_and_full_effort():
    lengths, correct = np.array([100.0, 200, 300, 400]), np.array([1.0, 1, 0, 1])
    np.testing.assert_array_equal(effort_gate(correct, lengths, 250, 0.5), [1, 0, 0, 0])
    np.testing.assert_array_equal(effort_gate(correct, lengths, 250, 1.0), [1, 1, 0, 0])


def test_E4_equal_lengths_pass_at_full_effort_only_when_the_share_itself_does():
    lengths, correct = np.full(4, 200.0), np.array([1.0, 1, 0, 1])
    np.testing.assert_array_equal(effort_gate(correct, lengths, 200, 1.0), [0, 0, 0, 0])
    np.testing.assert_array_equal(effort_gate_inclusive(correct, lengths, 200, 1.0), correct)
    assert effort_gate_inclusive(1, 100.5, 200, 0.5) == 0


def test_E6_a_wrong_answer_never_gains():
    lengths = np.array([0.0, 1, 10, 100, 1000])
    for gate in (effort_gate, effort_gate_inclusive):
        for effort in (0.1, 0.5, 1.0):
            np.testing.assert_array_equal(gate(0.0, lengths, 500, effort), np.zeros(5))
    np.testing.assert_array_equal(think_prune(0.0, lengths, 500), np.zeros(5))
    np.testing.assert_array_equal(lcpo_max(0.0, lengths, 500), np.zeros(5))


def test_no_verdict_stays_without_one():
    unknown = np.array([NAN, 1.0])
    lengths = np.array([900.0, 900.0])
    for shaped in (
        effort_gate(unknown, lengths, 100, 0.5),
        effort_gate_inclusive(unknown, lengths, 100, 0.5),
        think_prune(unknown, lengths, 100),
        lcpo_max(unknown, lengths, 100, delta=0.0),
    ):
        np.testing.assert_array_equal(shaped, [NAN, 0.0])
    np.testing.assert_allclose(lcpo_exact(unknown, lengths, 100), [NAN, 0.76])


@pytest.mark.parametrize("unit", [0, -3, NAN])
def test_a_budget_that_is_none_is_refused(unit):
    for call in (lambda: triangular(1, unit), lambda: band(1, unit), lambda: overlong(1, 10, unit)):
        with pytest.raises(ValueError, match=f"a budget or buffer must be positive, not {unit}"):
            call()
