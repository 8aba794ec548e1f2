"""Learning rates at chosen steps, worked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.config import LearnerConfig
from rl.lr_schedule import SCHEDULES, factor


def series(schedule, warmup, total, steps):
    return [factor(step, schedule=schedule, warmup=warmup, total=total) for step in steps]


def test_linear_falls_to_zero_at_the_end():
    assert series("linear", 0, 4, range(6)) == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


def test_cosine_falls_along_half_a_wave():
    half = math.sqrt(0.5)
    expected = [1.0, (1 + half) / 2, 0.5, (1 - half) / 2, 0.0, 0.0]
    assert series("cosine", 0, 4, range(6)) == pytest.approx(expected, abs=1e-15)


def test_constant_stays():
    assert series("constant", 0, 4, (0, 3, 4, 400)) == [1.0] * 4


def test_warmup_rises_from_its_first_step_and_ends_at_the_peak():
    assert series("constant", 3, 10, range(5)) == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert series("linear", 2, 6, range(8)) == pytest.approx([1 / 3, 2 / 3, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0])


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("total", [1, 3, 5])
def test_a_warmup_as_long_as_the_run_never_arrives(schedule, total):
    assert series(schedule, 5, total, range(total)) == pytest.approx([(step + 1) / 6 for step in range(total)])


def test_every_schedule_of_the_config_is_here():
    annotation = LearnerConfig.model_fields["schedule"].annotation
    assert set(SCHEDULES) == set(vars(annotation)["__args__"])


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(0, 30), st.integers(1, 60))
def test_a_factor_is_a_share_that_rises_and_then_never_again(schedule, warmup, total):
    factors = series(schedule, warmup, total, range(total + 3))
    assert all(0 <= one <= 1 for one in factors)
    assert factors[0] > 0
    rising, falling = factors[: warmup + 1], factors[warmup:]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
