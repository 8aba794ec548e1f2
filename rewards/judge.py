"""Judging in bulk: groups of rollouts for the trainer, plain answers for authors and tests."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

from rewards.pool import WorkerPool
from rewards.standardize import SCOPES, standardized
from rewards.terms import Terms, terms_of
from rewards.types import RewardResult, ScoredGroup
from rollout.types import Answer, Group, Rollout, Task

_REMEMBERED = 1 << 16
"""Verdicts that a judge keeps, some 20 MB: forks that share an answer, and evaluations that see one again."""


class PoolJudge:
    """Judges every answer of every group in killable worker processes (`rl.ports.Judge`).

    The value of an answer is the weighted `sum` of its terms, or of their z-scores (`z_by_group`, `z_by_batch`; see
    `rewards.standardize`), or a formula over them (`rewards.formula`). An answer that was judged before, equal in all
    that a reward can see, is not judged again.
    Raises what `rewards.pool.WorkerPool` raises; close it, or use it in a `with`.
    """

    def __init__(
        self,
        terms: Terms,
        *,
        value: str = "sum",
        workers: int = 2,
        timeout_s: float = 10.0,
        memory_mib: int = 4096,
        startup_s: float = 120.0,
    ) -> None:
        formula = "" if value == "sum" or value in SCOPES else value
        self._pool = WorkerPool(
            terms, formula=formula, workers=workers, timeout_s=timeout_s, memory_mib=memory_mib, startup_s=startup_s
        )
        self._value, self._weights = value, {term.label: term.weight for term in terms_of(terms)}
        self._known: OrderedDict[bytes, RewardResult] = OrderedDict()

    def score(self, groups: Sequence[Group]) -> list[ScoredGroup]:
        """The groups with `results[G][S][A]`, in order."""
        pairs = [
            (group.task, self._whole(answer, rollout))
            for group in groups
            for rollout in group.rollouts
            for answers in rollout.answers
            for answer in answers
        ]
        verdicts = iter(self.judge(pairs))
        scored = [
            ScoredGroup(
                group,
                tuple(
                    tuple(tuple(next(verdicts) for _ in answers) for answers in rollout.answers)
                    for rollout in group.rollouts
                ),
            )
            for group in groups
        ]
        return standardized(scored, self._weights, self._value) if self._value in SCOPES else scored

    def judge(self, pairs: Sequence[tuple[Task, Answer]]) -> list[RewardResult]:
        """The verdict on each answer, in order."""
        keys = [blake2b(pickle.dumps(pair), digest_size=16).digest() for pair in pairs]
        new = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in self._known}
        fresh = dict(zip(new, self._pool.judge(list(new.values())), strict=True))
        results = [fresh[key] if key in fresh else self._known[key] for key in keys]
        self._known.update({key: result for key, result in fresh.items() if result.status.judged})
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return results

    def _whole(self, answer: Answer, rollout: Rollout) -> Answer:
        if not self._pool.reads_token_ids:
            return answer
        return replace(answer, thought_ids=rollout.token_ids[: answer.prefix_len])

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
    with WorkerPool(terms, workers=min(workers, max(1, len(answers))), timeout_s=timeout_s) as pool:
        return pool.judge(list(zip(tasks, answers, strict=True)))
