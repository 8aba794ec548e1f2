"""Real problems through the whole stack: GSM8K, the tiny model, every answer judged by math-verify."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rl.rollout_records import read_rollouts

DATA = Path(os.environ.get("RATION_DATA", Path(__file__).parents[2].parent / "shared/data"))
PROBLEMS = DATA / "gsm8k_train.jsonl"

CONFIG = """
run: {name: gsm8k, steps: 2}
model: {path: tiny, dtype: float32, context: 1280}
data:
  train: {source: SOURCE, prompt: question, answer_after: "####"}
rollout: {prompts_per_step: 4, group_size: 4, answer_tokens: 16, max_in_flight: 16}
reward:
  terms: [{name: math}]
algorithm: {type: grpo, budget: 32}
learner: {lr: 1e-4, drop_zero_signal: false}
cluster: {placement: colocated}
"""


@pytest.mark.skipif(not PROBLEMS.exists(), reason=f"{PROBLEMS} is not there: set RATION_DATA to where it is")
def test_gsm8k_runs_end_to_end_and_every_answer_is_judged(tmp_path: Path):
    (tmp_path / "gsm8k.yaml").write_text(CONFIG.replace("SOURCE", str(PROBLEMS)))
    command = [sys.executable, "-m", "rl", "train", "gsm8k.yaml"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]

    run = tmp_path / "runs" / "gsm8k"
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in metrics] == [0, 1]
    assert max(row["policy/logprob_gap"] for row in metrics) <= 1e-3
    assert [row["reward/excluded"] for row in metrics] == [0.0, 0.0]

    golds = {}
    for line in PROBLEMS.read_text().splitlines():
        problem = json.loads(line)
        golds[problem["question"]] = problem["answer"].split("####")[-1].strip()
    rows = [row for path in sorted((run / "rollouts").iterdir()) for row in read_rollouts(path)]
    assert len(rows) == 2 * 4 * 4
    assert all(golds[row["prompt"]] == row["gold"] for row in rows)
    assert {row["status"] for row in rows} <= {"ok", "wrong", "unparsable"}
