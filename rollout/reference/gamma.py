# pyright: standard
"""Budget Guidance's formulas: the Gamma law of log lengths, and how it reweighs the next token.

The length L of what is left of a thought enters as log(L + 1), which is Gamma distributed with a shape and a rate for
every candidate token [V]. Source: Li et al., "Steering LLM Thinking with Budget Guidance", and its released code.
"""

from __future__ import annotations

from math import log1p

import torch

from rollout.reference_steering import Gates


def chance_within(tokens: float, shape_V: torch.Tensor, rate_V: torch.Tensor) -> torch.Tensor:
    """The probability that at most `tokens` tokens are left: the Gamma CDF at log(tokens + 1)."""
    return torch.special.gammainc(shape_V, rate_V * log1p(tokens))


def likeliest(shape_V: torch.Tensor, rate_V: torch.Tensor) -> torch.Tensor:
    """The mode of the log length, in tokens."""
    return torch.expm1((shape_V - 1) / rate_V)


def trusted(shape_V: torch.Tensor, rate_V: torch.Tensor, gates: Gates) -> torch.Tensor:
    """Whether each prediction counts."""
    return (rate_V >= gates.rate) & (shape_V > gates.shape) & (likeliest(shape_V, rate_V) >= gates.tokens)


def guided(
    probs_V: torch.Tensor, shape_V: torch.Tensor, rate_V: torch.Tensor, remaining: float, gates: Gates
) -> torch.Tensor:
    """The model's distribution times the chance that `remaining` tokens are enough, normalised.

    Where that leaves nothing, all mass goes to the likeliest token of the model itself.
    """
    weights_V = chance_within(remaining, shape_V, rate_V) * trusted(shape_V, rate_V, gates)
    product_V = probs_V * weights_V
    if not product_V.any():
        product_V = torch.nn.functional.one_hot(probs_V.argmax(), len(probs_V)).to(probs_V.dtype)
    return product_V / product_V.sum()


def negative_log_likelihood(tokens_N: torch.Tensor, shape_N: torch.Tensor, rate_N: torch.Tensor) -> torch.Tensor:
    """Of lengths in tokens, as a density of the log length, in nats."""
    x_N = torch.log1p(tokens_N)
    log_density_N = shape_N * torch.log(rate_N) - torch.lgamma(shape_N) + (shape_N - 1) * torch.log(x_N) - rate_N * x_N
    return -log_density_N
