"""What was sampled and what it was worth, on disk: a parquet file per step, and sample transcripts as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from rewards.types import RewardResult, ScoredGroup
from rl.log import replacing
from rollout.types import Answer, Finish, Group, Rollout, VersionSpan

Sample: TypeAlias = dict[str, Any]
"""A transcript for people, as `write_samples` keeps it."""

SPANS = pa.list_(pa.struct([("version", pa.int64()), ("start", pa.int32()), ("end", pa.int32())]))

SCHEMA = pa.schema(
    [
        ("step", pa.int64()),
        ("task_id", pa.string()),
        ("source", pa.string()),
        ("prompt", pa.string()),
        ("gold", pa.string()),
        ("meta", pa.string()),  # JSON: what a reward needs to judge the row again
        ("prior_kind", pa.string()),
        ("prior_version", pa.int64()),
        ("target", pa.int32()),  # tokens that the prompt named
        ("effort", pa.float64()),  # share of the usual length that the prompt named
        ("g", pa.int32()),  # index of the rollout in its group
        ("s", pa.int32()),  # index of the budget
        ("a", pa.int32()),  # index of the answer at that budget
        ("budget", pa.int32()),
        ("thought", pa.string()),
        ("thought_tokens", pa.int32()),  # tokens of the thought that the answer follows
        ("thought_finish", pa.string()),
        ("forced_ids", pa.list_(pa.int32())),
        # Positions in the sequence prompt + thought + forced + answer.
        ("forced_start", pa.int32()),
        ("forced_end", pa.int32()),
        ("answer", pa.string()),
        ("answer_tokens", pa.int32()),
        ("finish", pa.string()),
        ("status", pa.string()),
        ("reward", pa.float64()),
        ("parts", pa.map_(pa.string(), pa.float64())),
        ("detail", pa.string()),
        ("thought_versions", SPANS),  # positions in the thought
        ("answer_versions", SPANS),  # positions in the answer
    ]
)


def spans_within(spans: Iterable[VersionSpan], length: int) -> list[dict[str, int]]:
    """Version spans cut to the first `length` tokens."""
    cut = ((span.version, span.start, min(span.end, length)) for span in spans)
    return [{"version": version, "start": start, "end": end} for version, start, end in cut if start < end]


def thought_finish(rollout: Rollout, answer: Answer) -> Finish:
    """How the thought that the answer follows ended: a cut before the thought's own end is a budget's doing."""
    return Finish.BUDGET if answer.prefix_len < len(rollout.token_ids) else rollout.finish


def answers_with_results(scored: ScoredGroup) -> Iterator[tuple[int, int, int, Rollout, Answer, RewardResult]]:
    """Indices g, s, a, then the rollout, the answer and its verdict, in that order of axes."""
    for g, rollout in enumerate(scored.group.rollouts):
        for s, answers_A in enumerate(rollout.answers):
            for a, answer in enumerate(answers_A):
                yield g, s, a, rollout, answer, scored.results[g][s][a]


def task_columns(step: int, group: Group) -> dict[str, Any]:
    """What all rows of a group share. What JSON cannot hold of `meta` is kept as its text."""
    return {
        "step": step,
        "task_id": group.task.id,
        "source": group.task.source,
        "prompt": group.task.prompt,
        "gold": group.task.answer,
        "meta": json.dumps(dict(group.task.meta), default=str),
        "prior_kind": group.prior.kind,
        "prior_version": group.prior.version,
        "target": group.prior.asked,
    }


def answer_columns(rollout: Rollout, answer: Answer) -> dict[str, Any]:
    """One answer and the cut of the thought that it follows."""
    forced_start = len(rollout.prompt_ids) + answer.prefix_len
    return {
        "budget": answer.budget,
        "thought": answer.thought,
        "thought_tokens": answer.prefix_len,
        "thought_finish": thought_finish(rollout, answer).value,
        "forced_ids": answer.forced_ids,
        "forced_start": forced_start,
        "forced_end": forced_start + len(answer.forced_ids),
        "answer": answer.text,
        "answer_tokens": len(answer.token_ids),
        "finish": answer.finish.value,
        "thought_versions": spans_within(rollout.versions, answer.prefix_len),
        "answer_versions": spans_within(answer.versions, len(answer.token_ids)),
    }


def result_columns(result: RewardResult) -> dict[str, Any]:
    """The verdict."""
    parts = {name: float(value) for name, value in result.parts.items()}
    return {"status": result.status.value, "reward": float(result.value), "parts": parts, "detail": result.detail}


def rollout_rows(step: int, scored_groups: Sequence[ScoredGroup]) -> list[dict[str, Any]]:
    """One row per answer, with the columns of `SCHEMA`."""
    return [
        {
            **task_columns(step, scored.group),
            "effort": scored.group.effort(g),
            "g": g,
            "s": s,
            "a": a,
            **answer_columns(rollout, answer),
            **result_columns(result),
        }
        for scored in scored_groups
        for g, s, a, rollout, answer, result in answers_with_results(scored)
    ]


def write_rollouts(folder: Path, step: int, scored_groups: Sequence[ScoredGroup]) -> Path:
    """Write rollouts/step_000012.parquet in the run folder, complete or not at all."""
    path = folder / "rollouts" / f"step_{step:06d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rollout_rows(step, scored_groups), schema=SCHEMA)
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path


def read_rollouts(path: Path) -> list[dict[str, Any]]:
    """The rows of one file, `parts` as a dict from name to number."""
    return pq.read_table(path).to_pylist(maps_as_pydicts="strict")


def write_samples(folder: Path, name: str, scored_groups: Sequence[ScoredGroup], *, limit: int = 8) -> Path:
    """Write transcripts for people as `name`.json: of the first `limit` groups, the first answer at the largest budget.

    `rl.report` and `rl.console` show `samples_before` beside `samples_after`, matched by task id.
    """
    samples: list[Sample] = []
    for scored in scored_groups[:limit]:
        task, rollout, result = scored.group.task, scored.group.rollouts[0], scored.results[0][-1][0]
        answer = rollout.answers[-1][0]
        samples.append(
            {
                "id": task.id,
                "prompt": task.prompt,
                "gold": task.answer,
                "thought": answer.thought,
                "answer": answer.text,
                "reward": float(result.value),
                "status": result.status.value,
                "budget": answer.budget,
                "thought_tokens": answer.prefix_len,
                "thought_finish": thought_finish(rollout, answer).value,
            }
        )
    path = folder / f"{name}.json"
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(samples, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_samples(folder: Path, name: str) -> list[Sample]:
    """What `write_samples` wrote; empty when it did not."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
