"""A publish on the real cluster: weights that do not arrive stop the run, an engine that died is replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from live_runs import Runs

WORKER = Path(__file__).with_name("publish_worker.py")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    runs = Runs(tmp_path_factory.mktemp("publish"))
    yield runs
    runs.close()


def start(runs: Runs, receiver: str = "", engines: int = 1) -> subprocess.Popen[str]:
    tests = os.pathsep.join([str(WORKER.parents[2]), str(WORKER.parent)])
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(runs.config), str(runs.folder / "model"), str(engines), receiver],
        env={**runs.environment, "PYTHONPATH": tests},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen[str]) -> dict[str, object]:
    told, _ = process.communicate("go on\n", timeout=240)
    return json.loads(told.splitlines()[-1])


@pytest.fixture(scope="module")
def errors(runs):
    """Of two publishes to a faulty receiver: it changes a tensor in the first, and skips it in the second."""
    found = result(start(runs, "faulty_receiver.Extension"))["errors"]
    assert isinstance(found, list)
    return [str(error) for error in found]


def test_a_changed_tensor_is_found_by_the_probe_and_stops_the_run(errors):
    assert errors[0].startswith(
        "publish of version 0: engine 0 does not have the learner's weights: the log-probabilities "
    )
    assert "publish.tolerance is 0.001; --resume auto goes on from the last checkpoint" in errors[0]


def test_a_skipped_tensor_stops_the_run(errors):
    assert errors[1].startswith("publish of version 0: rank 0 failed: publish: finish_weight_update: engine 0")
    assert errors[1].endswith("a publish left 1 layers without their weights: model.norm")


def test_engines_are_replaced_when_one_has_died_before_a_publish(runs):
    process = start(runs, engines=2)
    assert process.stdout is not None
    while "READY" not in (line := process.stdout.readline()):
        assert line, "it ended before its first publish"
    cores = [pid for pid, name in runs.alive().items() if "EngineCore" in name]
    os.kill(cores[0], signal.SIGKILL)
    found = result(process)
    assert len(cores) == 2
    assert not any("EngineCore" in name for name in runs.alive().values())  # nor those of the engines before
    assert found["revivals"] == 1
    assert 0 <= float(str(found["gap"])) < 1e-3
    assert found["versions"] == [0] * 4
