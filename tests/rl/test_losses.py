"""Per-token losses: published values, gradients, and the expectations that tell the KL estimators apart."""

from __future__ import annotations

import pytest
import torch

from rl.losses import clipped_surrogate, icepop_weight, is_clipped, kl_k1, kl_k2, kl_k3, no_weight, tis_weight


def logs(*probabilities: float) -> torch.Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log()


@pytest.mark.parametrize(
    ("ratio", "advantage", "high", "loss", "gradient"),
    [
        (1.5, 1, 0.2, -1.2, 0),
        (1.5, 1, 0.28, -1.28, 0),
        (1.25, 1, 0.2, -1.2, 0),
        (1.25, 1, 0.28, -1.25, -1.25),
        (0.5, 1, 0.2, -0.5, -0.5),
        (0.5, -1, 0.2, 0.8, 0),
        (1.5, -1, 0.2, 1.5, 1.5),
        (12, -1, 0.2, 12, 12),
        (1, 1, 0.2, -1, -1),
        (1, -0.25, 0.2, 0.25, 0.25),
        (1.5, 0, 0.2, 0, 0),
    ],
)
def test_clipped_surrogate_and_its_gradient(ratio, advantage, high, loss, gradient):
    logp = logs(ratio).requires_grad_()
    got = clipped_surrogate(logp, logs(1), torch.tensor([float(advantage)]), clip_high=high)
    got.sum().backward()
    assert got.item() == pytest.approx(loss)
    assert logp.grad is not None
    assert logp.grad.item() == pytest.approx(gradient)


def test_a_higher_upper_clip_lets_rare_tokens_grow():
    logp, old, up = logs(0.0128, 0.0128), logs(0.01, 0.01), torch.ones(2)
    assert is_clipped(logp, old, up, clip_high=0.2).tolist() == [True, True]
    assert is_clipped(logp - 1e-9, old, up, clip_high=0.28).tolist() == [False, False]


def test_is_clipped_exactly_where_the_gradient_is_cut():
    ratio = (0.5, 0.79, 0.81, 1.19, 1.21, 3.0)
    for sign in (1.0, -1.0):
        logp, advantage = logs(*ratio).requires_grad_(), torch.full((6,), sign)
        clipped_surrogate(logp, torch.zeros(6), advantage).sum().backward()
        assert logp.grad is not None
        assert is_clipped(logp, torch.zeros(6), advantage).tolist() == (logp.grad == 0).tolist()
    assert not is_clipped(logs(*ratio), torch.zeros(6), torch.zeros(6)).any()


OLD = (0.30, 0.20, 0.60, 0.25, 0.50, 1e-4)
ENGINE = (0.20, 0.50, 0.10, 0.50, 0.10, 1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mismatch_weights_with_both_edges_kept(dtype):
    train, engine = logs(*OLD).to(dtype), logs(*ENGINE).to(dtype)
    assert icepop_weight(train, engine).tolist() == pytest.approx([1.5, 0, 0, 0.5, 5.0, 0])
    assert tis_weight(train, engine).tolist() == pytest.approx([1.5, 0.4, 2.0, 0.5, 2.0, 0.01])
    assert no_weight(train, engine).tolist() == [1, 1, 1, 1, 1, 1]


def test_mismatch_weights_of_given_ratios():
    train, engine = logs(0.3, 0.9, 1.5, 2.5, 6), logs(1, 1, 1, 1, 1)
    assert tis_weight(train, engine).tolist() == pytest.approx([0.3, 0.9, 1.5, 2, 2])
    assert icepop_weight(train, engine).tolist() == pytest.approx([0, 0.9, 1.5, 2.5, 0])
    assert icepop_weight(train, engine, low=0.2, high=2.0).tolist() == pytest.approx([0.3, 0.9, 1.5, 0, 0])


def test_just_outside_the_edges_is_dropped():
    train = logs(0.5 * (1 - 1e-5), 5 * (1 + 1e-5))
    assert icepop_weight(train, logs(1, 1)).tolist() == [0, 0]


@pytest.mark.parametrize("weigh", [tis_weight, icepop_weight, no_weight])
def test_weights_are_constants(weigh):
    assert not weigh(logs(0.3, 0.2).requires_grad_(), logs(0.2, 0.2)).requires_grad


@pytest.mark.parametrize(
    ("policy", "reference", "k1", "k2", "k3", "gradients"),
    [
        (0.5, 0.25, 0.693147, 0.240227, 0.193147, (1, 0.693147, 0.5)),
        (0.25, 0.5, -0.693147, 0.240227, 0.306853, (1, -0.693147, -1)),
        (0.5, 0.5, 0, 0, 0, (1, 0, 0)),
        (0.9, 0.3, 1.098612, 0.603474, 0.431946, (1, 1.098612, 2 / 3)),
    ],
)
def test_kl_estimators_of_one_token(policy, reference, k1, k2, k3, gradients):
    for estimate, value, gradient in zip((kl_k1, kl_k2, kl_k3), (k1, k2, k3), gradients, strict=True):
        logp = logs(policy).requires_grad_()
        got = estimate(logp, logs(reference))
        got.sum().backward()
        assert got.item() == pytest.approx(value, abs=1e-6)
        assert logp.grad is not None
        assert logp.grad.item() == pytest.approx(gradient, abs=1e-6)


POLICY, REFERENCE = (0.5, 0.5), (0.25, 0.75)


@pytest.mark.parametrize(
    ("estimate", "value", "gradient"),
    [(kl_k1, 0.143841, 0), (kl_k2, 0.161214, 0.274653), (kl_k3, 0.143841, 0.25)],
)
def test_what_each_estimator_is_worth_as_a_loss(estimate, value, gradient):
    """A vocabulary of two: the expected gradient over sampled tokens, with respect to the first logit."""
    logits = logs(*POLICY).requires_grad_()
    per_token = estimate(torch.log_softmax(logits, dim=0), logs(*REFERENCE))
    expected = (torch.tensor(POLICY, dtype=torch.float64) * per_token).sum()  # the sampling itself has no gradient
    expected.backward()
    assert expected.item() == pytest.approx(value, abs=1e-6)
    assert logits.grad is not None
    assert logits.grad[0].item() == pytest.approx(gradient, abs=1e-6)


def test_k2_has_the_gradient_of_the_true_divergence():
    logits = logs(*POLICY).requires_grad_()
    logp = torch.log_softmax(logits, dim=0)
    divergence = (logp.exp() * (logp - logs(*REFERENCE))).sum()
    divergence.backward()
    assert divergence.item() == pytest.approx(0.143841, abs=1e-6)
    assert logits.grad is not None
    assert logits.grad[0].item() == pytest.approx(0.274653, abs=1e-6)


def test_k3_keeps_its_precision_near_zero():
    small = torch.tensor([1e-4], dtype=torch.float32)
    assert kl_k3(small, torch.zeros(1)).item() == pytest.approx(5e-9, rel=0.02)
