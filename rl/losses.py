"""Per-token formulas of the policy loss, on [T] log-probabilities of the tokens that were sampled (pure).

Three policies give a log-probability to the same token: `logp` is the one being trained and carries the
gradient, `old_logp` the learner's at the start of the step, `engine_logp` the sampler's as processed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

EDGE = 1e-6
"""Log-space tolerance that keeps both edges of a closed interval of ratios inside it."""


def clipped_surrogate(
    logp_T: Tensor, old_logp_T: Tensor, advantage_T: Tensor, *, clip_low: float = 0.2, clip_high: float = 0.2
) -> Tensor:
    """The loss -min(r A, clip(r, 1 - low, 1 + high) A) of each token, r = exp(logp - old_logp).

    No gradient flows where the clip is active (see `is_clipped`). PPO (arXiv 1707.06347, equation 7); an
    upper clip above the lower one is DAPO's clip-higher (arXiv 2503.14476, section 3.1).
    """
    ratio_T = (logp_T - old_logp_T).exp()
    within_T = ratio_T.clamp(1 - clip_low, 1 + clip_high)
    return torch.maximum(-ratio_T * advantage_T, -within_T * advantage_T)


def is_clipped(
    logp_T: Tensor, old_logp_T: Tensor, advantage_T: Tensor, *, clip_low: float = 0.2, clip_high: float = 0.2
) -> Tensor:
    """Where the clip has cut the gradient: r above 1 + high with A > 0, or below 1 - low with A < 0."""
    ratio_T = (logp_T - old_logp_T).detach().exp()
    return ((advantage_T > 0) & (ratio_T > 1 + clip_high)) | ((advantage_T < 0) & (ratio_T < 1 - clip_low))


def no_weight(train_logp_T: Tensor, engine_logp_T: Tensor) -> Tensor:
    """Weight 1: the engine is taken at its word."""
    return torch.ones_like(train_logp_T)


def tis_weight(train_logp_T: Tensor, engine_logp_T: Tensor, *, cap: float = 2.0) -> Tensor:
    """Truncated importance weight min(k, cap), k = exp(train - engine) at the same parameters; detached.

    Small weights are kept as they are. TIS (Yao et al. 2025, "Your efficient RL framework secretly
    brings you off-policy RL training").
    """
    return (train_logp_T - engine_logp_T).detach().exp().clamp(max=cap)


def icepop_weight(train_logp_T: Tensor, engine_logp_T: Tensor, *, low: float = 0.5, high: float = 5.0) -> Tensor:
    """The weight k itself where low <= k <= high and 0 outside, k = exp(train - engine); detached.

    A token outside loses its policy loss but stays in the denominator. IcePop (Ring-1T,
    arXiv 2510.18855, equations 1 and 2).
    """
    gap_T = (train_logp_T - engine_logp_T).detach()
    keep_T = (gap_T >= math.log(low) - EDGE) & (gap_T <= math.log(high) + EDGE)
    return torch.where(keep_T, gap_T.exp(), torch.zeros_like(gap_T))


def kl_k1(logp_T: Tensor, ref_logp_T: Tensor) -> Tensor:
    """log(pi / ref): unbiased for KL(pi || ref), but its expected gradient as an on-policy loss is 0."""
    return logp_T - ref_logp_T


def kl_k2(logp_T: Tensor, ref_logp_T: Tensor) -> Tensor:
    """log(pi / ref)^2 / 2: biased as a value, and as an on-policy loss exactly the gradient of KL(pi || ref)."""
    return (logp_T - ref_logp_T).square() / 2


def kl_k3(logp_T: Tensor, ref_logp_T: Tensor) -> Tensor:
    """ref / pi - 1 + log(pi / ref): unbiased and never negative; its gradient is that of KL(ref || pi).

    k1, k2 and k3: Schulman 2020, "Approximating KL divergence".
    """
    log_ratio_T = logp_T - ref_logp_T
    return torch.expm1(-log_ratio_T) + log_ratio_T
