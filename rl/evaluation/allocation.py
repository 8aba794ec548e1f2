"""Which budget which problem needs: over- and under-thinking, regret, the budget that is enough, strata (pure).

The answers of a trial at several budgets follow cuts of one thought, but are sampled one by one: a part of every turn
below is chance, and some remains for a model that does not think at all. NaN means that there is nothing to compute.
Axis letters: N problems, G samples, S budgets in ascending order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rl.evaluation.arrays import Flags, Ints
from rl.evaluation.intervals import ratio
from rl.types import Array


@dataclass(frozen=True, slots=True)
class Turns:
    """How often verdicts turn, at each budget [S] and overall."""

    share_S: Array
    overall: float


def overthinking(right_NGS: Flags, judged_NGS: Flags) -> Turns:
    """Right, and wrong at a later budget: thinking on did harm.

    At a budget: the share of the answers there, among those judged both there and at some larger budget, that are
    right while one of their own trial at some larger budget is not. Overall: the share of the trials judged at two
    budgets or more that turn so anywhere. The largest budget has nothing later: NaN.
    """
    return turned(right_NGS, judged_NGS & ~right_NGS, judged_NGS)


def underthinking(right_NGS: Flags, judged_NGS: Flags) -> Turns:
    """Not right, and right at a later budget: the thought was cut too early. Shares as of `overthinking`."""
    return turned(judged_NGS & ~right_NGS, right_NGS, judged_NGS)


def turned(before_NGS: Flags, after_NGS: Flags, judged_NGS: Flags) -> Turns:
    """How often `before` is followed by `after` at any larger budget of the same trial."""
    turns_NGS = before_NGS & later(after_NGS)
    among_NGS = judged_NGS & later(judged_NGS)
    share_S = ratio(turns_NGS.sum(axis=(0, 1), dtype=np.float64), among_NGS.sum(axis=(0, 1), dtype=np.float64))
    trials = int(among_NGS.any(axis=2).sum())
    return Turns(share_S, float(turns_NGS.any(axis=2).sum() / trials) if trials else float("nan"))


def later(flags_NGS: Flags) -> Flags:
    """Whether the flag is up at any larger budget."""
    from_here_on = np.logical_or.accumulate(flags_NGS[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([from_here_on[..., 1:], np.zeros_like(flags_NGS[..., :1])], axis=-1)


@dataclass(frozen=True, slots=True)
class Regret:
    """What one budget for all problems loses against the best budget of each, in accuracy.

    `oracle` is the mean over problems of their best accuracy at any budget, `loss_S` the oracle less the accuracy at
    each budget, over the `problems` that were judged at every budget.
    """

    oracle: float
    loss_S: Array
    problems: int


def regret(right_NS: Array, judged_NS: Array) -> Regret:
    """Regret against the per-problem best budget; the best single budget has the least loss.

    The maximum of noisy accuracies is too high, so with few samples the oracle is a bound from above and part of the
    loss is chance: a problem that is right half the time everywhere has one too.
    """
    mean_NS = ratio(right_NS, judged_NS)
    complete_NS = mean_NS[~np.isnan(mean_NS).any(axis=1)]
    if not len(complete_NS):
        return Regret(float("nan"), np.full(mean_NS.shape[1:], np.nan), 0)
    best_N: Array = complete_NS.max(axis=1)
    return Regret(float(best_N.mean()), (best_N[:, None] - complete_NS).mean(axis=0), len(complete_NS))


def smallest_within(budgets_S: Ints, accuracy_S: Array, points: float) -> int | None:
    """The smallest budget whose accuracy is at most so many points (hundredths) below the best; None without any."""
    if np.isnan(accuracy_S).all():
        return None
    enough_S = accuracy_S >= np.nanmax(accuracy_S) - points / 100 - 1e-12
    return int(budgets_S[np.argmax(enough_S)])


@dataclass(frozen=True, slots=True)
class Stratum:
    """The problems of one level: how many, their accuracy and their judged answers at each budget [S]."""

    level: str
    problems: int
    accuracy_S: Array
    judged_S: Array


def strata(levels: Sequence[str], right_NS: Array, judged_NS: Array) -> list[Stratum]:
    """Accuracy by difficulty, levels in order, shorter names first (9 before 10). Empty when the data tell no level."""
    if not any(levels):
        return []
    level_N = np.array(levels, dtype=np.object_)
    return [
        stratum(level, right_NS[level_N == level], judged_NS[level_N == level])
        for level in sorted(set(levels), key=lambda level: (len(level), level))
    ]


def stratum(level: str, right_NS: Array, judged_NS: Array) -> Stratum:
    """The numbers of the problems of one level."""
    judged_S = judged_NS.sum(axis=0)
    return Stratum(level, len(right_NS), ratio(right_NS.sum(axis=0), judged_S), judged_S)
