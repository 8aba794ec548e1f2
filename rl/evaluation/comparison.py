"""Two evaluations of the same problems: paired differences with intervals (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl.evaluation.arrays import Ints, Outcomes, gather
from rl.evaluation.intervals import Interval, interval, ratio, resampled
from rl.evaluation.numbers import token_efficiency
from rl.evaluation.records import Problem
from rl.evaluation.summary import plain
from rl.types import Array


@dataclass(frozen=True, slots=True)
class Side:
    """One of two evaluations at the common budgets: right and judged samples of each problem, mean tokens spent."""

    right_NS: Array
    judged_NS: Array
    spent_S: Array

    @property
    def accuracy_S(self) -> Array:
        """Right / judged answers; NaN where nothing was judged."""
        return ratio(self.right_NS.sum(axis=0), self.judged_NS.sum(axis=0))


def compare(problems_a: Sequence[Problem], problems_b: Sequence[Problem]) -> dict[str, Any]:
    """What `a` is ahead of `b` by: accuracy differences at each common budget, and in the mean over them.

    Problems are matched by their ids and drawn together, so that what is hard for both leaves the difference; those
    of one side alone are counted. At a budget, a problem that lacks a verdict on one side leaves both. Accuracies are
    shares in [0, 1], differences lie in [-1, 1]; `token_efficiency` is A / T of `a` over that of `b` where `b` is most
    accurate, T being all tokens of an answer. Raises ValueError when an id stands twice in one of them, when they
    have no problem or no budget in common, when a problem differs, and as `gather` does.
    """
    a, b = by_id(problems_a), by_id(problems_b)
    common = a.keys() & b.keys()
    if not common:
        raise ValueError("the two evaluations have no problem in common: compare two of the same task")
    if other := [name for name in common if (a[name].prompt, a[name].gold) != (b[name].prompt, b[name].gold)]:
        raise ValueError(f"problem {min(other)} is another one in each of the evaluations: their data differ")
    one, other = gather([a[name] for name in common]), gather([b[name] for name in common])
    budgets_S, at_a, at_b = np.intersect1d(one.budgets_S, other.budgets_S, return_indices=True)
    if not len(budgets_S):
        raise ValueError(f"no budget in common: {one.budgets_S.tolist()} and {other.budgets_S.tolist()}")
    sides = paired(side(one, at_a), side(other, at_b))
    counts = {"n_problems": len(common), "only_a": len(a) - len(common), "only_b": len(b) - len(common)}
    return plain({**counts, **comparison(budgets_S, *sides)})


def by_id(problems: Sequence[Problem]) -> dict[str, Problem]:
    """The problems by their ids. Raises ValueError naming one that stands there twice."""
    found: dict[str, Problem] = {}
    for problem in problems:
        if problem.id in found:
            raise ValueError(f"problem {problem.id} stands twice in one evaluation")
        found[problem.id] = problem
    return found


def side(outcomes: Outcomes, at_S: Ints) -> Side:
    """What the comparison needs of an evaluation, at some of its budgets."""
    return Side(
        outcomes.right_NS[:, at_S], outcomes.judged_NS[:, at_S], outcomes.spent_NGS[..., at_S].mean(axis=(0, 1))
    )


def paired(a: Side, b: Side) -> tuple[Side, Side]:
    """Both without the problems that have no verdict on one of the sides, budget by budget."""
    both_NS = (a.judged_NS > 0) & (b.judged_NS > 0)
    return (
        Side(a.right_NS * both_NS, a.judged_NS * both_NS, a.spent_S),
        Side(b.right_NS * both_NS, b.judged_NS * both_NS, b.spent_S),
    )


def comparison(budgets_S: Ints, a: Side, b: Side) -> dict[str, Any]:
    """The differences at each budget and over all of them."""
    gains, anytime = differences(a, b)
    best = int(np.nanargmax(b.accuracy_S)) if not np.isnan(b.accuracy_S).all() else 0
    rows = [
        {
            "budget": budget,
            "accuracy_a": a.accuracy_S[s],
            "accuracy_b": b.accuracy_S[s],
            **named(gains[s]),
            "token_efficiency": token_efficiency(a.accuracy_S[s], a.spent_S[s], b.accuracy_S[best], b.spent_S[best]),
        }
        for s, budget in enumerate(budgets_S)
    ]
    return {"budgets": rows, "anytime": named(anytime)}


def named(gain: Interval) -> dict[str, float]:
    """An interval under the names of eval.json."""
    return {"difference": gain.mean, "ci_low": gain.low, "ci_high": gain.high}


def differences(a: Side, b: Side) -> tuple[list[Interval], Interval]:
    """Accuracy of `a` less that of `b`, at each budget [S] and in the mean over them; from the same draws."""
    gain_S = a.accuracy_S - b.accuracy_S
    gain_BS = resampled(a.right_NS, a.judged_NS) - resampled(b.right_NS, b.judged_NS)
    problems_S = np.count_nonzero(a.judged_NS, axis=0)
    at = [interval(float(gain_S[s]), gain_BS[:, s], int(problems_S[s]), lowest=-1.0) for s in range(len(gain_S))]
    return at, interval(float(gain_S.mean()), gain_BS.mean(axis=1), int(problems_S.min()), lowest=-1.0)
