"""Real DeepSpeed over gloo: however the work is split, the same numbers come out.

All scenarios of a world size share a set of processes (`learner_worker.py`); the tests read what they left.
"""

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from learner_worker import BUCKET, PROBE, make_forest, make_samples
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from rl.batches import minibatches
from rl.tiny import build_model, build_tokenizer

LR = 1e-3
ROOT = Path(__file__).parents[2]


def settings(*extra, **learner):
    return [f"learner.lr={LR}", *(f"learner.{key}={value}" for key, value in learner.items()), *extra]


STAGES = {f"zero{stage}": {"settings": settings(zero_stage=stage)} for stage in range(4)}
KL = {"settings": settings("learner.loss.kl={k3: 0.1}", zero_stage=3)}
BY_ROLLOUT = "learner.loss.aggregation=sequence_mean"
SLOPE = {"schedule": "linear", "warmup_steps": 1}
BF16 = "model.dtype=bfloat16"
ONE = {
    **STAGES,
    "many": {"settings": settings(micro_tokens=60)},
    "checkpointing": {"settings": settings(gradient_checkpointing="true")},
    "kl": KL,
    "two-steps": {"settings": settings(minibatches=2)},
    "slope": {"settings": settings(**SLOPE)},
    "nan": {"settings": settings(), "steps": 1, "poison": "advantages"},
    "steep": {"settings": settings(), "steps": 1, "poison": "steep"},
    "steep-sharded": {"settings": settings(zero_stage=2), "steps": 1, "poison": "steep"},
    "steep-bf16": {"settings": settings(BF16), "steps": 1, "poison": "steep"},
    "bf16": {"settings": settings(BF16)},
    "bf16-zero2": {"settings": settings(BF16, zero_stage=2)},
    "export": {"settings": settings(), "export": "tied", "steps": 1},
    "copies": {"settings": settings(BY_ROLLOUT), "share": "none", "steps": 2},
    "trees": {"settings": settings(BY_ROLLOUT, gradient_checkpointing="true"), "share": "rollout", "steps": 2},
}
TWO = {
    **STAGES,
    "many": {"settings": settings(micro_tokens=60, zero_stage=3)},
    "sliced": {"settings": settings(micro_tokens=60, zero_stage=3), "limits": {"logits_at_once": 5 * 103}},
    "kl": KL,
    "slope": {"settings": settings(**SLOPE, zero_stage=3), "save": "slope"},
    "nan": {"settings": settings(zero_stage=2), "steps": 1, "poison": "logprobs"},
    "export": {"settings": settings(zero_stage=3), "export": "untied", "steps": 1, "model": "untied-model"},
    "trees": {"settings": settings(BY_ROLLOUT, micro_tokens=90, zero_stage=3), "share": "rollout", "steps": 2},
    "one-tree": {"settings": settings(BY_ROLLOUT, zero_stage=3), "share": "group", "steps": 2},
}
SAME = [
    *((1, name) for name in ("zero1", "zero2", "zero3", "many", "checkpointing")),
    *((2, name) for name in ("zero0", "zero1", "zero2", "zero3", "many", "sliced")),
]


