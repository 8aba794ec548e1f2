"""A small valid run for tests of the files that read configs."""

from __future__ import annotations

from pathlib import Path

TEXT = """\
run:
  name: example
  steps: 10
model:
  path: tiny
  dtype: float32
  context: 128
data:
  train:
    source: reasoning_gym:chain_sum
    prompt: metadata.expression
    limit: 100
rollout:
  prompts_per_step: 4
  group_size: 2
  answer_tokens: 16
reward:
  terms:
    - name: reasoning_gym
algorithm:
  type: grpo
  budget: 32
learner:
  lr: 1e-4
"""


def write_config(folder: Path, text: str = TEXT, name: str = "run.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
