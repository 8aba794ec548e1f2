"""A tracker may fail, hang or be absent: the run goes on and its record is whole."""

from __future__ import annotations

import importlib.util
import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from rl.errors import BadInput
from rl.log import RunLog, parse_rows
from rl.trackers import OPENERS, Mirror, open_mirrors


class Notebook:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.closed = False

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.rows.append((step, dict(metrics)))

    def close(self) -> None:
        self.closed = True


class Raising(Notebook):
    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        super().log(step, metrics)
        raise ConnectionError("the service is down")


class Hanging(Notebook):
    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.release.wait(60)


def test_a_tracker_sees_every_row_in_order_and_is_closed(tmp_path: Path) -> None:
    notebook = Notebook()
    log = RunLog(tmp_path, trackers=(notebook,), resume_step=None)
    for step in range(3):
        log.log(step, {"loss": step / 2})
    log.close()
    assert notebook.rows == [(0, {"loss": 0.0}), (1, {"loss": 0.5}), (2, {"loss": 1.0})]
    assert notebook.closed


def test_a_tracker_that_raises_is_dropped_with_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracker, beside = Raising(), Notebook()
    log = RunLog(tmp_path, trackers=(tracker, beside), resume_step=None)
    for step in range(20):
        log.log(step, {"loss": 1.0})
    with caplog.at_level(logging.WARNING):
        log.close()
    assert len(tracker.rows) == 1
    assert len(beside.rows) == 20
    assert len(parse_rows(tmp_path / "metrics.jsonl")) == 20
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "Raising failed and is dropped" in warnings[0]
    assert "the service is down" in warnings[0]


def test_a_tracker_that_hangs_blocks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    tracker = Hanging()
    mirror = Mirror("hanging", lambda: tracker, queued_rows=2, grace_s=0.2)
    start = time.monotonic()
    for step in range(1000):
        mirror.log(step, {"loss": 1.0})
    assert time.monotonic() - start < 5.0
    mirror.close()
    assert time.monotonic() - start < 10.0
    assert "hanging did not keep up" in caplog.text
    tracker.release.set()


def test_a_tracker_that_cannot_be_opened_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    def opener() -> Notebook:
        raise PermissionError("no key")

    mirror = Mirror("locked", opener)
    mirror.log(0, {"loss": 1.0})
    mirror.close()
    assert "locked failed and is dropped" in caplog.text


def test_an_unknown_tracker_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no tracker is called 'wandbb': choose from tensorboard, wandb, trackio"):
        open_mirrors(["wandbb"], tmp_path)


@pytest.mark.parametrize("name", list(OPENERS))
def test_a_tracker_that_is_not_installed_is_bad_input_with_its_remedy(tmp_path: Path, name: str) -> None:
    if importlib.util.find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    with pytest.raises(BadInput, match=rf"pip install 'ration\[{name}\]'"):
        RunLog(tmp_path, trackers=(name,), resume_step=None)
