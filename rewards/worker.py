"""The inside of the judging processes: a nursery that loads the rewards once, and the workers that it forks.

A fork takes milliseconds where loading takes seconds, so a worker that a reward hung or killed is replaced at
once. The nursery is a fresh interpreter of its own: neither the caller's main module nor its threads come along.

To the nursery, over its pipe: the set-up. Back: a `Loaded`, or a line that says why not. Then, over its socket,
FORK with the new worker's end of its pipe and its mark (answer: its pid) and REAP with a pid (answer: its exit
status). To a worker: chunks of (task, answer). Back: lists of RewardResults, one per answer, in order.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import inspect
import os
import resource
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from operator import attrgetter
from pathlib import Path
from typing import Any

from rewards.combine import Combined
from rewards.forms import batch_of, is_single, reads_token_ids
from rewards.formula import formula
from rewards.mark import Mark
from rewards.plugins import resolve
from rewards.terms import Term
from rewards.types import RewardResult, Status
from rollout.types import Answer, Task

FORK, REAP = b"f", b"r"
PID = struct.Struct("i")
SEND_EVERY_S = 0.004
"""Verdicts that are not sent when an answer takes its worker's life are judged again: so long may that take."""
_PR_SET_CHILD_SUBREAPER = 36


def _by_fields(record: type[Any]) -> None:
    """Pickle a record as its class and values: a quarter of the time that frozen dataclasses with slots take."""
    values = attrgetter(*(field.name for field in fields(record)))
    ForkingPickler.register(record, lambda one: (record, values(one)))


for _record in (Task, Answer, RewardResult):
    _by_fields(_record)


@dataclass(frozen=True)
class Setup:
    """What a judge judges with. Seconds are for one answer, or for one call that judges several."""

    terms: tuple[Term, ...]
    formula: str
    timeout_s: float
    memory_mib: int


@dataclass(frozen=True)
class Loaded:
    """The rewards are there. `single`: each judges one answer per call; `ids`: one reads the tokens of the thought."""

    single: bool
    ids: bool


def main(pipe: int, commands: int) -> None:
    """Load the rewards and fork workers until the other end of the socket closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    os.dup2(2, 1)  # what a reward prints is for its author's eyes, not part of the output of the command
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what a reward leaves behind becomes our child, and is ended
    connection: Connection[Any, Any] = Connection(pipe)
    control = socket.socket(fileno=commands)
    setup: Setup = connection.recv()
    try:
        reward = _load(setup)
        functions = [resolve(term.name) for term in setup.terms]
        loaded = Loaded(all(map(is_single, functions)), any(map(reads_token_ids, functions)))
    except ValueError as error:
        connection.send(str(error))
        return
    except BaseException as error:  # noqa: BLE001  (somebody else's module: the parent raises this line)
        connection.send(_one_line(error))
        return
    connection.send(loaded)
    connection.close()
    gc.freeze()  # or every worker would copy the pages that its collector touches
    _nurse(control, partial(_work, setup, reward, loaded.single))


def _load(setup: Setup) -> Combined:
    labels = [term.label for term in setup.terms]
    routed = [term.label for term in setup.terms if term.sources]
    if setup.formula and routed:
        raise ValueError(f"a formula needs terms that judge every source, and {routed[0]!r} does not: use weights")
    runner = asyncio.Runner()

    def wait(coroutine: Awaitable[Sequence[object]]) -> Sequence[object]:
        async def awaited() -> Sequence[object]:
            return await coroutine

        return runner.run(awaited())

    terms = [(t, batch_of(resolve(t.name), t.params, t.name, wait, setup.timeout_s)) for t in setup.terms]
    for term in setup.terms:
        _check_own_limit(term, setup.timeout_s)
    return Combined(terms, formula(setup.formula, labels) if setup.formula else None)


def _check_own_limit(term: Term, deadline_s: float) -> None:
    """Raises ValueError for a `timeout_s` of a reward's own that could never be reached."""
    known = inspect.signature(resolve(term.name)).parameters
    own = term.params.get("timeout_s", known["timeout_s"].default) if "timeout_s" in known else None
    if isinstance(own, int | float) and own >= deadline_s:
        raise ValueError(
            f'reward "{term.name}": timeout_s={own:g} is not below the deadline of {deadline_s:g} s for an answer: '
            "lower params.timeout_s, or raise the deadline (reward.deadline_s)"
        )


