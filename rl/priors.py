"""Priors over several thinking budgets: how much each of them counts (pure)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from rl.config_schema import suggest
from rollout.types import BudgetPrior


def _log_uniform(tokens_S: Sequence[int]) -> list[float]:
    ratios = [math.log(after / before) for before, after in pairwise(tokens_S)]
    return [*ratios[:1], *ratios] or [1.0]


WEIGHTS: dict[str, Callable[[Sequence[int]], Sequence[float]]] = {
    "uniform": lambda tokens_S: [1.0] * len(tokens_S),
    "linear": lambda tokens_S: tokens_S,
    "base": lambda tokens_S: [0.0] * (len(tokens_S) - 1) + [1.0],
    "log_uniform": _log_uniform,
}
"""Weights [S] of budgets [S], by the name of the prior."""


def weighted_prior(tokens: Sequence[int], weights: Sequence[float], kind: str) -> BudgetPrior:
    """Budgets [S], ascending, with probabilities in proportion to `weights` [S].

    Raises ValueError when there is nothing to normalise, and as `BudgetPrior` does.
    """
    total = sum(weights)
    if not 0 < total < math.inf:
        raise ValueError(f"weights of budgets must have a positive sum: {list(weights)}")
    return BudgetPrior(tuple(tokens), tuple(weight / total for weight in weights), kind)


def prior_over(tokens: Sequence[int], kind: str) -> BudgetPrior:
    """A named prior over budgets [S], ascending (AnytimeReasoner, arXiv 2505.13438, section 3).

    `uniform`; `linear`, in proportion to the budget; `base`, all on the largest; `log_uniform`, the mass of a density
    1/b between a budget and the one before it. The smallest has none before it and gets the mass of the second, as if
    the budgets went on below in their first ratio: on budgets that double, it is uniform. Raises ValueError for
    another kind, and as `BudgetPrior` does.
    """
    if kind not in WEIGHTS:
        known = f"; known here: {', '.join(WEIGHTS)}"
        raise ValueError(f"unknown prior {kind!r}{suggest(kind, [*WEIGHTS]) or known}")
    return weighted_prior(tokens, WEIGHTS[kind](tokens), kind)


def budgets_at(max_tokens: int, shares: Sequence[float]) -> list[int]:
    """Budgets [S] at shares of the largest, which ascend to 1, in whole tokens. Raises ValueError for other shares."""
    if list(shares) != sorted(set(shares)) or not shares or shares[0] <= 0 or shares[-1] != 1:
        raise ValueError(f"budgets as shares of the largest ascend from above 0 to 1, not {list(shares)}")
    return [math.floor(round(max_tokens * share, 6)) for share in shares]  # 100 * 0.29 is 28.999999999999996


def even_prior(max_tokens: int, num_budgets: int, kind: str) -> BudgetPrior:
    """A prior over budgets floor(max_tokens * j / num_budgets), j = 1 to num_budgets; `kind` as in `prior_over`.

    Raises ValueError when two of them would be the same or one would be 0: there are fewer tokens than budgets.
    """
    if not 1 <= num_budgets <= max_tokens:
        raise ValueError(f"{max_tokens} tokens cannot be divided into {num_budgets} different budgets of at least 1")
    return prior_over([max_tokens * j // num_budgets for j in range(1, num_budgets + 1)], kind)


def drawn(prior: BudgetPrior, draw: float) -> BudgetPrior:
    """One budget of the prior, by inverse CDF from `draw` in [0, 1), as a prior of its own.

    Everything but the budgets is kept; `kind` says that it was drawn. Raises ValueError for a draw outside [0, 1).
    """
    if not 0 <= draw < 1:
        raise ValueError(f"a draw must be in [0, 1), not {draw}")
    possible = [(tokens, prob) for tokens, prob in zip(prior.tokens, prior.probs, strict=True) if prob > 0]
    below = list(accumulate(prob for _, prob in possible))
    index = min(bisect_right(below, draw * below[-1]), len(possible) - 1)
    return replace(prior, tokens=(possible[index][0],), probs=(1.0,), kind=f"{prior.kind}/drawn")
