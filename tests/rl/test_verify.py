"""The probe after a publish: how far apart two tellings are, and which engine is the worst."""

import math

import pytest

from rl.verify import mean_gap, tolerance, worst


def test_the_gap_is_a_mean_over_all_tokens_of_all_sequences():
    assert mean_gap([[0.0, -1.0], [-2.0]], [[0.5, -1.0], [-1.0]]) == pytest.approx((0.5 + 0 + 1) / 3)
    assert mean_gap([[-1.5]], [[-1.5]]) == 0
    assert math.isnan(mean_gap([[-1.0, -1.0]], [[float("nan"), -1.0]]))
    with pytest.raises(ValueError, match="shorter"):
        mean_gap([[-1.0, -1.0]], [[-1.0]])


def test_the_worst_engine_is_the_one_whose_gap_is_largest_or_no_number():
    nan = float("nan")
    assert worst([0.1, 0.3, 0.2]) == 1
    assert worst([0.1]) == 0
    assert worst([0.1, nan, 0.2]) == 1  # max() would say 0.2 and let it pass
    assert worst([nan, 0.1]) == 0


def test_a_type_has_its_usual_gap_unless_another_is_asked_for():
    assert (tolerance(None, "float32"), tolerance(None, "bfloat16"), tolerance(0.2, "float32")) == (1e-3, 0.05, 0.2)
