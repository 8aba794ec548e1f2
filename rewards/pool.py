"""Worker processes that judge, can be killed, and are replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil, inf
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, cast

from rewards.types import RewardResult, Status
from rewards.worker import READY
from rollout.types import Answer, Task

_CHUNK = 32  # answers sent at once: few enough to share the work evenly, enough to hide the pipe
_START = "import sys; from rewards.worker import main; main(int(sys.argv[1]))"


@dataclass(eq=False)
class _Worker:
    """One process: `work` are the answers that it holds, the clock of the first one ends at `expires`."""

    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    expires: float
    ready: bool = False
    work: deque[int] = field(default_factory=deque[int])

    @classmethod
    def start(cls, setup: object, startup_s: float) -> _Worker:
        """A fresh interpreter, so that neither the caller's main module nor its threads come along.

        It leads a session of its own: Ctrl-C does not reach it, and killing its group takes with it
        whatever a reward has started.
        """
        ours, theirs = Pipe()
        environment = {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", _START, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        with suppress(ConnectionError):  # it died at once: its pipe will say so
            ours.send(setup)
        return cls(process, ours, time.monotonic() + startup_s)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.connection.close()


class WorkerPool:
    """`workers` processes that apply one weighted reward, each answer within `timeout_s` seconds.

    The clock of an answer starts when its worker turns to it. A worker that runs over is killed and
    replaced and its answer timed out; one that dies leaves an error. All other answers are judged.
    Raises ValueError when a reward cannot be loaded, RuntimeError when a worker cannot start within
    `startup_s`. One thread at a time may use a pool.
    """

    def __init__(
        self,
        terms: Sequence[tuple[str, float]],
        *,
        workers: int = 2,
        timeout_s: float = 10.0,
        startup_s: float = 120.0,
    ) -> None:
        if workers < 1 or timeout_s <= 0:
            raise ValueError(f"a pool needs a worker and a deadline: workers={workers}, timeout_s={timeout_s}")
        self._size, self._timeout_s, self._startup_s = workers, timeout_s, startup_s
        self._setup = (tuple(terms), 2 * timeout_s + 1)
        self._workers: list[_Worker] = []
        self._waiting: deque[int] = deque()
        try:
            self._fill()
            while not all(worker.ready for worker in self._workers):
                list(self._news())
        except BaseException:
            self.close()
            raise

    def judge(self, pairs: Sequence[tuple[Task, Answer]]) -> list[RewardResult]:
        """The verdict on each answer, in order."""
        results: dict[int, RewardResult] = {}
        self._waiting = deque(range(len(pairs)))
        chunk = min(_CHUNK, ceil(len(pairs) / (2 * self._size)))
        try:
            while len(results) < len(pairs):
                self._fill()
                self._hand_out(pairs, chunk)
                results.update(self._news())
        finally:  # left early: what is still being judged belongs to nobody
            for worker in [worker for worker in self._workers if worker.work]:
                self._drop(worker)
        self._fill()  # a replacement warms up while the answers are put to use
        return [results[index] for index in range(len(pairs))]

    def close(self) -> None:
        """Kill the workers and wait until they are gone."""
        while self._workers:
            self._drop(self._workers[-1])

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fill(self) -> None:
        for worker in [worker for worker in self._workers if worker.ready and not worker.work]:
            if worker.process.poll() is not None:  # it died while idle, and no answer is to blame
                self._drop(worker)
        while len(self._workers) < self._size:
            self._workers.append(_Worker.start(self._setup, self._startup_s))

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.kill()

    def _hand_out(self, pairs: Sequence[tuple[Task, Answer]], chunk: int) -> None:
        for worker in self._workers:
            if worker.ready and not worker.work and self._waiting:
                indices = [self._waiting.popleft() for _ in range(min(chunk, len(self._waiting)))]
                worker.work.extend(indices)
                worker.expires = time.monotonic() + self._timeout_s
                with suppress(ConnectionError):  # it died just now: its pipe will say so
                    worker.connection.send([pairs[index] for index in indices])

    def _news(self) -> Iterator[tuple[int, RewardResult]]:
        """Wait for a report or the next deadline; yields verdicts with the index of their answer."""
        first = min(worker.expires for worker in self._workers)
        pause = None if first == inf else max(0.0, first - time.monotonic())
        reported = wait([worker.connection for worker in self._workers], pause)
        for worker in list(self._workers):
            if worker.connection in reported:
                yield from self._read(worker)
            elif worker.expires <= time.monotonic():
                yield from self._overdue(worker)

    def _read(self, worker: _Worker) -> Iterator[tuple[int, RewardResult]]:
        try:
            while worker.connection.poll():
                message: object = worker.connection.recv()
                if worker.ready:
                    yield worker.work.popleft(), cast(RewardResult, message)
                elif message == READY:
                    worker.ready = True
                else:
                    raise ValueError(message)
                worker.expires = time.monotonic() + self._timeout_s if worker.work else inf
        except (EOFError, OSError):  # the end of the pipe, or the middle of a message
            yield from self._ended(worker)

    def _ended(self, worker: _Worker) -> Iterator[tuple[int, RewardResult]]:
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(timeout=1.0)  # its pipe closes a moment before it has an exit code
        code = worker.process.poll()
        if not worker.ready:
            raise RuntimeError(f"a reward worker ended before it was ready (exit code {code})")
        yield from self._give_up(worker, Status.ERROR, f"the reward ended its process (exit code {code})")

    def _overdue(self, worker: _Worker) -> Iterator[tuple[int, RewardResult]]:
        if not worker.ready:
            raise RuntimeError(f"a reward worker was not ready within {self._startup_s:g} s")
        yield from self._give_up(worker, Status.TIMEOUT, f"not judged within {self._timeout_s:g} s")

    def _give_up(self, worker: _Worker, status: Status, detail: str) -> Iterator[tuple[int, RewardResult]]:
        self._drop(worker)
        if worker.work:
            yield worker.work.popleft(), RewardResult(status, 0.0, detail=detail)
        self._waiting.extendleft(reversed(worker.work))
        worker.work.clear()
