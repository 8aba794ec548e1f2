"""Publishes on a real cluster: `python publish_worker.py CONFIG MODEL ENGINES RECEIVER`, with one rank.

Publishes once, says READY, waits for a line, publishes again and samples. The last line is a JSON object: the `errors`
of both publishes, or the `gap` of the second and what was sampled after it. RECEIVER of "" is the product's own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rl.cluster import Cluster
from rl.cluster.learner import ClusterLearner
from rl.config_file import load
from rl.errors import RunFailed
from rollout.types import BudgetPrior, Task

PROBE = (7, 17, 7, 18, 10, 19, 2, 11, 28, 3, 16)
TASK = Task("t", "1 + 2", "3")


def main(path: Path, model: str, engines: str, receiver: str) -> None:
    small = ["model.context=64", "rollout.max_in_flight=8", "algorithm.budget=8", "cluster.placement=colocated"]
    config = load(path, [f"model.path={model}", f"rollout.engines={engines}", *small])
    with Cluster(config, model, TASK, receiver or None) as cluster:
        cluster.learner.probe([PROBE])
        if receiver:
            print(json.dumps({"errors": [error_of(cluster.learner), error_of(cluster.learner)]}))
            return
        cluster.learner.publish()
        print("READY", flush=True)
        sys.stdin.readline()
        gap = cluster.learner.publish()["publish/gap"]
        priors = [BudgetPrior.single(8)] * 2
        groups = cluster.engines.submit([TASK] * 2, priors, group_size=2, seed=0).result()
        versions = [span.version for group in groups for rollout in group.rollouts for span in rollout.versions]
        print(json.dumps({"gap": gap, "versions": versions, "revivals": cluster.engines.revivals}))


def error_of(learner: ClusterLearner) -> str | None:
    """What a publish was refused with."""
    try:
        learner.publish()
    except RunFailed as error:
        return str(error)
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
