"""The verdicts of an evaluation: gold answers first, and what to do when most answers have none."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from rewards.judge import PoolJudge
from rl.errors import BadInput, RunFailed
from rl.evaluation.card_tasks import level_of
from rl.evaluation.cards import TaskCard
from rl.evaluation.drafts import DraftTrial, problem_of
from rl.evaluation.records import Problem
from rl.evaluation.sampling import Source
from rl.judging import judge_of, unusable
from rollout.types import Task

ENOUGH = 32
"""Answers before which missing verdicts are no sign of a broken verifier."""


class TaskJudge:
    """The judge of a task, which has tried every gold answer before anything is sampled."""

    def __init__(self, card: TaskCard, tasks: Sequence[Task], workers: int, stack: ExitStack) -> None:
        self._card, self._tasks, self._workers, self._stack = card, tasks, workers, stack
        self._seen = self._lost = 0
        self._judge: PoolJudge | None = None
        self._blamed: set[str] = set()

    def open(self) -> None:
        """Start it and look at the gold answers, once. Those that the verifier cannot judge will be excluded, and
        counted: published data have a few. Raises BadInput when it is most of them: the column is then the wrong one.
        """
        if self._judge is not None:
            return
        card, tasks = self._card, self._tasks
        judge = judge_of(card.reward, workers=self._workers, deadline_s=card.deadline_s)
        self._judge = self._stack.enter_context(judge)
        blamed, looked_at = unusable(judge, tasks)
        shown = "".join(f"\n  {line}" for line in blamed[:5])
        if 2 * len(blamed) > looked_at:
            raise BadInput(f"{len(blamed)} of {looked_at} problems cannot be judged; is it the right column?{shown}")
        self._blamed = {task.id for task in tasks if any(line.startswith(f"task {task.id}:") for line in blamed)}
        if blamed:
            print(f"{len(blamed)} of {looked_at} problems cannot be judged and will count as excluded:{shown}")

    def problems(self, tasks: Sequence[Task], trials: Sequence[Sequence[DraftTrial]], source: Source) -> list[Problem]:
        """The records of a batch. Raises RunFailed when the verifier gives no verdict on most answers."""
        assert self._judge is not None, "opened before anything was sampled"
        found = judged_problems(self._judge, self._card, tasks, trials, source)
        verdicts = [v for p in found if p.id not in self._blamed for trial in p.trials for v in trial.verdicts]
        lost = [verdict for verdict in verdicts if not verdict.status.judged]
        self._seen, self._lost = self._seen + len(verdicts), self._lost + len(lost)
        if self._seen >= ENOUGH and 2 * self._lost > self._seen and lost:
            raise RunFailed(
                f"{self._lost} of {self._seen} answers have no verdict; the last: {lost[-1].status}: "
                f"{lost[-1].detail}. "
                "This batch is not kept: mend the verifier, or raise the task's deadline_s, and run this again"
            )
        return found


def judged_problems(
    judge: PoolJudge, card: TaskCard, tasks: Sequence[Task], trials: Sequence[Sequence[DraftTrial]], source: Source
) -> list[Problem]:
    """The records of a batch."""
    pairs = [
        (task, draft.answer)
        for task, trials_G in zip(tasks, trials, strict=True)
        for trial in trials_G
        for draft in trial.drafts
    ]
    results = iter(judge.judge(pairs))
    return [
        problem_of(
            task,
            level_of(card, task),
            trials_G,
            [next(results) for trial in trials_G for _ in trial.drafts],
            source.confidence,
        )
        for task, trials_G in zip(tasks, trials, strict=True)
    ]
