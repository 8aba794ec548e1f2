"""Splitting a budget among steps: the known answers of Plan-and-Budget, and what any split must keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.step_budgets import SCHEDULES, allocate, closed_form, cosine, least_uncertainty

EQUAL = {
    "constant": [88, 88, 87, 87],
    "linear": [140, 105, 70, 35],
    "polynomial": [187, 106, 46, 11],
    "exponential": [102, 92, 82, 74],
    "cosine": [161, 124, 51, 14],
}
UNEQUAL = {
    "constant": [120, 300, 180],
    "linear": [190, 316, 94],
    "polynomial": [264, 293, 43],
    "exponential": [134, 303, 163],
    "cosine": [240, 328, 32],
}
FOUR = {"polynomial": [85, 191, 64, 10], "cosine": [67, 207, 64, 12]}


@pytest.mark.parametrize("name", SCHEDULES)
def test_known_answers_of_equal_credits(name: str):
    assert allocate([25] * 4, SCHEDULES[name](4), 350) == EQUAL[name]


@pytest.mark.parametrize("name", SCHEDULES)
def test_known_answers_of_unequal_credits(name: str):
    assert allocate([0.2, 0.5, 0.3], SCHEDULES[name](3), 600) == UNEQUAL[name]


@pytest.mark.parametrize("name", FOUR)
def test_known_answers_of_four_steps(name: str):
    assert allocate([0.1, 0.4, 0.3, 0.2], SCHEDULES[name](4), 350) == FOUR[name]


def test_known_answers_of_the_cosine_weights():
    assert cosine(4) == pytest.approx([1.1, 0.85, 0.35, 0.1])
    assert cosine(3) == pytest.approx([1.1, 0.6, 0.1])
    assert cosine(1) == [1.0]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=6).filter(any), st.integers(0, 5000))
def test_a_split_spends_the_total_and_no_share_moves_by_a_token(credits: list[int], total: int):
    for schedule in SCHEDULES.values():
        weights = schedule(len(credits))
        tokens = allocate(credits, weights, total)
        shares = np.multiply(credits, weights)
        assert sum(tokens) == total
        assert np.abs(tokens - shares * total / shares.sum()).max() < 1 + 1e-6


@pytest.mark.parametrize("credits", [[0, 0], [-1, 2]])
def test_credits_that_share_nothing_are_refused(credits: list[int]):
    with pytest.raises(ValueError, match="not all 0"):
        allocate(credits, [1.0, 1.0], 10)


@pytest.mark.parametrize(
    ("scales", "decays", "total", "published", "best"),
    [
        ((1, 4), (1, 1), 300, (100, 200), (100, 200)),
        ((1, 8, 27), (2, 2, 2), 600, (100, 200, 300), (100, 200, 300)),
        ((4, 4), (1, 3), 300, (155.39, 144.61), (278.05, 21.95)),
    ],
)
def test_known_answers_of_the_uncertainty_model(scales, decays, total, published, best):
    assert closed_form(scales, decays, total) == pytest.approx(published, abs=0.005)
    assert least_uncertainty(scales, decays, total) == pytest.approx(best, abs=0.005)


def test_no_other_split_leaves_less_uncertainty():
    scales, decays, total = np.array([3.0, 50.0, 7.0]), np.array([0.7, 2.0, 1.0]), 500.0
    best = np.array(least_uncertainty(scales.tolist(), decays.tolist(), total))
    rng = np.random.default_rng(0)
    others = total * rng.dirichlet(np.ones(3), 20_000)
    near = best * rng.uniform(0.95, 1.05, (2_000, 3))
    rivals = np.vstack([others, near * total / near.sum(1, keepdims=True)])
    assert best.sum() == pytest.approx(total)
    assert (scales / best**decays).sum() <= (scales / rivals**decays).sum(1).min()