def start(folder, world, scenarios, tag):
    """The processes of one world; every path of a scenario is made one of `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    out = folder / str(world)
    out.mkdir(exist_ok=True)
    paths = {"save": out, "load": out, "export": out, "model": folder}
    absolute = {
        name: {key: str(paths[key] / value) if key in paths else value for key, value in scenario.items()}
        for name, scenario in scenarios.items()
    }
    plan = {"world": world, "port": port, "model": str(folder / "model"), "out": str(out), "scenarios": absolute}
    (out / f"{tag}.json").write_text(json.dumps(plan))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PATH": path}
    worker = str(Path(__file__).with_name("learner_worker.py"))
    processes = {}
    for rank in range(world):
        command, printed = [sys.executable, worker, str(out / f"{tag}.json"), str(rank)], out / f"{tag}.{rank}.txt"
        with printed.open("w") as file:
            processes[printed] = subprocess.Popen(command, env=env, stdout=file, stderr=subprocess.STDOUT)
    return processes


def finish(processes):
    try:
        for printed, process in processes.items():
            assert process.wait(timeout=240) == 0, printed.read_text()[-3000:]
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder, tokenizer = tmp_path_factory.mktemp("learners"), build_tokenizer()
    build_model(tokenizer, context=128, tie_embeddings=True, seed=0).save_pretrained(folder / "model")
    build_model(tokenizer, context=128, tie_embeddings=False, seed=1).save_pretrained(folder / "untied-model")
    finish(start(folder, 1, ONE, "first") | start(folder, 2, TWO, "first"))
    resumed = {"slope-resumed": {**TWO["slope"], "first": 2, "load": "slope"}}
    changed = settings(schedule="linear", warmup_steps=1, zero_stage=3, betas="[0.5, 0.6]", weight_decay=0.25)
    changed = [one.replace(f"learner.lr={LR}", f"learner.lr={3 * LR}") for one in changed]
    resumed["slope-changed"] = {"settings": changed, "first": 2, "load": "slope"}
    finish(start(folder, 2, resumed, "second"))
    return folder


def weights(runs, world, name):
    return load_file(runs / str(world) / f"{name}.safetensors")


def seen(runs, world, name, rank=0):
    return json.loads((runs / str(world) / f"{name}.{rank}.json").read_text())


def column(runs, world, name, key):
    return [row[key] for row in seen(runs, world, name)["stats"]]


def apart(a, b):
    """The largest difference between two sets of weights."""
    assert a.keys() == b.keys()
    return max(float((a[name].float() - b[name].float()).abs().max()) for name in a)


def slowly_trained(folder, *, parts=1):
    """Three updates by the definition: whole log-softmaxes, one sequence at a time, PyTorch's AdamW."""
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, betas=(0.9, 0.99), weight_decay=0.0)
    losses = []

    def logps(sample):
        ids = torch.tensor([sample.token_ids])
        table = model(ids).logits[0, :-1].log_softmax(-1)
        return table.gather(1, ids[0, 1:, None])[:, 0]

    def loss_of(samples, olds):
        trained = sum(sum(sample.loss_mask) for sample in samples)
        total = torch.zeros(())
        for sample, old in zip(samples, olds, strict=True):
            engine, advantage, mask = (
                torch.tensor(values[1:]) for values in (sample.logprobs, sample.advantages, sample.loss_mask)
            )
            ratio = (logps(sample) - old).exp()
            surrogate = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
            total = total - ((old - engine).exp().clamp(max=2.0) * surrogate * mask).sum() / trained
        return total

    for step in range(3):
        halves = minibatches(make_samples(step), parts)
        with torch.no_grad():
            olds = [[logps(sample) for sample in half] for half in halves]
        mean = 0.0
        for half, old in zip(halves, olds, strict=True):
            loss = loss_of(half, old)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            mean += float(loss.detach()) / parts
        losses.append(mean)
    return losses, {name: p.detach() for name, p in model.named_parameters()}


def test_three_updates_are_those_of_the_definition(runs):
    losses, parameters = slowly_trained(runs)
    assert column(runs, 1, "zero0", "loss") == pytest.approx(losses, abs=1e-5)
    assert apart(weights(runs, 1, "zero0"), parameters) < 1e-4
    assert apart(weights(runs, 1, "zero0"), load_file(runs / "model/model.safetensors")) > 2.5 * LR


def test_two_optimizer_steps_of_a_batch_keep_the_policy_that_it_began_with(runs):
    losses, parameters = slowly_trained(runs, parts=2)
    assert column(runs, 1, "two-steps", "loss") == pytest.approx(losses, abs=1e-5)
    assert apart(weights(runs, 1, "two-steps"), parameters) < 1e-4
    assert max(column(runs, 1, "two-steps", "policy/clip_fraction")) > 0.05
    assert column(runs, 1, "zero0", "policy/clip_fraction") == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(("world", "name"), SAME)
def test_ranks_shards_and_micro_batches_change_nothing(runs, world, name):
    for key in ("loss", "grad_norm", "policy/entropy", "policy/logprob_gap"):
        assert column(runs, world, name, key) == pytest.approx(column(runs, 1, "zero0", key), abs=1e-4), key
    assert apart(weights(runs, world, name), weights(runs, 1, "zero0")) < 1e-4
    expected = seen(runs, 1, "zero0")["logprobs"]
    assert seen(runs, world, name)["logprobs"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("world", "name", "share"), [(1, "trees", "rollout"), (2, "trees", "rollout"), (2, "one-tree", "group")]
)
def test_what_is_shared_changes_nothing_but_the_tokens_computed(runs, world, name, share):
    for key in ("loss", "grad_norm", "policy/entropy", "policy/logprob_gap", "learner/trained_tokens"):
        assert column(runs, world, name, key) == pytest.approx(column(runs, 1, "copies", key), abs=1e-4), key
    assert apart(weights(runs, world, name), weights(runs, 1, "copies")) < 1e-4
    assert column(runs, 1, "copies", "learner/computed_tokens") == computed("none")
    assert column(runs, world, name, "learner/computed_tokens") == computed(share)


def computed(share):
    return [sum(len(sample.token_ids) for sample in make_forest(step, share)) for step in range(2)]


def test_recomputed_activations_change_nothing(runs):
    assert apart(weights(runs, 1, "checkpointing"), weights(runs, 1, "zero0")) < 1e-5


def test_the_ranks_tell_the_same(runs):
    for name in TWO:
        assert seen(runs, 2, name, rank=0)["stats"] == seen(runs, 2, name, rank=1)["stats"]


