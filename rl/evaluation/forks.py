"""Whether answers at the cuts of one thought agree with answers of thoughts that were sampled under each budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rl.evaluation.comparison import compare
from rl.evaluation.records import Problem


def agreement(forked: Sequence[Problem], separate: Sequence[Problem]) -> dict[str, Any]:
    """Accuracy of the forks (a) less that of separate runs (b), paired over the problems of both, with intervals.

    Both are samples of the same distributions: an interval that excludes 0 says that the forks are not to be trusted.
    `tokens` compares what the engine sampled for both.
    """
    both = {problem.id for problem in separate}
    same = [problem for problem in forked if problem.id in both]
    spent = {name: sum(trial.sampled for p in some for trial in p.trials) for name, some in _named(same, separate)}
    return {**compare(same, separate), "tokens": spent}


def _named(forked: Sequence[Problem], separate: Sequence[Problem]) -> list[tuple[str, Sequence[Problem]]]:
    return [("forked", forked), ("separate", separate)]
