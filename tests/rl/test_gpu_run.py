"""The command on one GPU, which engine and learner share: each way of the weights, in each precision."""

from __future__ import annotations

import math

import pytest
import torch
from live_runs import Runs

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

SHARED = ("cluster.placement=colocated", "rollout.memory_fraction=0.3", "run.steps=3", "run.save_every=3")
BF16 = "model.dtype=bfloat16"
FLOAT32_GAP = 1e-3
"""4.5e-4 was measured on an H100, 4e-7 on CPUs: GPU kernels round products of float32 to TF32 where they may."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    runs = Runs(tmp_path_factory.mktemp("gpu"))
    yield runs
    runs.close()


def gaps(runs: Runs, name: str, *overrides: str) -> list[float]:
    """How far engine and learner are apart in three steps, on the probes and on what was sampled."""
    assert runs.end(runs.start(name, *SHARED, *overrides)) == 0, runs.printed(name).read_text()[-3000:]
    rows = runs.rows(name)
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert all(math.isfinite(row["loss"]) and row["grad_norm"] > 0 for row in rows)
    return [row[of] for row in rows for of in ("publish/gap", "policy/logprob_gap")]


def test_float32_through_shared_memory(runs):
    assert max(gaps(runs, "shm32")) < FLOAT32_GAP


def test_float32_by_handle(runs):
    assert max(gaps(runs, "ipc32", "publish.backend=ipc")) < FLOAT32_GAP


@pytest.mark.parametrize("stage", [0, 3])
def test_bfloat16_by_handle(runs, stage):
    """Of the parameters themselves; under ZeRO-3 of copies, since they are whole only for a moment."""
    assert max(gaps(runs, f"ipc16-{stage}", BF16, "publish.backend=ipc", f"learner.zero_stage={stage}")) < 0.05


def test_token_trees_by_flex_attention(runs):
    brpo = ("algorithm.type=brpo", "algorithm.num_budgets=3", "algorithm.answers=2", "learner.drop_zero_signal=false")
    trees = ("learner.share=group", "learner.attention=flex", "learner.gradient_checkpointing=true")
    assert max(gaps(runs, "flex", BF16, "publish.backend=ipc", *brpo, *trees)) < 0.05
