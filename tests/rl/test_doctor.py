import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from example_config import write_config
from packaging.requirements import Requirement

from rl.config_file import load
from rl.doctor import Check, examine, hardware, placement, render, versions
from rl.guard import check_import_names
from rl.machine import Machine, survey
from rl.model_shape import tiny
from rl.plan import GIB, plan

GOOD = Machine(
    python=(3, 11),
    cores=4,
    memory=16 * GIB,
    gpus=(),
    shared_memory=8 * GIB,
    disk_free=100 * GIB,
    temporary_used=0.5,
    tools=frozenset({"g++", "ninja"}),
    ray_cluster=False,
)


def levels(checks) -> dict[str, str]:
    return {check.name: check.level for check in checks if check.level != "ok"}


def fits(tmp_path: Path, machine: Machine, *overrides: str, parameters: int | None = None) -> dict[str, str]:
    config = load(write_config(tmp_path), overrides)
    return levels(placement(config, plan(config, model=parameters or tiny(tied=True)), machine))


def test_versions_against_their_ranges():
    texts = ["ray<3,>=2.55", "torch", "vllm<0.34,>=0.32; extra == 'gpu'", "wandb; extra == 'wandb'"]
    needed = [Requirement(text) for text in texts]
    good = {"ray": "2.60.0", "torch": "2.13.0+cpu", "vllm": "0.33.1"}
    assert levels(versions(needed, good)) == {}
    assert [check.found for check in versions(needed, good)] == ["2.60.0", "2.13.0+cpu", "0.33.1"]
    assert levels(versions(needed, {**good, "vllm": "0.34.0"})) == {"vllm": "stop"}
    assert levels(versions(needed, {"ray": "3.0", "vllm": "0.32.0"})) == {"ray": "stop", "torch": "stop"}
    [check] = [check for check in versions(needed, {"ray": "2.60", "torch": "2"}) if check.level == "stop"]
    assert (check.name, check.remedy) == ("vllm", "pip install 'ration[gpu]', or 'ration[cpu]' without a GPU")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        ({"cores": 1}, {"cores": "warning"}),
        ({"memory": GIB}, {"memory": "warning"}),
        ({"shared_memory": None}, {"/dev/shm": "stop"}),
        ({"shared_memory": 64 * 2**20}, {"/dev/shm": "warning"}),
        ({"tools": frozenset({"g++"})}, {"compiler": "stop"}),
        ({"tools": frozenset({"ninja"}), "gpus": (GIB,)}, {"compiler": "warning"}),
        ({"disk_free": 0}, {"disk": "warning"}),
        ({"temporary_used": 0.96}, {"temporary folder": "warning"}),
    ],
)
def test_hardware(change: dict, expected: dict[str, str]):
    assert levels(hardware(replace(GOOD, **change))) == expected


def test_the_example_fits_a_small_machine(tmp_path: Path):
    assert fits(tmp_path, GOOD) == {}
    assert fits(tmp_path, replace(GOOD, cores=1)) == {"processes": "warning"}
    assert fits(tmp_path, replace(GOOD, shared_memory=2**20)) == {"shared memory": "stop"}
    assert fits(tmp_path, replace(GOOD, disk_free=2**20)) == {"checkpoints": "stop"}


def test_more_devices_than_gpus_stop_a_run(tmp_path: Path):
    two = replace(GOOD, gpus=(80 * GIB, 80 * GIB))
    assert fits(tmp_path, two) == {}
    assert fits(tmp_path, two, "rollout.engines=2") == {"GPUs wanted": "stop"}
    assert fits(tmp_path, two, "rollout.engines=2", "learner.ranks=2", "cluster.placement=colocated") == {}


def test_memory_of_a_rank(tmp_path: Path):
    one = replace(GOOD, gpus=(80 * GIB, 80 * GIB), memory=500 * GIB, disk_free=1000 * GIB)
    billion = 10**9
    assert fits(tmp_path, one, "model.dtype=bfloat16", "publish.backend=nccl", parameters=5 * billion) == {}
    assert fits(tmp_path, one, "publish.backend=nccl", parameters=6 * billion) == {"GPU memory / rank": "stop"}
    shared = ["cluster.placement=colocated", "publish.backend=ipc", "rollout.memory_fraction=0.5"]
    assert fits(tmp_path, one, *shared, parameters=5 * billion) == {"GPU memory / rank": "stop"}
    assert fits(tmp_path, GOOD, parameters=2 * billion)["memory wanted"] == "stop"


def test_a_backend_that_needs_gpus(tmp_path: Path):
    assert fits(tmp_path, GOOD, "publish.backend=nccl") == {"publish": "stop"}


def test_a_cluster_that_is_joined(tmp_path: Path):
    assert fits(tmp_path, GOOD, "cluster.address=auto", "rollout.engines=99") == {"cluster": "stop"}
    assert fits(tmp_path, replace(GOOD, ray_cluster=True), "cluster.address=auto", "rollout.engines=99") == {}


def test_this_machine_is_surveyed_without_changing_it(tmp_path: Path):
    machine = survey(tmp_path / "not" / "there")
    assert machine.python == sys.version_info[:2]
    assert machine.cores >= 1
    assert machine.memory > 2**28
    assert not (tmp_path / "not").exists()


def test_every_name_is_checked_once(tmp_path: Path):
    names = [check.name for check in examine(load(write_config(tmp_path)))]
    assert {"python", "packages", "ray", "torch", "pydantic", "cores", "GPUs", "memory wanted"} <= set(names)
    assert len(names) == len(set(names))


def test_a_line_for_each_check():
    assert render([Check("ok", "python", "3.11"), Check("stop", "ray", "3.0", "pip install 'ray<3'")]) == (
        "ok       python  3.11\nstop     ray     3.0: pip install 'ray<3'"
    )


def test_our_packages_are_ours():
    check_import_names()


def test_another_package_of_the_same_name_is_named(tmp_path: Path):
    stranger = tmp_path / "rewards"
    stranger.mkdir()
    (stranger / "__init__.py").touch()
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"}
    command = [sys.executable, "-m", "rl", "train", "x.yaml"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr == (
        f"ration: package 'rewards' comes from {stranger}, not from Ration in {Path(__file__).parents[2]}: "
        "move that folder off PYTHONPATH, or start somewhere else\n"
    )
