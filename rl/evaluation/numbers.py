"""The numbers of an evaluation, each from arrays alone (pure, float64).

NaN means that there is nothing to compute a number from. Accuracies are shares in [0, 1] unless a name says percent.
Axis letters: N problems, S budgets in ascending order, K single answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rl.evaluation.intervals import ratio
from rl.types import Array

SLACK = 500
"""Tokens above a budget that a soft violation forgives (L1)."""


def mean_known(values_NS: Array) -> Array:
    """The mean over problems [S] of what is known; NaN where nothing is."""
    known_NS = ~np.isnan(values_NS)
    return ratio(np.where(known_NS, values_NS, 0.0).sum(axis=0), known_NS.sum(axis=0, dtype=np.float64))


def pass_at_k(right_NS: Array, judged_NS: Array, k: int) -> Array:
    """The chance that of k samples drawn from a problem's judged ones at least one is right [N, S].

    1 - C(n - c, k) / C(n, k) with n judged and c right samples, as a product of shares, so that nothing overflows.
    NaN where fewer than k were judged: the estimate would be biased. Codex (arXiv 2107.03374, section 2.1).
    """
    wrong_NS = judged_NS - right_NS
    missed_NS = np.ones_like(judged_NS)
    for drawn in range(k):
        missed_NS *= ratio(np.maximum(wrong_NS - drawn, 0.0), judged_NS - drawn)
    return np.where(judged_NS >= k, 1.0 - missed_NS, np.nan)


def ks(samples: int) -> list[int]:
    """For which k pass@k is told: the powers of two up to the number of samples, and that number."""
    return sorted({1 << power for power in range(samples.bit_length())} | {samples})


def area(budgets_S: ArrayLike, accuracy_S: ArrayLike) -> float:
    """The mean accuracy over the logarithm of the budget: trapezoids, divided by the range.

    Doubling a small budget counts as much as doubling a large one. Of a single budget: its accuracy.
    """
    log_S, right_S = np.log(np.asarray(budgets_S, np.float64)), np.asarray(accuracy_S, np.float64)
    return float(np.trapezoid(right_S, log_S) / (log_S[-1] - log_S[0])) if len(log_S) > 1 else float(right_S[0])


def e3(accuracy_percent: float, tokens: float) -> float:
    """E³ = A² / T: accuracy in percent (0 to 100) times accuracy per token, T the mean tokens of a query.

    It prefers the shortest answers even at a loss of accuracy: never quote it alone.
    Plan-and-Budget (arXiv 2505.16122).
    """
    return accuracy_percent**2 / tokens if tokens > 0 else float("nan")


def control(used_S: ArrayLike, most_S: ArrayLike) -> float:
    """The share of budgets that the mean thought keeps to. s1 (arXiv 2501.19393, section 3.2)."""
    return float(np.mean(np.asarray(used_S) <= np.asarray(most_S)))


def scaling(used_S: ArrayLike, percent_S: ArrayLike) -> float:
    """Points of accuracy per 1,000 thinking tokens: the mean slope over all pairs of budgets.

    A pair with equally long mean thoughts has no slope and is left out; NaN when no pair is left.
    s1 (arXiv 2501.19393, section 3.2), which states no unit; this one fits its table.
    """
    used, percent = np.asarray(used_S, np.float64), np.asarray(percent_S, np.float64)
    a, b = np.triu_indices(len(used), 1)
    apart = used[a] != used[b]
    a, b = a[apart], b[apart]
    return float(np.mean((percent[b] - percent[a]) / (used[b] - used[a])) * 1000) if len(a) else float("nan")


def performance(percent_S: ArrayLike) -> float:
    """The best accuracy at any budget, in percent; NaN without budgets. s1 (arXiv 2501.19393, section 3.2)."""
    return float(np.max(percent_S)) if np.size(percent_S) else float("nan")


def token_efficiency(accuracy: float, tokens: float, base_accuracy: float, base_tokens: float) -> float:
    """Accuracy per token as a multiple of the base's: (A / T) / (A₀ / T₀). SwiReasoning (arXiv 2510.05069).

    The base is its own best: the paper compares with chain of thought where that is most accurate.
    """
    below = tokens * base_accuracy
    return accuracy * base_tokens / below if below > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class Adherence:
    """How thoughts keep to the number of tokens that they were asked for; errors are shares of that number."""

    mean_error: float
    relative_rmse: float
    soft_violation: float
    hard_violation: float


def adherence(used_K: ArrayLike, requested: float) -> Adherence:
    """Mean error (E[n] - b) / b, root mean square error / b, and how often n > b + 500 and n > b.

    L1 (arXiv 2503.04697). Shorter thoughts count as errors there, though a limit does not ask for its full use.
    """
    used = np.asarray(used_K, np.float64)
    over = used - requested
    return Adherence(
        mean_error=float(over.mean() / requested),
        relative_rmse=float(np.sqrt(np.mean(over**2)) / requested),
        soft_violation=float(np.mean(over > SLACK)),
        hard_violation=float(np.mean(over > 0)),
    )
