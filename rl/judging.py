"""Judging in a run: starting it, the gold answers before anything else, and what to do when verdicts fail."""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from rewards.judge import PoolJudge
from rewards.terms import Term
from rewards.types import RewardResult, ScoredGroup, Status
from rl.config import TermConfig, TrainConfig
from rl.errors import BadInput, RunFailed
from rollout.types import Answer, Task

EXCLUDED = "excluded.jsonl"
"""In the run folder: the answers without a verdict of the batch that stopped the run."""

Judged: TypeAlias = tuple[Task, Answer, RewardResult]

_CHUNK, _PATIENCE_S, _STARTUP_S = 512, 30.0, 120.0
_SEVERAL = 8  # answers of one source in a batch: when none has a verdict, it is not their fault
_log = logging.getLogger(__name__)


class RunJudge(PoolJudge):
    """The judge of a run: workers that cannot be kept alive stop it. Raises RunFailed when they are killed for ever."""

    def judge(self, pairs: Sequence[tuple[Task, Answer]]) -> list[RewardResult]:
        try:
            return super().judge(pairs)
        except RuntimeError as error:
            raise RunFailed(
                f"reward: {error}: a reward did it, or the machine's memory guard (then use fewer workers); "
                "what is saved stays, and can be taken up again"
            ) from error


def terms_of(terms: Iterable[TermConfig]) -> list[Term]:
    return [Term(t.name, t.weight, t.params, t.sources, t.label) for t in terms]


def start_judge(config: TrainConfig) -> PoolJudge:
    """The judge of a run. Raises as `judge_of` does."""
    knobs = config.reward
    return judge_of(knobs.terms, value=knobs.value, workers=knobs.workers, deadline_s=knobs.deadline_s)


def judge_of(
    terms: Iterable[TermConfig],
    *,
    value: str = "sum",
    workers: int,
    deadline_s: float,
    startup_s: float = _STARTUP_S,
) -> PoolJudge:
    """Raises BadInput for a reward that does not load within `startup_s` or cannot take its parameters."""
    asked = terms_of(terms)
    try:
        return RunJudge(asked, value=value, workers=workers, timeout_s=deadline_s, startup_s=startup_s)
    except (ValueError, TypeError) as error:
        raise BadInput(f"reward: {error}") from error
    except RuntimeError as error:
        names = ", ".join(term.name for term in asked)
        raise BadInput(f"reward: {error}: see what {names} does when it is imported") from error


def check_tasks(judge: PoolJudge, tasks: Sequence[Task], *, patience_s: float = _PATIENCE_S) -> None:
    """Raises BadInput naming the tasks whose gold answer or other columns a reward cannot use, or a whole source.

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
    """What is wrong with each task that cannot be judged, and how many tasks there was time to look at.

    Raises BadInput when no answer to any task of a source can be judged, and the tasks are not to blame.
    """
    end, empty, found = time.monotonic() + patience_s, Answer.from_text(""), list[Judged]()
    while len(found) < len(tasks) and time.monotonic() < end:
        part = tasks[len(found) : len(found) + _CHUNK]
        results = judge.judge([(task, empty) for task in part])
        found += [(task, empty, result) for task, result in zip(part, results, strict=True)]
    for source, judged in _by_source(found).items():
        _check_source(judge, source, judged)
    return [result.detail for task, _, result in found if _blames(task, result)], len(found)


def _blames(task: Task, result: RewardResult) -> bool:
    return not result.status.judged and result.detail.startswith(f"task {task.id}:")


def _check_source(judge: PoolJudge, source: str, judged: Sequence[Judged]) -> None:
    doubtful = [task for task, _, result in judged if not _blames(task, result)]
    if not doubtful or any(result.status is not Status.ERROR for _, _, result in judged):
        return
    task = doubtful[0]
    (again,) = judge.judge([(task, Answer.from_text(task.answer))])  # a reward may fail on an empty text alone
    if again.status is Status.ERROR:
        raise BadInput(
            f"reward: no answer to the {len(judged)} tasks of source {source!r} can be judged; the first: "
            f"{again.detail}. Mend the reward or its params (`ration rewards check` tries it)"
        )


def _by_source(every: Iterable[Judged]) -> dict[str, list[Judged]]:
    found: defaultdict[str, list[Judged]] = defaultdict(list)
    for task, answer, result in every:
        found[task.source].append((task, answer, result))
    return found


def check_verdicts(scored: Sequence[ScoredGroup], *, limit: float, folder: Path) -> None:
    """Raises RunFailed when more than `limit` of a batch could not be judged: a broken reward is not a hard task.

    So it does when a source with 8 answers or more has no verdict at all, unless `limit` is 1. The answers are left in
    `folder`/excluded.jsonl; the run can be taken up once the reward is mended.
    """
    every = [
        (group.group.task, answer, result)
        for group in scored
        for rollout, rows in zip(group.group.rollouts, group.results, strict=True)
        for answers, results in zip(rollout.answers, rows, strict=True)
        for answer, result in zip(answers, results, strict=True)
    ]
    lost = [item for item in every if not item[2].status.judged]
    what = f"{len(lost)} of {len(every)} answers of this batch have no verdict (run.excluded_limit={limit:g})"
    if len(lost) <= limit * len(every):
        silent = [(source, judged) for source, judged in _by_source(every).items() if _silent(judged)]
        if not silent or limit == 1:
            return
        source, lost = silent[0]
        what = f"none of the {len(lost)} answers of this batch to source {source!r} has a verdict"
    with (folder / EXCLUDED).open("w", encoding="utf-8") as file:
        for task, answer, result in lost:
            row = {"task": task.id, "prompt": task.prompt, "gold": task.answer, "thought": answer.thought}
            row |= {"answer": answer.text, "status": result.status.value, "detail": result.detail}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    task, _, first = lost[0]
    raise RunFailed(
        f"{what}; the first, to task {task.id}: {first.status.value}: {first.detail}. All are in {folder / EXCLUDED}: "
        "mend the reward (`ration rewards check` tries it) and go on with --resume auto"
    )


def _silent(judged: Sequence[Judged]) -> bool:
    return len(judged) >= _SEVERAL and not any(result.status.judged for _, _, result in judged)
