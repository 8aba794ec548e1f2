"""reasoning-gym's own scorers, chosen by the name of the dataset that a task came from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, cast

from rewards.extract import marked
from rewards.types import RewardResult, Status, bad_task
from rollout.types import Answer, Task

with warnings.catch_warnings():
    # cellpylib, which it pulls in, compares strings with `is`: Python says so when it first compiles it.
    warnings.simplefilter("ignore", SyntaxWarning)
    from reasoning_gym import get_score_answer_fn  # pyright: ignore[reportMissingTypeStubs]


def reasoning_gym(task: Task, answer: Answer) -> RewardResult:
    """The score in [0, 1] that the task's dataset gives to what stands in the answer's mark.

    `task.meta` holds `dataset`, its registered name, and `entry`, the dataset's own record with
    `question`, `answer` and `metadata`. Only a full score is right; some datasets give partial
    credit, which stays the value of a wrong answer. Without a complete `<answer>…</answer>` or
    `\\boxed{…}` there is nothing to score: unparsable.
    """
    missing = [key for key in ("dataset", "entry") if key not in task.meta]
    if missing:
        return bad_task(task, f"no meta {' and '.join(missing)}")
    try:
        scorer = _scorer(task.meta["dataset"])
    except ValueError as error:
        return bad_task(task, f"meta dataset: {error}")
    found = marked(answer.text)
    if not found:
        return RewardResult(Status.UNPARSABLE, 0.0, detail="no <answer>…</answer> in the text")
    value = float(scorer(found, task.meta["entry"]))
    return RewardResult(Status.OK if value == 1 else Status.WRONG, value)


@cache
def _scorer(dataset: str) -> Callable[[str, Any], float]:
    return cast(Callable[[str, Any], float], get_score_answer_fn(dataset))
