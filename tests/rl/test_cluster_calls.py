"""Joining a cluster that is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

JOIN = """
from rl.cluster.calls import ray_at
from rl.errors import BadInput
try:
    with ray_at("auto"):
        print("joined")
except BadInput as error:
    print(error)
"""


def test_a_cluster_that_is_not_there_is_bad_input(tmp_path):
    """A temporary folder of its own, so that no other Ray of this machine is found."""
    env = {**os.environ, "RAY_TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    env.pop("RAY_ADDRESS", None)
    done = subprocess.run([sys.executable, "-c", JOIN], env=env, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == (
        "cluster.address=auto: there is no Ray cluster to join; "
        "run `ray start` on this host first, or set cluster.address=local"
    )
