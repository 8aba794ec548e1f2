"""One rank of real learners, in a process of its own: `python learner_worker.py PLAN.json RANK`.

Every scenario of the plan is a fresh learner in the same process group. It leaves NAME.json (the
statistics of each update, log-probabilities, the error) and, from rank 0, NAME.safetensors.
"""

from __future__ import annotations

import dataclasses
import json
import random
import sys
from pathlib import Path
from typing import Any

import torch
from example_config import write_config
from make_trees import random_group
from safetensors.torch import save_file

from rl.aggregation import weights_named
from rl.batches import batch_of, minibatches
from rl.config import TrainConfig
from rl.config_file import load
from rl.deepspeed_learner import DeepSpeedLearner
from rl.samples import flatten
from rl.trees import chain
from rl.types import Sample

PROMPT = 4
PROBE = (7, 17, 7, 18, 10, 19, 2, 11, 28, 3, 16)
BUCKET = 200_000


def make_samples(seed: int, poison: str | None = None) -> list[Sample]:
    """Seven rollouts of very different lengths; `poison` says what is wrong with the last: a field that is NaN."""
    rng = random.Random(seed)
    samples = [_sample(rng, rollout, length) for rollout, length in enumerate((9, 40, 14, 23, 31, 12, 26))]
    if poison is not None:
        value = {"steep": 1e37}.get(poison, float("nan"))  # steep: a finite loss whose gradient's norm overflows
        field = {"steep": "advantages"}.get(poison, poison)
        samples[-1] = dataclasses.replace(samples[-1], **{field: (value,) * len(samples[-1].token_ids)})
    return samples


def make_forest(seed: int, share: str) -> list[Sample]:
    """A group of four rollouts with four cuts each and three answers at each, shared as `share` says."""
    return flatten(*random_group(seed), share)


def _sample(rng: random.Random, rollout: int, length: int) -> Sample:
    mask = [0] * PROMPT + [1] * (length - PROMPT)
    mask[length // 2] = 0  # a forced token in the middle
    return Sample(
        token_ids=tuple(rng.randrange(7, 90) for _ in range(length)),
        parents=chain(length),
        loss_mask=tuple(mask),
        logprobs=tuple(rng.uniform(-6.0, -4.0) for _ in range(length)),
        advantages=(rng.choice([-1.0, 0.5, 1.5]),) * length,
        rollouts=(rollout,) * length,
        versions=(),
    )


def update(learner: DeepSpeedLearner, config: TrainConfig, rank: int, samples: list[Sample]) -> dict[str, float]:
    """One batch, cut and dealt as the cluster does it."""
    knobs = config.learner
    weights = weights_named(knobs.loss.aggregation)
    parts = [
        batch_of(part, weights, ranks=knobs.ranks, micro_tokens=knobs.micro_tokens)
        for part in minibatches(samples, knobs.minibatches)
    ]
    return learner.update([part[rank] for part in parts])


def samples_of(scenario: dict[str, Any], step: int) -> list[Sample]:
    if "share" in scenario:
        return make_forest(step, scenario["share"])
    return make_samples(step, scenario.get("poison"))


def play(scenario: dict[str, Any], learner: DeepSpeedLearner, config: TrainConfig, rank: int) -> dict[str, Any]:
    """Load, update, save, export, as the scenario says; what was seen on the way."""
    seen: dict[str, Any] = {"stats": [], "error": None}
    if "load" in scenario:
        learner.load(Path(scenario["load"]))
    for step in range(scenario.get("first", 0), scenario.get("steps", 3)):
        try:
            seen["stats"].append(update(learner, config, rank, samples_of(scenario, step)))
        except FloatingPointError as error:
            seen["error"] = str(error)
        if "save" in scenario and step == 1:
            learner.save(Path(scenario["save"]))
    seen["logprobs"] = learner.logprobs(PROBE)
    knobs = ("betas", "weight_decay")
    seen["groups"] = [{name: group[name] for name in knobs} for group in learner._engine.optimizer.param_groups]
    if "export" in scenario:
        learner.export(Path(scenario["export"]), max_bytes=BUCKET)
    return seen


def run(plan: dict[str, Any], rank: int) -> None:
    out, world = Path(plan["out"]), plan["world"]
    for name, scenario in plan["scenarios"].items():
        model = scenario.get("model", plan["model"])
        settings = [f"model.path={model}", f"learner.ranks={world}", "run.steps=3", *scenario["settings"]]
        config = load(write_config(out, name=f"{world}-{rank}.yaml"), settings)
        where = {"rank": rank, "world": world, "address": "127.0.0.1", "port": plan["port"]}
        learner = DeepSpeedLearner(config, model=model, **where, **scenario.get("limits", {}))
        seen = play(scenario, learner, config, rank)
        buckets = [{name: p.to("cpu", copy=True) for name, p in bucket} for bucket in learner.buckets(BUCKET)]
        seen["buckets"] = [[p.nbytes for p in bucket.values()] for bucket in buckets]
        if rank == 0:
            save_file({key: p for bucket in buckets for key, p in bucket.items()}, out / f"{name}.safetensors")
        (out / f"{name}.{rank}.json").write_text(json.dumps(seen))
    learner.close()


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]))
