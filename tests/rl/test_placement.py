"""What the actors ask of a cluster, and what is said when it has no room."""

from __future__ import annotations

import os

import pytest
from example_config import write_config

from rl.config_file import load
from rl.errors import BadInput
from rl.placement import Needs, check_room, needs, threads_each


def configure(folder, *overrides):
    return load(write_config(folder), overrides)


def one_each(engine, rank, pairs=0):
    """Needs of an engine and a rank as (CPUs, GPUs)."""
    return Needs(*({"num_cpus": cpus, "num_gpus": gpus} for cpus, gpus in (engine, rank)), pairs=pairs)


@pytest.mark.parametrize(
    ("overrides", "gpus", "expected"),
    [
        ([], False, one_each((1, 0), (1, 0))),
        (["cluster.placement=colocated"], False, one_each((0.5, 0), (0.5, 0))),
        ([], True, one_each((1, 1), (1, 1))),
        (["rollout.tensor_parallel=4"], True, one_each((1, 4), (1, 1))),
        (["cluster.placement=colocated"], True, one_each((1, 0.5), (1, 0.5), pairs=1)),
        (["cluster.placement=colocated", "rollout.engines=3"], True, one_each((1, 0.5), (1, 0.5), pairs=3)),
        (["cluster.placement=colocated", "learner.ranks=2"], True, one_each((1, 0.5), (1, 0.5), pairs=2)),
    ],
)
def test_what_each_actor_asks_for(tmp_path, overrides, gpus, expected):
    assert needs(configure(tmp_path, *overrides), gpus=gpus) == expected


def test_a_shared_gpu_holds_a_whole_engine_or_none(tmp_path):
    config = configure(tmp_path, "cluster.placement=colocated", "rollout.tensor_parallel=2")
    with pytest.raises(BadInput) as refused:
        needs(config, gpus=True)
    assert str(refused.value) == "cluster.placement=colocated needs rollout.tensor_parallel=1: use placement=split"


@pytest.mark.parametrize(
    ("overrides", "resource", "just"),
    [
        ([], "CPU", 2.0),
        (["rollout.engines=2", "learner.ranks=2"], "CPU", 4.0),
        (["rollout.engines=2", "learner.ranks=2", "cluster.placement=colocated"], "CPU", 2.0),
        (["rollout.engines=2", "rollout.tensor_parallel=2", "learner.ranks=4"], "GPU", 8.0),
        (["rollout.engines=8", "learner.ranks=8", "cluster.placement=colocated"], "GPU", 8.0),
        (["rollout.engines=2", "learner.ranks=4", "cluster.placement=colocated"], "GPU", 4.0),
    ],
)
def test_the_least_that_is_enough(tmp_path, overrides, resource, just):
    config = configure(tmp_path, *overrides)
    room = {"CPU": 64.0, "memory": 1e9, resource: just}
    assert check_room(config, room) == needs(config, gpus=resource == "GPU")
    with pytest.raises(
        BadInput, match=f"the cluster has {just - 0.5:g} {resource}s, but .* need {just:g}: ask for fewer"
    ):
        check_room(config, {**room, resource: just - 0.5})


def test_more_actors_than_there_is_room_for_are_refused_with_the_remedy(tmp_path):
    config = configure(tmp_path, "rollout.engines=3", "learner.ranks=2")
    with pytest.raises(BadInput) as refused:
        check_room(config, {"CPU": 4.0})
    assert str(refused.value) == (
        "the cluster has 4 CPUs, but rollout.engines=3 and learner.ranks=2 need 5: "
        "ask for fewer, or set cluster.placement=colocated"
    )


def test_colocation_is_no_remedy_for_those_who_have_it(tmp_path):
    config = configure(tmp_path, "rollout.engines=8", "cluster.placement=colocated")
    with pytest.raises(BadInput, match=r"rollout.engines=8 and learner.ranks=1 need 4.5: ask for fewer$"):
        check_room(config, {"CPU": 4.0})


@pytest.mark.parametrize("backend", ["shm", "ipc"])
def test_weights_pass_between_hosts_by_nccl_alone(tmp_path, backend):
    room = {"CPU": 8.0, "GPU": 8.0, "node:__internal_head__": 1.0, "node:10.0.0.1": 1.0}
    config = configure(tmp_path, f"publish.backend={backend}", "cluster.placement=colocated")
    assert check_room(config, room) == needs(config, gpus=True)
    with pytest.raises(
        BadInput,
        match=f"publish.backend={backend} passes weights on one host, the cluster has 2: set publish.backend=nccl "
        "cluster.placement=split",
    ):
        check_room(config, room | {"node:10.0.0.2": 1.0})
    across = configure(tmp_path, "publish.backend=nccl")
    assert check_room(across, room | {"node:10.0.0.2": 1.0}) == needs(across, gpus=True)


def test_a_cluster_without_anything_has_no_room(tmp_path):
    with pytest.raises(BadInput, match=r"the cluster has 0 CPUs, but rollout.engines=1 and learner.ranks=1 need 2"):
        check_room(configure(tmp_path), {})


def test_cores_are_shared_only_by_those_that_work_at_once(tmp_path):
    cores = os.cpu_count() or 1
    assert threads_each(configure(tmp_path), 1) == cores
    assert threads_each(configure(tmp_path, "run.lookahead=1"), 1) == max(1, cores // 2)
    assert threads_each(configure(tmp_path), 2) == max(1, cores // 2)
    assert threads_each(configure(tmp_path, "run.lookahead=3"), 10 * cores) == 1
