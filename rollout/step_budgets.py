"""How a budget is split among the steps of a plan: Plan-and-Budget's decay schedules, and its uncertainty model.

Pure functions, in the order of the steps. Source: Lin et al., "Plan and Budget", ICLR 2026, and its released code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

LEVEL_TOKENS: tuple[int, ...] = (200, 250, 350, 450, 600)
"""The tokens that the released code grants a problem of difficulty 1 to 5, for all its steps together."""


def constant(steps: int) -> list[float]:
    """Every step weighs the same."""
    return [1.0] * steps


def linear(steps: int) -> list[float]:
    """N, N - 1, ..., 1."""
    return [float(steps - i) for i in range(steps)]


def polynomial(steps: int) -> list[float]:
    """The squares of the linear weights."""
    return [weight**2 for weight in linear(steps)]


def exponential(steps: int) -> list[float]:
    """Each step weighs 0.9 of the one before."""
    return [0.9**i for i in range(steps)]


def cosine(steps: int) -> list[float]:
    """From 1.1 down to 0.1 along half a cosine; a single step weighs 1."""
    if steps == 1:
        return [1.0]
    return [0.5 * (1 + math.cos(math.pi * i / (steps - 1))) + 0.1 for i in range(steps)]


SCHEDULES: Mapping[str, Callable[[int], list[float]]] = {
    "constant": constant,
    "linear": linear,
    "polynomial": polynomial,
    "exponential": exponential,
    "cosine": cosine,
}


def allocate(credits: Sequence[float], weights: Sequence[float], total: int) -> list[int]:
    """`total` tokens split in proportion to credit x weight, in whole tokens that add up to `total`.

    Every share is rounded down; the tokens left over go one each to the largest shares, of equal ones to the
    earlier. Raises ValueError when a share is negative or all are 0, or the lengths differ.
    """
    shares = [credit * weight for credit, weight in zip(credits, weights, strict=True)]
    whole = sum(shares)
    if not whole > 0 or min(shares) < 0:
        raise ValueError(f"shares must be at least 0 and not all 0: {shares}")
    # Multiplied before it is divided: 9 * 350 / 30 is 105, while 0.3 * 350 need not be.
    tokens = [math.floor(share * total / whole) for share in shares]
    largest_first = sorted(range(len(shares)), key=lambda i: -shares[i])
    for i in largest_first[: total - sum(tokens)]:
        tokens[i] += 1
    return tokens


def closed_form(scales: Sequence[float], decays: Sequence[float], total: float) -> list[float]:
    """BAM as published: b_j proportional to (c_j beta_j)^(1 / (beta_j + 1)).

    `scales` are the c_j and `decays` the beta_j of an uncertainty c_j / b^beta_j that is left after b tokens.
    This is the best split only where all beta are equal: `least_uncertainty` is the best one always.
    """
    roots = [(c * beta) ** (1 / (beta + 1)) for c, beta in zip(scales, decays, strict=True)]
    return [total * root / sum(roots) for root in roots]


def least_uncertainty(scales: Sequence[float], decays: Sequence[float], total: float) -> list[float]:
    """BAM solved: the b_j >= 0 that sum to `total` and make sum_j c_j / b_j^beta_j the least.

    At the minimum b_j = (beta_j c_j / mu)^(1 / (beta_j + 1)) for one common mu, which is found by bisection.
    All of `scales`, `decays` and `total` must be positive.
    """
    pairs = list(zip(scales, decays, strict=True))

    def split(log_mu: float) -> list[float]:
        return [math.exp((math.log(beta * c) - log_mu) / (beta + 1)) for c, beta in pairs]

    def log_mu_of(budget: float) -> float:
        """The mu at which no step has more than `budget`, and one has as much."""
        return max(math.log(beta * c) - (beta + 1) * math.log(budget) for c, beta in pairs)

    low, high = log_mu_of(total), log_mu_of(total / len(pairs))
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(split(middle)) > total else (low, middle)
    return split((low + high) / 2)
