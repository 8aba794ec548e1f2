"""Joining a cluster that is not there, and who shares a device with whom on one that is."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from example_config import write_config

from rl.cluster.calls import knock, ray_at
from rl.errors import BadInput

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_address_at_which_nobody_listens_is_bad_input_at_once():
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(BadInput) as refused, ray_at(address):
        pass
    assert str(refused.value) == (
        f"cluster.address={address}: there is no Ray cluster to join; "
        "run `ray start` there first, or set cluster.address=local"
    )


def test_where_somebody_listens_ray_is_asked():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert knock(f"127.0.0.1:{server.getsockname()[1]}") is None


@pytest.mark.parametrize("address", ["local", "auto", "ray://127.0.0.1:1"])
def test_other_addresses_are_ray_s_to_resolve(address):
    assert knock(address) is None


PAIRS = """
import sys
import ray
from rl.cluster import options
from rl.cluster.calls import actors_of
from rl.config_file import load
from rl.placement import check_room

class Actor:
    def where(self):
        return ray.get_gpu_ids()

ray.init(num_cpus=12, num_gpus=4, include_dashboard=False)  # Ray deals out what it is told, there or not
config = load(sys.argv[1], ["cluster.placement=colocated", "rollout.engines=4", "learner.ranks=4"])
sides = options(config, check_room(config, ray.cluster_resources()))
actors = [[actors_of(Actor, **one).remote() for one in side] for side in sides]
print([ray.get([actor.where.remote() for actor in side]) for side in actors])
ray.shutdown()
"""


def test_colocated_engines_and_ranks_share_gpus_in_pairs(tmp_path):
    """Each engine with the rank of its number: two ranks on one GPU are refused by NCCL."""
    told = subprocess.run(
        [sys.executable, "-c", PAIRS, str(write_config(tmp_path))],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    engines, ranks = ast.literal_eval(told.stdout.splitlines()[-1])
    assert engines == ranks
    assert sorted(engines) == [[0], [1], [2], [3]]
