"""Optional mirrors of the metrics: TensorBoard, Weights & Biases, trackio.

metrics.jsonl is the record. A mirror lives in its own daemon thread behind a bounded queue: when
it fails it is dropped with one warning, when it hangs its rows are dropped, and the run goes on.
"""

from __future__ import annotations

import importlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from rl.errors import BadInput

logger = logging.getLogger(__name__)

QUEUED_ROWS = 1000
GRACE_S = 20.0


class Tracker(Protocol):
    """Where metrics are mirrored to."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Show one step."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class TensorBoard:
    """Event files in the run folder's `tensorboard/`, written without torch."""

    def __init__(self, folder: Path) -> None:
        self._writer: Any = importlib.import_module("tensorboard.summary").Writer(str(folder / "tensorboard"))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for key, value in metrics.items():
            self._writer.add_scalar(key, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WandB:
    """A Weights & Biases run that keeps its id over resumes; the step is a metric, so replayed steps are taken."""

    def __init__(self, folder: Path) -> None:
        wandb: Any = importlib.import_module("wandb")
        self._run: Any = wandb.init(project="ration", name=folder.name, id=folder.name, dir=str(folder), resume="allow")
        self._run.define_metric("*", step_metric="step")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log({**metrics, "step": step})

    def close(self) -> None:
        self._run.finish()


class Trackio:
    """A trackio run, local unless its own settings say otherwise."""

    def __init__(self, folder: Path) -> None:
        self._trackio: Any = importlib.import_module("trackio")
        self._trackio.init(project="ration", name=folder.name, resume="allow", embed=False)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._trackio.log(dict(metrics), step=step)

    def close(self) -> None:
        self._trackio.finish()


OPENERS: Mapping[str, Callable[[Path], Tracker]] = {"tensorboard": TensorBoard, "wandb": WandB, "trackio": Trackio}


class Mirror:
    """A tracker in a thread of its own. `log` returns at once, whatever the tracker does."""

    def __init__(
        self, name: str, opener: Callable[[], Tracker], *, queued_rows: int = QUEUED_ROWS, grace_s: float = GRACE_S
    ) -> None:
        self._name = name
        self._opener = opener
        self._grace_s = grace_s
        self._rows: queue.Queue[tuple[int, Mapping[str, float]] | None] = queue.Queue(queued_rows)
        self._dropped = 0
        self._thread = threading.Thread(target=self._feed, name=f"tracker-{name}", daemon=True)
        self._thread.start()

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Queue one row; dropped when the tracker failed or lags `queued_rows` behind."""
        if self._thread.is_alive():
            self._put((step, dict(metrics)))

    def close(self) -> None:
        """Let the tracker catch up for at most `grace_s` seconds, then leave it behind."""
        deadline = time.monotonic() + self._grace_s
        while self._thread.is_alive() and time.monotonic() < deadline:
            if self._put(None):
                break
            time.sleep(0.01)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive() or self._dropped:
            logger.warning("%s did not keep up: it may lack rows, metrics.jsonl has all of them", self._name)

    def _put(self, item: tuple[int, Mapping[str, float]] | None) -> bool:
        try:
            self._rows.put_nowait(item)
        except queue.Full:
            self._dropped += item is not None
            return False
        return True

    def _feed(self) -> None:
        try:
            tracker = self._opener()
            while (row := self._rows.get()) is not None:
                tracker.log(*row)
            tracker.close()
        except Exception as error:  # noqa: BLE001  (a border: whatever a tracker raises, the run must go on)
            logger.warning("%s failed and is dropped (metrics.jsonl has everything): %s", self._name, error)


def require(name: str) -> None:
    """Raises BadInput when a tracker is unknown or its package cannot be imported."""
    if name not in OPENERS:
        raise BadInput(f"no tracker is called {name!r}: choose from {', '.join(OPENERS)}")
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise BadInput(f"run.trackers: {name} cannot be imported: pip install 'ration[{name}]'") from error


def open_mirrors(trackers: Sequence[str | Tracker], folder: Path) -> list[Mirror]:
    """One mirror per tracker; names are checked before any is opened."""
    for tracker in trackers:
        if isinstance(tracker, str):
            require(tracker)
    return [_mirror(tracker, folder) for tracker in trackers]


def _mirror(tracker: str | Tracker, folder: Path) -> Mirror:
    if isinstance(tracker, str):
        return Mirror(tracker, lambda: OPENERS[tracker](folder))
    return Mirror(type(tracker).__name__, lambda: tracker)
