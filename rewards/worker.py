"""The inside of a worker process: resolve the rewards once, then judge what comes down the pipe.

Up the pipe goes READY (or a line that says why not), then one RewardResult per answer, in order.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from rewards.combine import combine
from rewards.plugins import resolve
from rewards.types import RewardFn, RewardResult, Status
from rollout.types import Answer, Task

READY = ""


def main(descriptor: int) -> None:
    """Serve until the other end of the pipe closes; threads that a reward left behind do not hold us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    connection: Connection[Any, Any] = Connection(descriptor)
    try:
        _serve(connection)
    except (EOFError, ConnectionError):
        pass  # the parent has gone: so do we
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _serve(connection: Connection[Any, Any]) -> None:
    terms, backstop_s = connection.recv()
    reward = _load(terms)
    if isinstance(reward, str):
        connection.send(reward)
        return
    connection.send(READY)
    while True:
        chunk: Sequence[tuple[Task, Answer]] = connection.recv()
        for task, answer in chunk:
            connection.send(_judged(reward, task, answer, backstop_s))


def _load(terms: Sequence[tuple[str, float]]) -> RewardFn | str:
    try:
        return combine([(name, resolve(name), weight) for name, weight in terms])
    except ValueError as error:
        return str(error)
    except BaseException as error:  # noqa: BLE001  (somebody else's module: the parent raises this line)
        return _one_line(error)


def _judged(reward: RewardFn, task: Task, answer: Answer, backstop_s: float) -> RewardResult | float:
    # The parent holds the deadline. Were it gone, the kernel's default for this signal ends us,
    # even inside C code that never gives up the interpreter.
    signal.setitimer(signal.ITIMER_REAL, backstop_s)
    try:
        return reward(task, answer)
    except BaseException as error:  # noqa: BLE001  (the judge border: text from a model, code from a user)
        return RewardResult(Status.ERROR, 0.0, detail=_one_line(error))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _one_line(error: BaseException) -> str:
    what = " ".join(traceback.format_exception_only(error)[-1].split())[:300]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{what} ({frames[-1].filename}:{frames[-1].lineno})" if frames else what
