"""BRPO's credit written slowly from the paper's words, one number at a time, with its indices j = 1 .. m."""

from __future__ import annotations

from statistics import mean


def thought_credit(scores, probs, decay, baseline):
    """Credit [G][m] of the tokens between two budgets, from the mean score r_j at each budget [G][m]."""
    group, m = len(scores), len(probs)
    credit = [[0.0] * m for _ in range(group)]
    for g in range(group):
        for j_t in range(1, m + 1):
            later = range(j_t, m + 1)
            returns = [sum(probs[j - 1] * scores[i][j - 1] for j in later) for i in range(group)]
            weights = {j: decay ** (j_t - j) for j in range(1, j_t)}
            v1 = 0.0
            if weights:
                before = sum(weight * scores[g][j - 1] for j, weight in weights.items()) / sum(weights.values())
                v1 = before * sum(probs[j - 1] for j in later)
            v2 = sum(returns) / group
            mix = (j_t - 1) / m * v1 + (m - j_t + 1) / m * v2
            credit[g][j_t - 1] = returns[g] - {"mix": mix, "v1": v1, "v2": v2, "none": 0.0}[baseline]
    return credit


def answer_credit(rewards, lengths):
    """Credit [G][m][A] of answers: against those to the same prefix, or the group's where A = 1."""

    def baseline(g, s):
        if len(rewards[g][s]) == 1:
            return mean(rewards_SA[s][0] for rewards_SA in rewards)
        same = [t for t, length in enumerate(lengths[g]) if length == lengths[g][s]]
        return mean(reward for t in same for reward in rewards[g][t])

    return [
        [[reward - baseline(g, s) for reward in rewards_A] for s, rewards_A in enumerate(rewards_SA)]
        for g, rewards_SA in enumerate(rewards)
    ]
