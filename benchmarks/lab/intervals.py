"""Means with 95 % intervals over seeds and problems (pure): the hierarchical bootstrap.

Arrays are [K, N]: K seeds, and N problems of each seed, which need not be the same problems. A draw takes K seeds
with replacement, and for each of them N of its problems with replacement, so that an interval speaks of other
seeds and other problems alike. With the few seeds of the laboratory it is narrower than the truth: three seeds
know little about a fourth. Two arms are compared problem by problem, on the same seeds and problems. One model's
evaluation has problems only, and answers without a verdict: that is `rl.evaluation.intervals`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rl.evaluation.intervals import Interval, around
from rl.types import Array

DRAWS = 4000
SEED = 0
"""Of the resampling: the same numbers give the same table."""


def resampled(values_KN: Array, choose: Callable[[int, tuple[int, ...]], NDArray[np.int64]], draws: int) -> Array:
    """The means [B] of so many hierarchical draws; `choose(n, shape)` gives numbers below n."""
    seeds, problems = values_KN.shape
    seed_BK = choose(seeds, (draws, seeds))
    problem_BKN = choose(problems, (draws, seeds, problems))
    return values_KN[seed_BK[:, :, None], problem_BKN].mean(axis=(1, 2))


def interval(values_KN: ArrayLike) -> Interval:
    """The mean and where it would lie with other seeds and problems. Raises ValueError unless there are some."""
    values = _matrix(values_KN)
    means_B = resampled(values, _chooser(), DRAWS)
    return around(float(values.mean()), means_B)


def difference(one_KN: ArrayLike, other_KN: ArrayLike) -> Interval:
    """`one` less `other`, paired. Raises ValueError when they are not of the same seeds and problems."""
    one, other = _pair(one_KN, other_KN)
    return interval(one - other)


def ratio(one_KN: ArrayLike, other_KN: ArrayLike) -> Interval:
    """The mean of `one` over the mean of `other`, both of the same draws. Raises ValueError as `difference` does."""
    one, other = _pair(one_KN, other_KN)
    above_B, below_B = resampled(one, _chooser(), DRAWS), resampled(other, _chooser(), DRAWS)
    return around(float(one.mean() / other.mean()), above_B / below_B)


def _chooser() -> Callable[[int, tuple[int, ...]], NDArray[np.int64]]:
    rng = np.random.default_rng(SEED)
    return lambda n, shape: rng.integers(n, size=shape)


def _matrix(values_KN: ArrayLike) -> Array:
    values = np.asarray(values_KN, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"expected values of seeds and problems, got an array of shape {values.shape}")
    return values


def _pair(one_KN: ArrayLike, other_KN: ArrayLike) -> tuple[Array, Array]:
    one, other = _matrix(one_KN), _matrix(other_KN)
    if one.shape != other.shape:
        raise ValueError(f"arms are compared on the same seeds and problems, not {one.shape} and {other.shape}")
    return one, other