def _nurse(control: socket.socket, work: Callable[[Connection[Any, Any], Mark], None]) -> None:
    workers = set[int]()
    while True:
        command, descriptors, _, _ = socket.recv_fds(control, 1 + PID.size, 2)
        if not command:
            break
        (pid,) = PID.unpack(command[1:])
        if command[:1] == FORK:
            pid = os.fork()
            if not pid:
                control.close()
                work(Connection(descriptors[0]), Mark(descriptors[1]))
            for descriptor in descriptors:
                os.close(descriptor)
            workers.add(pid)
            control.sendall(PID.pack(pid))
        else:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            workers.discard(pid)
            _end_orphans(workers)
            control.sendall(PID.pack(status))
    _end_orphans(set())
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)


def _end_orphans(workers: set[int]) -> None:
    """Kill every child of ours but the workers: processes that a reward has sent out of its group are ours too."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while orphans := {int(pid) for pid in children.read_text().split()} - workers:
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)  # its own children are ours now, and next


def _work(setup: Setup, reward: Combined, single: bool, connection: Connection[Any, Any], mark: Mark) -> None:
    """Judge what comes down the pipe until it closes; threads that a reward left behind do not hold us."""
    os.setsid()  # Ctrl-C does not reach us, and killing our group takes with it what a reward has started
    tempfile.tempdir = os.environ["TMPDIR"] = tempfile.mkdtemp()  # its own: it may empty or remove it
    _limit_memory(setup.memory_mib)
    at_once, backstop_s = 1 if single else sys.maxsize, 2 * setup.timeout_s + 2
    try:
        while True:
            pairs: Sequence[tuple[Task, Answer]] = connection.recv()
            results, sent = list[RewardResult](), time.monotonic()
            for start in range(0, len(pairs), at_once):
                mark.begin(start)
                results += _judged(reward, pairs[start : start + at_once], backstop_s)
                if start + at_once >= len(pairs) or time.monotonic() > sent + SEND_EVERY_S:
                    connection.send(results)
                    results, sent = [], time.monotonic()
    except (EOFError, ConnectionError):
        pass  # the parent has gone: so do we
    finally:
        sys.stderr.flush()
        os._exit(0)


def _limit_memory(mib: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _judged(reward: Combined, pairs: Sequence[tuple[Task, Answer]], backstop_s: float) -> list[RewardResult]:
    # The parent holds the deadline. Were it gone, the kernel's default for this signal ends us,
    # even inside C code that never gives up the interpreter.
    signal.setitimer(signal.ITIMER_REAL, backstop_s)
    us = os.getpid()
    if not os.path.isdir(tempfile.gettempdir()):  # the reward before has cleaned up too well
        os.makedirs(tempfile.gettempdir())
    try:
        return reward.together([task for task, _ in pairs], [answer for _, answer in pairs])
    except BaseException as error:  # noqa: BLE001  (the judge border: text from a model, code from a user)
        failed = RewardResult(Status.ERROR, 0.0, detail=_one_line(error))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if os.getpid() != us:  # a reward that forked: its child must not go on as a second worker
            os._exit(0)
    # Of several answers one may be to blame: each alone.
    return [failed] if len(pairs) == 1 else [result for pair in pairs for result in _judged(reward, [pair], backstop_s)]


def _one_line(error: BaseException) -> str:
    what = " ".join(traceback.format_exception_only(error)[-1].split())[:300]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{what} ({frames[-1].filename}:{frames[-1].lineno})" if frames else what
