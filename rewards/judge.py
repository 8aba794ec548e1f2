"""Judging in bulk: groups of rollouts for the trainer, plain answers for authors and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from rewards.pool import WorkerPool
from rewards.types import RewardResult, ScoredGroup
from rollout.types import Answer, Group, Task

Terms: TypeAlias = str | Sequence[str | tuple[str, float] | Mapping[str, Any]]
"""One reward's name, or several as names, (name, weight) or {"name": …, "weight": …}; weight 1 if unsaid."""


class PoolJudge:
    """Judges every answer of every group in killable worker processes (`rl.ports.Judge`).

    Raises what `rewards.pool.WorkerPool` raises; close it, or use it in a `with`.
    """

    def __init__(self, terms: Terms, *, workers: int = 2, timeout_s: float = 10.0) -> None:
        self._pool = WorkerPool(weighted(terms), workers=workers, timeout_s=timeout_s)

    def score(self, groups: Sequence[Group]) -> list[ScoredGroup]:
        """The groups with `results[G][S][A]`, in order."""
        pairs = [
            (group.task, answer)
            for group in groups
            for rollout in group.rollouts
            for answers in rollout.answers
            for answer in answers
        ]
        verdicts = iter(self._pool.judge(pairs))
        return [
            ScoredGroup(
                group,
                tuple(
                    tuple(tuple(next(verdicts) for _ in answers) for answers in rollout.answers)
                    for rollout in group.rollouts
                ),
            )
            for group in groups
        ]

    def close(self) -> None:
        self._pool.close()

    def __enter__(self) -> PoolJudge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def score(
    terms: Terms,
    tasks: Sequence[Task],
    answers: Sequence[Answer],
    timeout_s: float = 10.0,
    workers: int = 2,
) -> list[RewardResult]:
    """The verdict on each answer to the task beside it, isolated and timed out as in training.

    Raises ValueError when the lengths differ or a reward cannot be loaded.
    """
    if len(tasks) != len(answers):
        raise ValueError(f"{len(tasks)} tasks but {len(answers)} answers")
    with WorkerPool(weighted(terms), workers=min(workers, max(1, len(answers))), timeout_s=timeout_s) as pool:
        return pool.judge(list(zip(tasks, answers, strict=True)))


def weighted(terms: Terms) -> tuple[tuple[str, float], ...]:
    """Terms as (name, weight) pairs. Raises TypeError for a function: only its name can travel."""
    return tuple(_pair(term) for term in ([terms] if isinstance(terms, str) else terms))


def _pair(term: str | tuple[str, float] | Mapping[str, Any]) -> tuple[str, float]:
    match term:
        case str():
            return term, 1.0
        case (str() as name, int() | float() as weight):
            return name, float(weight)
        case {"name": str() as name, **rest} if not rest.keys() - {"weight"}:
            return name, float(rest.get("weight", 1.0))
        case _:
            raise TypeError(f"a reward is named, with or without a weight, not {term!r}: it runs in another process")
