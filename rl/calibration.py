"""From an effort that was asked for to what it does, and back (pure): calibration after e1 training.

On held-out problems, tokens and accuracy are measured at a grid of efforts. A user then asks for a share of the
full tokens (or of the full accuracy), and gets the effort that gave it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rl.types import Array


def monotone(values_N: ArrayLike) -> Array:
    """The non-decreasing sequence nearest to the values in squares: isotonic regression.

    Neighbours that fall are pooled into their mean until none fall. What training has not ordered, and noise,
    becomes a plateau; values that already rise are left as they are.
    """
    pools: list[tuple[float, int]] = []  # mean and size of each pool
    for value in np.asarray(values_N, dtype=np.float64).tolist():
        mean, size = value, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        pools.append((mean, size))
    return np.array([mean for mean, size in pools for _ in range(size)])


def relative_curve(values_N: ArrayLike) -> Array:
    """Values at ascending efforts as shares of that at the largest one, made non-decreasing: the last is 1.

    Raises ValueError when there is nothing to be a share of.
    """
    curve_N = monotone(values_N)
    if not (curve_N.size and np.isfinite(curve_N).all() and curve_N[-1] > 0):
        raise ValueError(f"measures must be numbers, the last of them positive: {np.asarray(values_N).tolist()}")
    return curve_N / curve_N[-1]


def effort_for(share: float, efforts_N: ArrayLike, curve_N: ArrayLike) -> float:
    """The smallest effort at which a relative curve reaches `share`, in straight lines between the grid's points.

    A share below or above all that was measured gets the first or the last effort: nothing is extrapolated. Raises
    ValueError unless efforts ascend and the curve does not fall.
    """
    effort_N, shares_N = np.asarray(efforts_N, dtype=np.float64), np.asarray(curve_N, dtype=np.float64)
    if not (effort_N.size == shares_N.size > 0 and np.all(np.diff(effort_N) > 0) and np.all(np.diff(shares_N) >= 0)):
        raise ValueError(f"efforts must ascend and the curve must not fall: {effort_N.tolist()}, {shares_N.tolist()}")
    above = int(np.searchsorted(shares_N, share, side="left"))
    if above == 0 or above == shares_N.size:
        return float(effort_N[min(above, shares_N.size - 1)])
    ends = slice(above - 1, above + 1)  # the curve rises here: a plateau lies wholly before or behind
    return float(np.interp(share, shares_N[ends], effort_N[ends]))
