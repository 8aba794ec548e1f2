"""What became of an answer, in one word, and how that changes along the budgets of a trial (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import combinations

from rewards.types import Status
from rl.evaluation.records import Problem, Trial, Verdict
from rollout.types import Finish


class Outcome(StrEnum):
    """Each verdict has exactly one."""

    CORRECT = "correct"
    WRONG = "wrong"
    NONE = "no answer"  # none could be read, or none was given
    CUT = "cut"  # the answer used up its allowance and is not right
    EXCLUDED = "excluded"  # no verdict: the judge timed out or failed


def outcome(verdict: Verdict) -> Outcome:
    """What became of one answer."""
    if verdict.status is Status.OK:
        return Outcome.CORRECT
    if not verdict.status.judged:
        return Outcome.EXCLUDED
    if verdict.finish is Finish.LENGTH:
        return Outcome.CUT
    return Outcome.WRONG if verdict.status is Status.WRONG else Outcome.NONE


def _pairs(trial: Trial) -> set[tuple[bool, bool]]:
    """Right or not at a budget and at any larger one; answers without a verdict do not count."""
    judged = (verdict.status is Status.OK for verdict in trial.verdicts if verdict.status.judged)
    return set(combinations(judged, 2))


def right_early_wrong_late(trial: Trial) -> bool:
    """Over-thinking: right at some budget, and not at some larger one."""
    return (True, False) in _pairs(trial)


def wrong_early_right_late(trial: Trial) -> bool:
    """Under-thinking at the smaller budget: not right at some budget, and right at some larger one."""
    return (False, True) in _pairs(trial)


def at_budget(problems: Sequence[Problem], budget: int) -> list[Verdict]:
    """The verdicts of every trial at one budget."""
    return [
        verdict
        for problem in problems
        for trial in problem.trials
        for verdict in trial.verdicts
        if verdict.budget == budget
    ]


def shares(verdicts: Sequence[Verdict]) -> dict[Outcome, float]:
    """The share of each outcome, in the order of `Outcome`. Raises ZeroDivisionError without verdicts."""
    found = [outcome(verdict) for verdict in verdicts]
    return {kind: found.count(kind) / len(found) for kind in Outcome}
