"""Rows of a run that nobody had to train: what the records' readers are tested on."""

from __future__ import annotations

METRICS = (
    "step reward/mean accuracy/mean tokens/thinking_mean tokens/answer_mean tokens/sampled tokens/sampled_total "
    "budget/largest budget/hit_rate group/informative reward/excluded policy/lag policy/entropy policy/logprob_gap "
    "loss grad_norm time/rollout time/reward time/learn time/publish time/step throughput/sampled_tokens_per_s "
    "throughput/samples_per_s"
)
"""The keys that every row of metrics.jsonl has, with blanks between them."""


def synthetic_rows(count: int) -> list[dict[str, float]]:
    """A run whose accuracy climbs linearly from 0.2 to 0.8 at 2 s and 100 tokens a step."""
    rows: list[dict[str, float]] = []
    for step in range(count):
        accuracy = 0.2 + 0.6 * step / max(1, count - 1)
        row = dict.fromkeys(METRICS.split(), 0.0) | {
            "step": step,
            "reward/mean": accuracy,
            "accuracy/mean": accuracy,
            "tokens/thinking_mean": 20.0,
            "tokens/sampled": 100,
            "tokens/sampled_total": 100 * (step + 1),
            "budget/largest": 32,
            "group/informative": 0.5,
            "time/rollout": 1.0,
            "time/learn": 0.5,
            "time/publish": 0.25,
            "time/step": 2.0,
            "throughput/sampled_tokens_per_s": 50.0,
        }
        if step in (0, count - 1):
            row["heldout/accuracy"] = accuracy
        rows.append(row)
    return rows