def test_the_divergence_from_the_frozen_start_begins_at_zero(runs):
    one, two = (column(runs, world, "kl", "policy/kl") for world in (1, 2))
    assert one[0] == two[0] == 0.0
    assert 1e-4 < one[1] < one[2] < 10
    assert two == pytest.approx(one, abs=1e-4)
    assert apart(weights(runs, 1, "kl"), weights(runs, 2, "kl")) < 1e-4


def test_each_step_takes_the_rate_of_its_schedule(runs):
    for world in (1, 2):
        assert column(runs, world, "slope", "learner/lr") == pytest.approx([LR / 2, LR, LR / 2])


def test_a_nan_stops_every_rank_before_the_weights_change(runs):
    start = load_file(runs / "model/model.safetensors")
    for world in (1, 2):
        for rank in range(world):
            assert "the loss is nan" in seen(runs, world, "nan", rank)["error"]
        assert apart(weights(runs, world, "nan"), start) == 0.0


@pytest.mark.parametrize("name", ["steep", "steep-sharded", "steep-bf16"])
def test_a_gradient_without_a_norm_ends_the_step_whoever_clips_it(runs, name):
    """DeepSpeed's own optimizers only tell the norm, when it is too late to keep the weights as they were."""
    assert "the gradient's norm is " in (seen(runs, 1, name)["error"] or "")


def test_a_saved_learner_goes_on_in_fresh_processes_as_if_nothing_had_happened(runs):
    for key in ("loss", "grad_norm", "learner/lr"):
        last = column(runs, 2, "slope", key)[-1:]
        assert column(runs, 2, "slope-resumed", key) == pytest.approx(last, abs=1e-6)
    assert apart(weights(runs, 2, "slope-resumed"), weights(runs, 2, "slope")) < 1e-6


def test_a_new_rate_is_taken_up_with_an_old_checkpoint(runs):
    """At the last of three steps the slope is at half; the decay alone moves a weight by lr x 0.25 of itself."""
    assert column(runs, 2, "slope-changed", "learner/lr") == pytest.approx([3 * LR / 2])
    assert column(runs, 2, "slope-changed", "loss") == pytest.approx(column(runs, 2, "slope-resumed", "loss"), abs=1e-6)
    (group,) = seen(runs, 2, "slope-changed")["groups"]
    assert (group["betas"], group["weight_decay"]) == ([0.5, 0.6], 0.25)


@pytest.mark.parametrize(("world", "name"), [(1, "tied"), (2, "untied")])
def test_an_export_loads_in_transformers(runs, world, name):
    model = AutoModelForCausalLM.from_pretrained(runs / str(world) / name, dtype=torch.float32)
    sent = weights(runs, world, "export")
    assert ("lm_head.weight" in sent) == (name == "untied")
    assert apart(sent, {key: p.detach() for key, p in model.named_parameters()}) == 0.0
    ids = torch.tensor([PROBE])
    with torch.no_grad():
        expected = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0].tolist()
    assert seen(runs, world, "export")["logprobs"] == pytest.approx(expected, abs=1e-4)


def test_buckets_keep_to_their_size_and_hold_everything_once(runs):
    for world, name in ((1, "zero0"), (2, "zero3")):
        buckets = seen(runs, world, name)["buckets"]
        assert sum(map(sum, buckets)) == sum(p.nbytes for p in weights(runs, world, name).values()) == 4 * 801_792
        assert all(sum(bucket) <= BUCKET or len(bucket) == 1 for bucket in buckets)


def test_bfloat16_moves_by_the_learning_rate_at_every_stage(runs):
    """DeepSpeed's own stage 0 would move by 0.74 of it at first: see `deepspeed_config`."""
    assert column(runs, 1, "bf16", "loss") == pytest.approx(column(runs, 1, "bf16-zero2", "loss"), abs=1e-6)
    assert apart(weights(runs, 1, "bf16"), weights(runs, 1, "bf16-zero2")) == 0.0
    assert column(runs, 1, "bf16", "loss")[0] == pytest.approx(column(runs, 1, "zero0", "loss")[0], abs=0.01)
    assert all(map(math.isfinite, column(runs, 1, "bf16", "grad_norm")))
    start, end = load_file(runs / "model/model.safetensors"), weights(runs, 1, "bf16")
    assert end["model.norm.weight"].dtype == torch.bfloat16
    moved = torch.cat([(end[name].float() - start[name].bfloat16().float()).abs().flatten() for name in start])
    exact, begun = weights(runs, 1, "zero0"), {name: p.float() for name, p in start.items()}
    wanted = torch.cat([(exact[name] - begun[name]).abs().flatten() for name in start])
    assert float(moved.mean()) == pytest.approx(float(wanted.mean()), rel=0.05)
