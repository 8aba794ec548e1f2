"""Lengths beside those of the group: Kimi's and Apriel's known answers, and what the usual length is."""

from __future__ import annotations

import numpy as np
import pytest

from rl.length_credit import (
    difficulty_scaled,
    kimi_length,
    mean_at_largest_effort,
    mean_at_own_effort,
    mean_of_all,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("lengths", "correct", "expected"),
    [
        ([100, 200, 300, 150], [1, 1, 0, 0], [0.5, 0, -0.5, 0]),
        ([100, 200, 300], [1, 1, 1], [0.5, 0, -0.5]),
        ([100, 200, 300], [0, 0, 0], [0, 0, -0.5]),
        ([1000, 4000, 2500, 2500], [0, 1, 1, 0], [0, -0.5, 0, 0]),
        ([300, 300], [1, 0], [0, 0]),
        ([100, 200, 300, 900, 150], [1, 1, 0, NAN, 0], [0.5, 0, -0.5, NAN, 0]),
        ([100], [NAN], [NAN]),
    ],
)
def test_kimi_2_2(lengths, correct, expected):
    np.testing.assert_allclose(kimi_length(lengths, correct), expected, atol=1e-12)


def test_kimi_depends_on_ranks_in_the_range_alone():
    lengths, correct = np.array([120, 340, 90, 400]), [1, 0, 1, 1]
    np.testing.assert_allclose(kimi_length(7 * lengths + 1000, correct), kimi_length(lengths, correct), atol=1e-12)


def test_apriel_base_penalty_through_the_buffer():
    lengths = [12288, 12289, 13312, 14336, 16384, 16385]
    penalty = difficulty_scaled([0] * 6, lengths, [False] * 6, limit=16384, buffer=4096)
    # The released code gives 0 beyond the limit; what an engine lets through there must not be free.
    np.testing.assert_allclose(penalty, [0, -0.000244, -0.25, -0.5, -1, -1], atol=1e-6)
    half = difficulty_scaled([0] * 6, lengths, [False] * 6, limit=16384, buffer=4096, failure_scale=0.5)
    np.testing.assert_allclose(half, penalty / 2)


def test_apriel_share_of_right_answers_is_of_those_with_a_verdict():
    how = {"limit": 100, "buffer": 50}
    with_one_more = difficulty_scaled([1, 0, NAN, 1, 0], [75, 75, 75, 90, 20], [False] * 5, **how)
    np.testing.assert_allclose(with_one_more, [-0.25, -0.5, NAN, -0.4, 0])
    np.testing.assert_array_equal(difficulty_scaled([NAN, NAN], [75, 75], [True, False], **how), [NAN, NAN])


def test_E3_usual_lengths():
    lengths, efforts = np.array([50.0, 100, 150, 200, 300, 400, 500, 600]), np.repeat([0.25, 1.0], 4)
    np.testing.assert_array_equal(mean_at_own_effort(lengths, efforts), [125.0] * 4 + [450.0] * 4)
    np.testing.assert_array_equal(mean_at_largest_effort(lengths, efforts), [450.0] * 8)
    np.testing.assert_array_equal(mean_of_all(lengths, efforts), [287.5] * 8)
    missing = np.where(efforts == 1, NAN, lengths)
    np.testing.assert_array_equal(mean_at_own_effort(missing, efforts), [125.0] * 4 + [NAN] * 4)
    np.testing.assert_array_equal(mean_at_largest_effort(missing, efforts), [NAN] * 8)
    np.testing.assert_array_equal(mean_of_all(missing, efforts), [125.0] * 8)
