"""The forms in which a reward may be written, and one shape behind them: lists in, one verdict each out."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeAlias, get_type_hints

from rewards.types import RewardResult, Status
from rollout.types import Answer, Task

Batch: TypeAlias = Callable[[Sequence[Task], Sequence[Answer]], Sequence[object]]
"""What every form becomes. It raises, or returns one value per answer, as the reward returned it."""

Wait: TypeAlias = Callable[[Awaitable[Sequence[object]]], Sequence[object]]
"""Runs a coroutine to its end: a worker keeps one event loop, so that clients can be kept between calls."""

ABSENT = object()
"""What TRL's None stands for: this reward has nothing to say about this answer."""

_STYLES = ("messages", "text")
_FORMS = "(task, answer), (tasks, answers), both sync or async, or TRL's (completions, **columns)"


def parameters(function: Callable[..., Any], given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """`given`, checked against the parameters of a reward that are keyword-only or have a default, as annotated.

    Raises ValueError for an unknown name, with the nearest; for a missing one; for a value of another type.
    """
    from pydantic import TypeAdapter, ValidationError

    every = inspect.signature(function).parameters.items()
    known = {key: p for key, p in every if p.kind is p.KEYWORD_ONLY or p.default is not p.empty}
    for key in given.keys() - known.keys():
        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
        raise ValueError(f'reward "{name}" has no parameter {key!r}; {hint}')
    missing = [key for key, p in known.items() if p.default is p.empty and key not in given]
    if missing:
        raise ValueError(f'reward "{name}" needs params: {", ".join(missing)}')
    checked: dict[str, Any] = {}
    for key, value in given.items():
        kind = Any if known[key].annotation is known[key].empty else _kind(function, known[key], name)
        try:
            checked[key] = TypeAdapter(kind).validate_python(value)
        except ValidationError as error:
            raise ValueError(f'reward "{name}": params.{key} = {value!r}: {error.errors()[0]["msg"]}') from None
    return checked


def _kind(function: Callable[..., Any], parameter: inspect.Parameter, name: str) -> Any:
    """What one annotation means; the others may name what is imported for type checkers alone."""
    alone = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        space = vars(sys.modules[_callee(function).__module__])
        return get_type_hints(alone, space, include_extras=True)[parameter.name]
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise ValueError(f'reward "{name}": the annotation of {parameter.name} cannot be read: {error}') from error


def _callee(function: Callable[..., Any]) -> Callable[..., Any]:
    """What is called at last: of a `partial` its function, of an object its `__call__`."""
    while isinstance(function, partial):
        function = function.func
    return function if inspect.isroutine(inspect.unwrap(function)) else type(function).__call__


def _waits(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(_callee(function))


def is_single(function: Callable[..., Any]) -> bool:
    """Whether a reward judges one answer per call and returns at once: such answers can have a deadline each."""
    several = _is_trl(function) or _positional(function)[:1] == ["tasks"]
    return not several and not _waits(function)


def reads_token_ids(function: Callable[..., Any]) -> bool:
    """Whether a reward in TRL's form names `completion_ids`."""
    return "completion_ids" in inspect.signature(function).parameters


def batch_of(function: Callable[..., Any], given: Mapping[str, Any], name: str, wait: Wait, limit_s: float) -> Batch:
    """A reward with its parameters as a `Batch`. `limit_s` is what a coroutine gets for one answer.

    Raises ValueError for a signature that is none of the forms, and for parameters that do not fit.
    """
    if _is_trl(function):
        style = given.get("completions", "messages")
        if style not in _STYLES:
            raise ValueError(f'reward "{name}": params.completions is one of {", ".join(_STYLES)}, not {style!r}')
        rest = {key: value for key, value in given.items() if key != "completions"}
        bound = partial(function, **parameters(function, rest, name))
        if _waits(function):
            return lambda tasks, answers: _with_absent(wait(bound(**_handed(bound, style, tasks, answers))))
        return lambda tasks, answers: _with_absent(bound(**_handed(bound, style, tasks, answers)))
    bound = partial(function, **parameters(function, given, name)) if given else _complete(function, name)
    names = _positional(function)
    if len(names) != 2:
        raise ValueError(f'reward "{name}" has the signature {inspect.signature(function)}; a reward takes {_FORMS}')
    several, waits = names[0] == "tasks", _waits(function)
    if several:
        return (lambda tasks, answers: wait(bound(tasks, answers))) if waits else bound
    if waits:
        return lambda tasks, answers: wait(_together(bound, tasks, answers, limit_s))
    return lambda tasks, answers: [bound(task, answer) for task, answer in zip(tasks, answers, strict=True)]


def _complete(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    parameters(function, {}, name)
    return function


def _positional(function: Callable[..., Any]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    every = inspect.signature(function).parameters.values()
    return [p.name for p in every if p.kind in kinds and p.default is p.empty]


def _is_trl(function: Callable[..., Any]) -> bool:
    names = inspect.signature(function).parameters.keys()
    return bool(names & {"completions", "completion_ids"}) and "task" not in names


async def _together(
    function: Callable[..., Awaitable[object]], tasks: Sequence[Task], answers: Sequence[Answer], limit_s: float
) -> Sequence[object]:
    async def one(task: Task, answer: Answer) -> object:
        try:
            async with asyncio.timeout(limit_s):
                return await function(task, answer)
        except TimeoutError:
            return RewardResult(Status.TIMEOUT, 0.0, detail=f"not judged within {limit_s:g} s")
        except Exception as error:  # noqa: BLE001  (the judge border: one answer's failure is not the others')
            return RewardResult(Status.ERROR, 0.0, detail=f"{type(error).__name__}: {error}")

    return await asyncio.gather(*(one(task, answer) for task, answer in zip(tasks, answers, strict=True)))


def _handed(
    function: Callable[..., Any], style: str, tasks: Sequence[Task], answers: Sequence[Answer]
) -> dict[str, object]:
    """What TRL's `GRPOTrainer` hands to a reward function, as far as this one takes it: keywords alone."""
    texts = [_completion(answer) for answer in answers]
    columns = {key: [task.meta.get(key) for task in tasks] for key in {key for task in tasks for key in task.meta}}
    columns |= {"answer": [task.answer for task in tasks]}
    handed = {
        "prompts": [task.prompt for task in tasks] if style == "text" else [_message("user", t.prompt) for t in tasks],
        "completions": texts if style == "text" else [_message("assistant", text) for text in texts],
        "completion_ids": [[*answer.thought_ids, *answer.forced_ids, *answer.token_ids] for answer in answers],
        "trainer_state": None,  # there is none here, and nobody who keeps what these two are told
        "log_extra": _unheard,
        "log_metric": _unheard,
    }
    accepted = inspect.signature(function).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    return {key: value for key, value in (columns | handed).items() if takes_all or key in accepted}


def _unheard(*_: object, **__: object) -> None:
    pass


def _with_absent(returned: Sequence[object]) -> list[object]:
    return [ABSENT if value is None else value for value in returned]


def _message(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def _completion(answer: Answer) -> str:
    """All that was generated: the thought, closed, and the answer."""
    return f"{answer.thought.removesuffix('</think>')}</think>{answer.text}" if answer.thought else answer.text
