"""The verdicts of an evaluation as aligned arrays: what every number is computed from.

Axis letters: N problems, G samples of each, S budgets in ascending order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rewards.types import Status
from rl.evaluation.records import Problem, Verdict
from rl.types import Array
from rollout.types import Finish

Flags: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]
Strings: TypeAlias = NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Everything that was judged, one entry of each array for one answer.

    `judged` is false where the verdict was excluded (a timeout, an error); such an answer is neither right nor
    unparsable. `forced`, `truncated` and `empty` say how thought and answer ended, whatever the verdict. `spent`
    counts the tokens that an answer needs when it is given alone. `final` is what a vote counts, empty where none can
    be read; `confidence` is NaN where it is not known. `sampled` counts the tokens of a sample at all budgets together.
    """

    ids: tuple[str, ...]
    levels: tuple[str, ...]
    budgets_S: Ints
    right_NGS: Flags
    judged_NGS: Flags
    unparsable_NGS: Flags
    forced_NGS: Flags
    truncated_NGS: Flags
    empty_NGS: Flags
    value_NGS: Array
    thinking_NGS: Ints
    answer_NGS: Ints
    spent_NGS: Ints
    final_NGS: Strings
    confidence_NGS: Array
    sampled_NG: Ints

    @property
    def right_NS(self) -> Array:
        """How many samples of a problem are right."""
        return self.right_NGS.sum(axis=1, dtype=np.float64)

    @property
    def judged_NS(self) -> Array:
        """How many samples of a problem have a verdict."""
        return self.judged_NGS.sum(axis=1, dtype=np.float64)


def gather(problems: Sequence[Problem]) -> Outcomes:
    """The verdicts of these problems in the order of their ids, so that it does not matter which was finished first.

    Raises ValueError naming the problem when one has other budgets or another number of samples than the first,
    or budgets that do not ascend from 1 or more; and when there is no problem at all.
    """
    samples, budgets = shape_of(problems)
    problems = sorted(problems, key=lambda problem: problem.id)
    trials = [trial for problem in problems for trial in problem.trials]
    verdicts = [verdict for trial in trials for verdict in trial.verdicts]

    def each(value: Callable[[Verdict], object], dtype: DTypeLike) -> NDArray[Any]:
        return np.array([value(v) for v in verdicts], dtype).reshape(len(problems), samples, len(budgets))

    return Outcomes(
        ids=tuple(problem.id for problem in problems),
        levels=tuple(problem.level for problem in problems),
        budgets_S=np.array(budgets, np.int64),
        right_NGS=each(lambda v: v.status is Status.OK, np.bool_),
        judged_NGS=each(lambda v: v.status.judged, np.bool_),
        unparsable_NGS=each(lambda v: v.status is Status.UNPARSABLE, np.bool_),
        forced_NGS=each(lambda v: v.forced, np.bool_),
        truncated_NGS=each(lambda v: v.finish is Finish.LENGTH, np.bool_),
        empty_NGS=each(lambda v: v.finish is Finish.EMPTY, np.bool_),
        value_NGS=each(lambda v: v.value, np.float64),
        thinking_NGS=each(lambda v: v.thinking_tokens, np.int64),
        answer_NGS=each(lambda v: v.answer_tokens, np.int64),
        spent_NGS=each(lambda v: v.spent, np.int64),
        final_NGS=each(lambda v: v.final, np.object_),
        confidence_NGS=each(lambda v: np.nan if v.confidence is None else v.confidence, np.float64),
        sampled_NG=np.array([trial.sampled for trial in trials], np.int64).reshape(len(problems), samples),
    )


def shape_of(problems: Sequence[Problem]) -> tuple[int, tuple[int, ...]]:
    """The number of samples G and the budgets [S] that all problems share. Raises ValueError as `gather` does."""
    if not problems or not problems[0].trials:
        raise ValueError("an evaluation needs at least one problem with at least one sample")
    first = problems[0]
    samples, budgets = len(first.trials), budgets_of(first.trials[0].verdicts)
    if not budgets or budgets[0] < 1 or any(b <= a for a, b in pairwise(budgets)):
        raise ValueError(f"problem {first.id}: budgets must ascend from 1 or more, not {budgets}")
    for problem in problems:
        if len(problem.trials) != samples:
            raise ValueError(f"problem {problem.id} has {len(problem.trials)} samples, {first.id} has {samples}")
        for trial in problem.trials:
            if budgets_of(trial.verdicts) != budgets:
                found = budgets_of(trial.verdicts)
                raise ValueError(f"problem {problem.id} was judged at budgets {found}, {first.id} at {budgets}")
    return samples, budgets


def budgets_of(verdicts: Sequence[Verdict]) -> tuple[int, ...]:
    """The budget of each verdict."""
    return tuple(verdict.budget for verdict in verdicts)
