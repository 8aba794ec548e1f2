"""Whether and how the actors of a run fit on a cluster (pure)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from rl.config import EngineSide, TrainConfig
from rl.errors import BadInput

ACROSS = "publish.backend=nccl cluster.placement=split"
HEAD = "node:__internal_head__"
"""A resource that Ray gives the head beside the one that every host has, which is named after its address."""


@dataclass(frozen=True)
class Needs:
    """What one actor of each kind asks of Ray.

    `pairs` is how many GPUs each hold the n-th engine, the n-th rank, or both; 0 where no GPU is shared.
    """

    engine: dict[str, float]
    rank: dict[str, float]
    pairs: int = 0


def needs(config: TrainConfig, *, gpus: bool) -> Needs:
    """Resources of an engine and of a learner's rank; colocated ones share a device."""
    shared = config.cluster.placement == "colocated"
    tensor_parallel = config.rollout.tensor_parallel
    if not gpus:
        share = 0.5 if shared else 1.0
        return Needs({"num_cpus": share, "num_gpus": 0}, {"num_cpus": share, "num_gpus": 0})
    if shared and tensor_parallel > 1:
        raise BadInput("cluster.placement=colocated needs rollout.tensor_parallel=1: use placement=split")
    if shared:
        half = {"num_cpus": 1, "num_gpus": 0.5}
        return Needs(half, half, pairs=max(config.rollout.engines, config.learner.ranks))
    return Needs({"num_cpus": 1, "num_gpus": float(tensor_parallel)}, {"num_cpus": 1, "num_gpus": 1})


def check_room(config: TrainConfig, available: Mapping[str, float]) -> Needs:
    """Raises BadInput when the actors do not fit, before Ray would wait for room for ever, and when weights would have
    to pass between hosts by a backend that knows only one."""
    need = needs(config, gpus=available.get("GPU", 0) > 0)
    remedy = "" if config.cluster.placement == "colocated" else ", or set cluster.placement=colocated"
    for kind, resource in (("num_cpus", "CPU"), ("num_gpus", "GPU")):
        engines, ranks = need.pairs or config.rollout.engines, need.pairs or config.learner.ranks
        asked = engines * need.engine[kind] + ranks * need.rank[kind]
        if asked > available.get(resource, 0) + 1e-9:
            raise BadInput(
                f"the cluster has {available.get(resource, 0):g} {resource}s, but rollout.engines="
                f"{config.rollout.engines} and learner.ranks={config.learner.ranks} need {asked:g}: "
                f"ask for fewer{remedy}"
            )
    hosts = sum(name.startswith("node:") and name != HEAD for name in available)
    if hosts > 1 and config.publish.backend != "nccl":
        backend = config.publish.backend
        raise BadInput(f"publish.backend={backend} passes weights on one host, the cluster has {hosts}: set {ACROSS}")
    return need


def engine_room(config: EngineSide, available: Mapping[str, float]) -> dict[str, float]:
    """What each engine of an evaluation asks of Ray. Raises BadInput when they do not fit."""
    gpus, engines = available.get("GPU", 0), config.rollout.engines
    name, has, each = ("GPU", gpus, config.rollout.tensor_parallel) if gpus else ("CPU", available.get("CPU", 0), 1)
    if engines * each > has + 1e-9:
        raise BadInput(f"the cluster has {has:g} {name}s, but rollout.engines={engines} need {engines * each}")
    return {"num_cpus": 1, "num_gpus": float(each) if gpus else 0}


def threads_each(config: TrainConfig, actors: int) -> int:
    """CPU threads of each of `actors` of one kind: engines and learner take turns, or share the cores."""
    at_once = actors if config.run.lookahead == 0 else 2 * actors
    return max(1, (os.cpu_count() or 1) // at_once)
