"""The weight of a token's loss: published values, and nothing changes when the batch is split."""

from __future__ import annotations

import numpy as np
import pytest

from rl.aggregation import constant, sequence_mean, token_mean


def batch_loss(weight_N, losses):
    """The definition: the sum over sequences of weight * the sum of the sequence's token losses."""
    return sum(weight * sum(loss) for weight, loss in zip(weight_N, losses, strict=True))


@pytest.mark.parametrize(
    ("losses", "sequence", "token", "constant_8", "constant_4"),
    [
        ([[-1] * 2, [1] * 4], 0, 1 / 3, 0.125, 0.25),
        ([[-1] * 2, [0.5] * 4], -0.25, 0, 0, 0),
    ],
)
def test_two_sequences_of_two_and_four_tokens(losses, sequence, token, constant_8, constant_4):
    trained_N = list(map(len, losses))
    assert batch_loss(sequence_mean(trained_N), losses) == pytest.approx(sequence)
    assert batch_loss(token_mean(trained_N), losses) == pytest.approx(token)
    assert batch_loss(constant(trained_N, 8), losses) == pytest.approx(constant_8)
    assert batch_loss(constant(trained_N, 4), losses) == pytest.approx(constant_4)


def test_constant_scale_of_two_rollouts():
    """Four tokens of advantage .5 and two of -.25 at ratio 1, L_max 10."""
    losses = [[-0.5] * 4, [0.25] * 2]
    assert batch_loss(constant([4, 2], 10), losses) == pytest.approx(-0.075)


def test_weights_by_hand():
    np.testing.assert_allclose(token_mean([2, 4]), [1 / 6, 1 / 6])
    np.testing.assert_allclose(sequence_mean([2, 4]), [1 / 4, 1 / 8])
    np.testing.assert_allclose(constant([2, 4], 8), [1 / 16, 1 / 16])


@pytest.mark.parametrize("weigh", [token_mean, sequence_mean, lambda trained_N: constant(trained_N, 8)])
def test_a_fully_masked_sequence_does_not_count(weigh):
    weight_N = weigh([2, 0, 4])
    np.testing.assert_array_equal(weight_N[[0, 2]], weigh([2, 4]))
    assert weight_N[1] == 0
    np.testing.assert_array_equal(weigh([0, 0]), [0, 0])


@pytest.mark.parametrize("weigh", [token_mean, sequence_mean])
def test_weights_of_all_trained_tokens_sum_to_one(weigh):
    trained_N = [3, 0, 17, 1, 240]
    assert (weigh(trained_N) * trained_N).sum() == pytest.approx(1)
