"""How far other problems of the same kind could move a number: bootstrap over problems (pure).

A draw takes N of the N problems with replacement, each with all of its samples and budgets, so that what the answers
to one problem share is respected. An accuracy is right / judged answers of a draw; an interval is the 2.5th and 97.5th
percentile over the draws, widened to include the measured number where that lies outside.

Where no draw differs from another (one problem, or all answered alike) the percentiles would claim certainty. Then
`unseen` takes their place: the problems of which N have shown none.

Axis letters: B draws, N problems, S budgets, or any other numbers of the same problems.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rl.types import Array

DRAWS = 2000
SEED = 0
"""Of the resampling: the same answers give the same interval."""
LEVEL, PERCENTILES = 0.95, (2.5, 97.5)
Z = 1.959963984540054
"""97.5th percentile of the normal distribution."""
BLOCK = 8_000_000
"""Counts that are held at once: 64 MB."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number, and where 95 % of its resampled values lie."""

    mean: float
    low: float
    high: float


def around(mean: float, values_B: Array) -> Interval:
    """The percentile interval of resampled values; NaN marks a draw without one. Includes `mean`, always."""
    low, high = np.percentile(values_B[~np.isnan(values_B)], PERCENTILES)
    return Interval(mean, min(float(low), mean), max(float(high), mean))


def unseen(mean: float, problems: int, lowest: float, highest: float) -> Interval:
    """An interval where all problems scored the same `mean`, between `lowest` and `highest` possible scores.

    Problems unlike any of the N that were seen may still be a share of z² / (N + z²), which is Wilson's upper bound for
    0 of N, and may score anything. Of accuracies 0 and 1 it is Wilson's interval.
    """
    share = Z**2 / (problems + Z**2)
    return Interval(mean, mean - share * (mean - lowest), mean + share * (highest - mean))


def interval(mean: float, values_B: Array, problems: int, *, lowest: float = 0.0, highest: float = 1.0) -> Interval:
    """What `problems` problems say about a number that lies between `lowest` and `highest`.

    `mean` is the number as measured, `values_B` as resampled (NaN: not to be had from that draw). Without any problem
    it may be anything.
    """
    if problems == 0:
        return Interval(mean, lowest, highest)
    spread = np.nanmax(values_B) - np.nanmin(values_B)
    return around(mean, values_B) if spread > 1e-12 else unseen(mean, problems, lowest, highest)


def ratio(above: Array, below: Array) -> Array:
    """above / below, NaN where there is nothing below."""
    return np.divide(above, below, out=np.full(np.broadcast_shapes(above.shape, below.shape), np.nan), where=below > 0)


def counts(problems: int, draws: int = DRAWS, seed: int = SEED) -> Iterator[Array]:
    """How often each problem is in each draw [B, N], in blocks of some draws."""
    rng = np.random.default_rng(seed)
    most = max(1, BLOCK // problems)
    for start in range(0, draws, most):
        rows = min(most, draws - start)
        place_BN = rng.integers(problems, size=(rows, problems)) + problems * np.arange(rows)[:, None]
        flat = np.bincount(place_BN.ravel(), minlength=rows * problems)
        yield flat.reshape(rows, problems).astype(np.float64)


def resampled(above_NS: Array, below_NS: Array, draws: int = DRAWS, seed: int = SEED) -> Array:
    """Σ above / Σ below over the problems of each draw [B, S], NaN where a draw has nothing below.

    The same draws for the same number of problems: two calls may be compared draw by draw.
    """
    blocks = [ratio(count_BN @ above_NS, count_BN @ below_NS) for count_BN in counts(len(above_NS), draws, seed)]
    return np.concatenate(blocks)


def accuracy_intervals(right_NS: Array, judged_NS: Array) -> list[Interval]:
    """Right / judged answers at each budget [S]; from the numbers of each problem. Without verdicts NaN in [0, 1]."""
    accuracy_S = ratio(right_NS.sum(axis=0), judged_NS.sum(axis=0))
    problems_S = np.count_nonzero(judged_NS, axis=0)
    values_BS = resampled(right_NS, judged_NS)
    return [interval(float(accuracy_S[s]), values_BS[:, s], int(problems_S[s])) for s in range(len(accuracy_S))]


def mean_interval(right_NS: Array, judged_NS: Array) -> Interval:
    """The mean over budgets of right / judged answers. NaN in [0, 1] when some budget has no verdict."""
    accuracy_S = ratio(right_NS.sum(axis=0), judged_NS.sum(axis=0))
    problems = int(np.count_nonzero(judged_NS, axis=0).min())
    return interval(float(accuracy_S.mean()), resampled(right_NS, judged_NS).mean(axis=1), problems)
