"""Instruction following: the checks that a task lists, held against the response."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from rewards.extract import marked
from rewards.instruction_checks import CHECKS
from rewards.types import RewardResult, Status, bad_task
from rollout.types import Answer, Task


def instructions(task: Task, answer: Answer, *, share: bool = False) -> RewardResult:
    """1 if the response follows every instruction, else 0; with `share`, the share of those it follows.

    `task.meta` holds `instruction_id_list` and `kwargs`, one mapping of parameters for each id, as in IFEval's
    published data (parameters that are None are none). The response is the whole text, as published ("strict"),
    or what stands in the last `<answer>…</answer>` when the prompt asks for these tags. `parts` has 1 or 0 for
    each id; status is OK only when all hold. An empty response is unparsable. An unknown id, or parameters that
    do not fit, are errors of the data. IFEval (arXiv 2311.07911, section 2 and appendix A).
    """
    try:
        listed = _listed(task.meta)
        response = _response(answer.text)
        # Of an empty response too: parameters that do not fit are found before a run starts.
        followed = {part: _follows(name, response, given) for part, name, given in listed}
    except ValueError as error:
        return bad_task(task, str(error))
    if not response.strip():
        return RewardResult(Status.UNPARSABLE, 0.0, detail="the response is empty, or was cut inside its tags")
    parts = {part: float(held) for part, held in followed.items()}
    kept = sum(parts.values()) / len(parts)
    if kept == 1:
        return RewardResult(Status.OK, 1.0, parts)
    broken = ", ".join(part for part, held in followed.items() if not held)
    return RewardResult(Status.WRONG, kept if share else 0.0, parts, f"not followed: {broken}")


def _listed(meta: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """(part, id, parameters) of each instruction; an id that comes again is the part `id#2`."""
    missing = [key for key in ("instruction_id_list", "kwargs") if meta.get(key) is None]
    if missing:
        raise ValueError(f"no meta {' and '.join(missing)}")
    names: list[str] = list(meta["instruction_id_list"])
    given: list[Any] = list(meta["kwargs"])
    if not names or len(names) != len(given) or not all(isinstance(one, Mapping) for one in given):
        raise ValueError(f"{len(names)} instructions with {len(given)} kwargs, which are one mapping for each")
    for name in names:
        if name not in CHECKS:
            raise ValueError(f'no instruction is named "{name}"{_nearest(name)}')
    times = [names[: i + 1].count(name) for i, name in enumerate(names)]
    parts = [name if time == 1 else f"{name}#{time}" for name, time in zip(names, times, strict=True)]
    return list(zip(parts, names, given, strict=True))


def _response(text: str) -> str:
    if "</answer>" in text:
        return marked(text) or ""
    return "" if "<answer>" in text else text


def _follows(name: str, response: str, given: Mapping[str, Any]) -> bool:
    try:
        return CHECKS[name](response, **{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _nearest(name: str) -> str:
    close = get_close_matches(name, CHECKS, n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
