"""From the rewards of a group to advantages: what one rollout was worth against its siblings (pure).

NaN marks a member without a verdict: it leaves the mean and the spread, and stays NaN in the result. A member
without a judged sibling has advantage 0: there is nothing to compare it with. (Keeping A = R there, as some
trainers do, would reinforce whatever was sampled.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rewards.types import ScoredGroup
from rl.types import Array


def rewards_of(scored: ScoredGroup) -> Array:
    """The rewards [G, S, A] of a group, NaN where there was no verdict (a timeout, an error)."""
    return np.array(
        [
            [[result.value if result.status.judged else np.nan for result in results_A] for results_A in results_SA]
            for results_SA in scored.results
        ],
        dtype=np.float64,
    )


def group_relative(rewards_G: ArrayLike) -> Array:
    """How much better than the group's mean: A = r - mean, without scaling.

    Equal rewards give exactly 0, whatever their size. Dr. GRPO (arXiv 2503.20783, section 3).
    """
    reward_G = np.asarray(rewards_G, dtype=np.float64)
    judged_K = reward_G[~np.isnan(reward_G)]
    if judged_K.size == 0:
        return reward_G.copy()
    # Measured from one of them, so that rounding in the mean cannot leave a signal in equal rewards.
    return (reward_G - judged_K[0]) - (judged_K - judged_K[0]).mean()


def group_standardized(rewards_G: ArrayLike, *, ddof: int = 1, eps: float = 1e-6) -> Array:
    """The relative reward in units of the group's spread: A = (r - mean) / (std + eps).

    `ddof` 1 is the unbiased standard deviation of the released trainers, 0 the population's. Without
    spread all are 0. GRPO (arXiv 2402.03300, section 4.1).
    """
    centred_G = group_relative(rewards_G)
    freedom = np.count_nonzero(~np.isnan(centred_G)) - ddof
    spread = np.sqrt(np.nansum(centred_G**2) / freedom) if freedom > 0 else 0.0
    return centred_G / (spread + eps) if spread > 0 else centred_G


def leave_one_out(rewards_G: ArrayLike) -> Array:
    """Against the mean of the others: A_i = r_i - mean of r_j over j != i = K / (K - 1) * (r_i - mean).

    K counts the judged members. RLOO (Kool et al. 2019; arXiv 2402.14740).
    """
    centred_G = group_relative(rewards_G)
    judged = np.count_nonzero(~np.isnan(centred_G))
    return centred_G * (judged / (judged - 1)) if judged > 1 else centred_G
