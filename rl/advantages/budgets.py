"""From scores at several budgets to advantages of stretches of a thought, and of the answers at its cuts (pure).

`scores_GS` are those of thoughts that were answered at S ascending budgets of weight P_s. The functions give
credit to segments: the tokens between budget s - 1 and budget s. What a segment led to are the answers at its
own budget and later, R_s = sum over j >= s of P_j r_j; they differ in the baseline alone. NaN is a budget
without a judged answer. A segment whose return or baseline needs that score is NaN, and the thought leaves the
group's mean where its return needs it; nothing is filled in. A budget of weight 0 is not needed by any return.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rl.advantages.outcome import group_relative
from rl.types import Array


def mean_scores(rewards_GSA: ArrayLike) -> Array:
    """r [G, S]: the mean over the judged answers at each budget, NaN where there is none."""
    return np.apply_along_axis(_judged_mean, -1, np.asarray(rewards_GSA, dtype=np.float64))


def _judged_mean(reward_A: Array) -> float:
    judged_K = reward_A[~np.isnan(reward_A)]
    # Measured from one of them: the mean of equal rewards is that reward, whatever rounding says.
    return judged_K[0] + (judged_K - judged_K[0]).mean() if judged_K.size else np.nan


def budget_return(scores_GS: ArrayLike, probs_S: ArrayLike) -> Array:
    """What each segment led to: R_s = sum over j >= s of P_j r_j (arXiv 2505.13438, equation 6)."""
    score_GS, prob_S = np.asarray(scores_GS, dtype=np.float64), np.asarray(probs_S, dtype=np.float64)
    weighted_GS = np.where(prob_S > 0, prob_S * score_GS, 0.0)
    return weighted_GS[:, ::-1].cumsum(axis=1)[:, ::-1]


def budget_progress(scores_GS: ArrayLike, probs_S: ArrayLike, *, decay: float = 0.5) -> Array:
    """R - V1: against what the same thought scored before. V1_s is the mean of the earlier scores r_j, of
    weight decay^(s - j), times the sum of P_j over j >= s; there is none for the first segment.
    """
    score_GS, prob_S = np.asarray(scores_GS, dtype=np.float64), np.asarray(probs_S, dtype=np.float64)
    progress_GS = budget_return(score_GS, prob_S)
    from_first_GS = score_GS - score_GS[:, :1]  # as in group_relative: equal scores are no progress at all
    for s in range(1, prob_S.size):
        weight_S = decay ** np.arange(s, 0, -1)
        earlier_G = from_first_GS[:, :s] @ weight_S / weight_S.sum()
        progress_GS[:, s] = budget_return(from_first_GS[:, s:] - earlier_G[:, None], prob_S[s:])[:, 0]
    return progress_GS


def budget_group_relative(scores_GS: ArrayLike, probs_S: ArrayLike) -> Array:
    """R - V2: against the group's mean return of the same segment, its own included."""
    return np.apply_along_axis(group_relative, 0, budget_return(scores_GS, probs_S))


def budget_relative(scores_GS: ArrayLike, probs_S: ArrayLike, *, decay: float = 0.5) -> Array:
    """R - V with V_s = s/S V1 + (S - s)/S V2, s from 0: the later a segment, the more its own past tells.

    With one budget it is `group_relative`. It is not 0 where all rollouts score alike but later budgets
    better than earlier ones. BRPO (arXiv 2505.13438, equations 6 to 9; `decay` from the released code).
    """
    progress_GS = budget_progress(scores_GS, probs_S, decay=decay)
    budgets = progress_GS.shape[1]
    own_S = np.arange(budgets, dtype=np.float64) / budgets
    return own_S * progress_GS + (1 - own_S) * budget_group_relative(scores_GS, probs_S)


def answer_relative(scores_GSA: ArrayLike, prefix_len_GS: ArrayLike) -> Array:
    """Credit [G, S, A] of answers: against all answers to the same prefix of the same thought.

    Budgets behind the end of a thought share its whole length, and so their answers one mean. Single
    answers (A = 1) have no siblings there and are compared with the group's at the same budget, as in GRPO.
    BRPO (arXiv 2505.13438, section 2.3; the rule for A = 1 from the released code).
    """
    score_GSA, length_GS = np.asarray(scores_GSA, dtype=np.float64), np.asarray(prefix_len_GS)
    if score_GSA.shape[-1] == 1:
        return np.apply_along_axis(group_relative, 0, score_GSA)
    relative_GSA = np.empty_like(score_GSA)
    for g, length_S in enumerate(length_GS):
        for length in np.unique(length_S):
            relative_GSA[g, length_S == length] = _all_relative(score_GSA[g, length_S == length])
    return relative_GSA


def _all_relative(scores_SA: Array) -> Array:
    return group_relative(scores_SA.ravel()).reshape(scores_SA.shape)
