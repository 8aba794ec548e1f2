"""Judging in a run: starting it, the gold answers before anything else, and what to do when verdicts fail."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rewards.judge import PoolJudge
from rewards.terms import Term
from rewards.types import ScoredGroup
from rl.config import TermConfig, TrainConfig
from rl.errors import BadInput, RunFailed
from rollout.types import Answer, Task

EXCLUDED = "excluded.jsonl"
"""In the run folder: the answers without a verdict of the batch that stopped the run."""

_CHUNK, _PATIENCE_S = 512, 30.0
_log = logging.getLogger(__name__)


def terms_of(terms: Iterable[TermConfig]) -> list[Term]:
    return [Term(t.name, t.weight, t.params, t.sources, t.label) for t in terms]


def start_judge(config: TrainConfig) -> PoolJudge:
    """The judge of a run. Raises as `judge_of` does."""
    knobs = config.reward
    return judge_of(knobs.terms, value=knobs.value, workers=knobs.workers, deadline_s=knobs.deadline_s)


def judge_of(terms: Iterable[TermConfig], *, value: str = "sum", workers: int, deadline_s: float) -> PoolJudge:
    """Raises BadInput for a reward that does not load or cannot take its parameters."""
    try:
        return PoolJudge(terms_of(terms), value=value, workers=workers, timeout_s=deadline_s)
    except (ValueError, TypeError) as error:
        raise BadInput(f"reward: {error}") from error


def check_tasks(judge: PoolJudge, tasks: Sequence[Task], *, patience_s: float = _PATIENCE_S) -> None:
    """Raises BadInput naming the tasks whose gold answer or other columns a reward cannot use.

    Every task is judged with an empty answer; a detail that begins with `task <id>:` blames the task. Rewards that
    are slow even then are asked about as many tasks as `patience_s` allows.
    """
    blamed, done = unusable(judge, tasks, patience_s=patience_s)
    if blamed:
        shown = "".join(f"\n  {line}" for line in blamed[:5])
        raise BadInput(f"{len(blamed)} of {done} tasks cannot be judged; mend or remove their rows:{shown}")
    if done < len(tasks):
        _log.warning("the rewards are slow: only the first %d of %d gold answers were checked", done, len(tasks))


def unusable(judge: PoolJudge, tasks: Sequence[Task], *, patience_s: float = _PATIENCE_S) -> tuple[list[str], int]:
    """What is wrong with each task that cannot be judged, and how many tasks there was time to look at."""
    end, done, blamed = time.monotonic() + patience_s, 0, list[str]()
    while done < len(tasks) and time.monotonic() < end:
        part = tasks[done : done + _CHUNK]
        results = judge.judge([(task, Answer.from_text("")) for task in part])
        found = zip(part, results, strict=True)
        blamed += [r.detail for task, r in found if not r.status.judged and r.detail.startswith(f"task {task.id}:")]
        done += len(part)
    return blamed, done


def check_verdicts(scored: Sequence[ScoredGroup], *, limit: float, folder: Path) -> None:
    """Raises RunFailed when more than `limit` of a batch could not be judged: a broken reward is not a hard task.

    The answers are left in `folder`/excluded.jsonl; the run can be taken up once the reward is mended.
    """
    every = [
        (group.group.task, answer, result)
        for group in scored
        for rollout, rows in zip(group.group.rollouts, group.results, strict=True)
        for answers, results in zip(rollout.answers, rows, strict=True)
        for answer, result in zip(answers, results, strict=True)
    ]
    lost = [item for item in every if not item[2].status.judged]
    if len(lost) <= limit * len(every):
        return
    with (folder / EXCLUDED).open("w", encoding="utf-8") as file:
        for task, answer, result in lost:
            row = {"task": task.id, "prompt": task.prompt, "gold": task.answer, "thought": answer.thought}
            row |= {"answer": answer.text, "status": result.status.value, "detail": result.detail}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    task, _, first = lost[0]
    raise RunFailed(
        f"{len(lost)} of {len(every)} answers of this batch have no verdict (run.excluded_limit={limit:g}); the first, "
        f"to task {task.id}: {first.status.value}: {first.detail}. All are in {folder / EXCLUDED}: mend the reward "
        "(`ration rewards check` tries it) and go on with --resume auto"
    )
