"""GRPO's advantage as curriculum GRPO writes it (pure)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rl.advantages.outcome import group_relative
from rl.types import Array


def group_population(rewards_G: ArrayLike, *, eps: float = 1e-6) -> Array:
    """A = (r - mean) / sqrt(variance + eps), with the population's variance and `eps` inside the root.

    NaN marks a member without a verdict, as in `rl.advantages.outcome`. Equal rewards give 0.
    Train Long, Think Short (arXiv 2508.08940, section 3).
    """
    centred_G = group_relative(rewards_G)
    judged_K = centred_G[~np.isnan(centred_G)]
    return centred_G / np.sqrt((judged_K**2).mean() + eps) if judged_K.any() else centred_G
