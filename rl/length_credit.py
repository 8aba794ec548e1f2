"""What a length is worth beside those of its siblings (pure): the terms that need the whole group.

A member without a verdict, NaN in `correct_G`, leaves the comparison and gets NaN, as in `rl.advantages`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rewards.length import overlong
from rl.types import Array


def kimi_length(lengths_G: ArrayLike, correct_G: ArrayLike) -> Array:
    """0.5 for the shortest of the group down to -0.5 for the longest; a wrong answer gets no more than 0.

    The range is that of all members, right and wrong; where all are equally long every one gets 0.
    `correct_G` is 1, 0 or NaN. Kimi k1.5 (arXiv 2501.12599, section 2.3.3).
    """
    correct, length = _known(correct_G), np.asarray(lengths_G, dtype=np.float64)
    judged = length[~np.isnan(correct)]
    if judged.size == 0 or judged.min() == judged.max():
        return correct * 0
    rank_G = 0.5 - (length - judged.min()) / (judged.max() - judged.min())
    return np.where(np.isnan(correct), np.nan, np.where(correct > 0, rank_G, np.minimum(rank_G, 0)))


def difficulty_scaled(
    correct_G: ArrayLike,
    lengths_G: ArrayLike,
    truncated_G: ArrayLike,
    *,
    limit: int,
    buffer: int,
    gamma: float = 1.0,
    failure_scale: float = 1.0,
) -> Array:
    """DAPO's overlong punishment, which long answers are spared as far as their problem is hard.

    With a share s of right answers, a right one pays s^gamma of it and a wrong one `failure_scale`; one that
    was cut at the limit pays all of it. Beyond the limit it stays at -1. Raises ValueError for a buffer that
    is not positive. Apriel-Reasoner (arXiv 2604.02007), as in PipelineRL.
    """
    correct = _known(correct_G)
    judged = correct[~np.isnan(correct)]
    if judged.size == 0:
        return correct
    spared_G = np.where(correct > 0, judged.mean() ** gamma, failure_scale)
    scale_G = np.where(truncated_G, 1.0, spared_G)
    return np.where(np.isnan(correct), np.nan, scale_G * overlong(np.asarray(lengths_G), limit, buffer))


def mean_at_own_effort(lengths_G: Array, efforts_G: Array) -> Array:
    """For each member, the mean length [G] of those that were asked for the same effort.

    Members without a length (NaN) do not count; where none is left the mean is NaN.
    """
    return np.array([_mean(lengths_G[efforts_G == effort]) for effort in efforts_G])


def mean_at_largest_effort(lengths_G: Array, efforts_G: Array) -> Array:
    """For each member, the mean length [G] of those that were asked for the group's largest effort."""
    return np.full(len(lengths_G), _mean(lengths_G[efforts_G == efforts_G.max()]))


def mean_of_all(lengths_G: Array, efforts_G: Array) -> Array:
    """For each member, the mean length [G] of the whole group, whatever its efforts."""
    del efforts_G
    return np.full(len(lengths_G), _mean(lengths_G))


def _known(correct_G: ArrayLike) -> Array:
    return np.array(correct_G, dtype=np.float64)


def _mean(lengths: Array) -> float:
    known = lengths[~np.isnan(lengths)]
    return float(known.mean()) if known.size else np.nan
