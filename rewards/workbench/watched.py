"""A reward under observation: what it does besides returning a value. This runs inside the workers."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import random
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any, TextIO, cast

from pydantic import TypeAdapter, ValidationError

from rewards.combine import as_result
from rewards.forms import ABSENT, Batch, Wait, batch_of
from rewards.plugins import resolve
from rewards.terms import Term
from rewards.types import RewardResult, Status
from rollout.types import Answer, Task

_NO_LIMIT_S = 1e6  # of a coroutine: the pool's deadline is the one that counts
_NOWHERE = "no task is of this source"
_SHOWN = 200  # characters that are kept of what a reward prints

_CHANGES = {"os.mkdir": 2, "os.remove": 1, "os.rename": 2, "os.rmdir": 1, "os.link": 2, "os.symlink": 2}
"""Audit events that change files, and which argument is the descriptor of the folder that their path starts at."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True, slots=True)
class Seen:
    """What one call did: `detail` is its own, `number` whether it returned a finite one, the rest is what it left."""

    detail: str
    number: bool
    changed: tuple[str, ...] = ()
    printed: str = ""
    complained: str = ""
    wrote: tuple[str, ...] = ()

    def packed(self) -> str:
        return _SEEN.dump_json(self).decode()

    @classmethod
    def unpacked(cls, text: str) -> Seen | None:
        """None for the detail of a call that never returned."""
        try:
            return _SEEN.validate_json(text)
        except ValidationError:
            return None


_SEEN = TypeAdapter(Seen)


def observing(function: Callable[..., object], name: str, params: Mapping[str, Any]) -> list[Term]:
    """Terms that judge with `function` (one of this module) and have the reward itself loaded before any clock runs.

    A reward that cannot be loaded, or take its parameters, is then reported in its own name.
    """
    own = Term(name, params=params, sources=(_NOWHERE,), label="loaded")
    place = f"{__name__}:{function.__name__}"
    return [Term(place, params={"name": name, "params": dict(params)}, label="observed"), own]


def watched(task: Task, answer: Answer, *, name: str, params: dict[str, Any]) -> RewardResult:
    """The verdict of the reward `name` on one answer, whose `detail` is a packed `Seen`.

    Files are noticed that Python itself opens for writing, makes, moves or removes outside the temporary folder; not
    what C code or another process writes.
    """
    reward = _loaded(name, json.dumps(params, default=str))
    _listen()
    before = _state(task, answer)
    out, err, wrote = list[str](), list[str](), list[str]()
    with ExitStack() as stack:
        stack.enter_context(_captured(sys.stdout, 1, out))
        stack.enter_context(_captured(sys.stderr, 2, err))
        stack.enter_context(_noted(wrote))
        returned = _one(reward([task], [answer]))
    after = _state(task, answer)
    changed = tuple(what for what, value in before.items() if after[what] != value)
    result = as_result(returned)
    failed = isinstance(returned, RewardResult) and returned.status == Status.ERROR
    number = result.status is not Status.ERROR or failed
    detail = "the reward returned None: nothing to say" if returned is ABSENT else result.detail
    seen = Seen(detail, number, changed, out[0], err[0], tuple(dict.fromkeys(wrote)))
    return RewardResult(result.status, result.value, result.parts, seen.packed())


def quietly(tasks: Sequence[Task], answers: Sequence[Answer], *, name: str, params: dict[str, Any]) -> Sequence[object]:
    """What the reward `name` returns for several answers, and nothing of what it prints."""
    with _captured(sys.stdout, 1, []), _captured(sys.stderr, 2, []):
        return _loaded(name, json.dumps(params, default=str))(tasks, answers)


def timed(task: Task, answer: Answer, *, name: str, params: dict[str, Any]) -> RewardResult:
    """The verdict of the reward `name` on one answer, with the `seconds` that it took as its only part."""
    reward = _loaded(name, json.dumps(params, default=str))
    start = time.perf_counter()
    returned = _one(reward([task], [answer]))
    seconds = time.perf_counter() - start
    result = as_result(returned)
    return RewardResult(result.status, result.value, {"seconds": seconds}, result.detail)


@cache
def _loaded(name: str, params: str) -> Batch:
    wait = cast(Wait, asyncio.Runner().run)
    return batch_of(resolve(name), json.loads(params), name, wait, _NO_LIMIT_S)


def _one(returned: Sequence[object]) -> object:
    if len(returned) != 1:
        raise ValueError(f"the reward returned {len(returned)} values for 1 answer")
    return returned[0]


_RANDOM: Mapping[str, Callable[[Any], object]] = {
    "numpy.random": lambda numpy_random: pickle.dumps(numpy_random.get_state(legacy=False)),
    "torch": lambda torch: torch.get_rng_state().tolist(),
}
"""Generators that a library keeps for the whole process: module, and what to compare."""


def _state(task: Task, answer: Answer) -> dict[str, object]:
    """What a reward must leave as it was. Libraries that are not loaded have no state yet."""
    loaded = {name: read(sys.modules[name]) for name, read in _RANDOM.items() if name in sys.modules}
    generators = {"the random state of " + name: state for name, state in loaded.items()}
    return {
        "the task": deepcopy(task),
        "the answer": deepcopy(answer),
        "the working folder": os.getcwd(),
        "the random state": random.getstate(),
        **generators,
    }


@contextmanager
def _captured(stream: TextIO, descriptor: int, into: list[str]) -> Generator[None]:
    """The beginning of what is written to a descriptor meanwhile, by Python or by C code."""
    with tempfile.TemporaryFile() as file:
        stream.flush()
        kept = os.dup(descriptor)
        os.dup2(file.fileno(), descriptor)
        try:
            yield
        finally:
            stream.flush()
            os.dup2(kept, descriptor)
            os.close(kept)
            file.seek(0)
            into.append(file.read(_SHOWN).decode(errors="replace"))


_logs = list[list[str]]()  # the last one is being written


@contextmanager
def _noted(into: list[str]) -> Generator[None]:
    _logs.append(into)
    try:
        yield
    finally:
        _logs.pop()


@cache
def _listen() -> None:
    """Audit hooks stay for the life of a process: once is enough."""
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if not _logs:
        return
    opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
    if (opened or event in _CHANGES) and isinstance(arguments[0], str | bytes | os.PathLike):
        relative = os.fsdecode(cast("str | bytes | os.PathLike[str]", arguments[0]))
        path = os.path.normpath(os.path.join(_folder(event, arguments), relative))
        if not path.startswith((tempfile.gettempdir(), "/dev/", "/proc/")) and "__pycache__" not in path:
            _logs[-1].append(path)


def _folder(event: str, arguments: tuple[Any, ...]) -> str:
    """Where a relative path starts: the working folder, or one that was opened before."""
    descriptor: int = arguments[_CHANGES[event]] if event in _CHANGES else -1
    return os.getcwd() if descriptor < 0 else os.readlink(f"/proc/self/fd/{descriptor}")
