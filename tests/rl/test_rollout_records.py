"""Rollouts on disk say what was sampled, where it was forced and what it was worth."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rewards.types import RewardResult, ScoredGroup, Status
from rl.rollout_records import SCHEMA, read_rollouts, read_samples, write_rollouts, write_samples
from rollout.types import Answer, BudgetPrior, Finish, Group, Rollout, Task, VersionSpan


def answer(budget: int, prefix: int, thought: str, text: str) -> Answer:
    return Answer(
        budget=budget,
        prefix_len=prefix,
        forced_ids=(90, 91),
        token_ids=(5, 6, 7),
        logprobs=(-0.1, -0.2, -0.3),
        text=text,
        finish=Finish.STOP,
        thought=thought,
        versions=(VersionSpan(4, 0, 3),),
    )


@pytest.fixture
def scored() -> ScoredGroup:
    """One thought of 6 tokens under budgets 4 and 8; the model closed it itself, the cut at 4 was forced."""
    rollout = Rollout(
        prompt_ids=(1, 2, 3),
        token_ids=(10, 11, 12, 13, 14, 15),
        logprobs=(-0.5,) * 6,
        finish=Finish.CLOSED,
        versions=(VersionSpan(3, 0, 5), VersionSpan(4, 5, 6)),
        answers=((answer(4, 4, "2+", "5"),), (answer(8, 6, "2+2", "4 <b>é</b>"),)),
    )
    task = Task("sums/7", "What is 2+2?", "4", "sums", {"entry": {"terms": [2, 2]}})
    group = Group(task, BudgetPrior((4, 8), (0.5, 0.5), "uniform", 2), (rollout,))
    wrong = RewardResult(Status.WRONG, 0.0, {"exact": 0.0, "format": 1.0}, "5 is not 4")
    right = RewardResult(Status.OK, 1.5, {"exact": 1.0, "format": 1.0})
    return ScoredGroup(group, (((wrong,), (right,)),))


def test_parquet_gives_back_every_column(tmp_path: Path, scored: ScoredGroup) -> None:
    path = write_rollouts(tmp_path, 12, [scored])
    assert path == tmp_path / "rollouts" / "step_000012.parquet"
    shared = {
        "step": 12,
        "task_id": "sums/7",
        "source": "sums",
        "prompt": "What is 2+2?",
        "gold": "4",
        "meta": '{"entry": {"terms": [2, 2]}}',
        "prior_kind": "uniform",
        "prior_version": 2,
        "target": 8,
        "effort": 1.0,
        "g": 0,
        "a": 0,
        "forced_ids": [90, 91],
        "answer_tokens": 3,
        "finish": "stop",
        "answer_versions": [{"version": 4, "start": 0, "end": 3}],
    }
    first, second = read_rollouts(path)
    assert first == shared | {
        "s": 0,
        "budget": 4,
        "thought": "2+",
        "thought_tokens": 4,
        "thought_finish": "budget",
        "forced_start": 3 + 4,
        "forced_end": 3 + 4 + 2,
        "answer": "5",
        "status": "wrong",
        "reward": 0.0,
        "parts": {"exact": 0.0, "format": 1.0},
        "detail": "5 is not 4",
        "thought_versions": [{"version": 3, "start": 0, "end": 4}],
    }
    assert second == shared | {
        "s": 1,
        "budget": 8,
        "thought": "2+2",
        "thought_tokens": 6,
        "thought_finish": "closed",
        "forced_start": 3 + 6,
        "forced_end": 3 + 6 + 2,
        "answer": "4 <b>é</b>",
        "status": "ok",
        "reward": 1.5,
        "parts": {"exact": 1.0, "format": 1.0},
        "detail": "",
        "thought_versions": [{"version": 3, "start": 0, "end": 5}, {"version": 4, "start": 5, "end": 6}],
    }


def test_file_is_zstd_typed_and_alone_in_its_folder(tmp_path: Path, scored: ScoredGroup) -> None:
    path = write_rollouts(tmp_path, 3, [scored])
    assert [other.name for other in path.parent.iterdir()] == ["step_000003.parquet"]
    assert pq.read_schema(path).equals(SCHEMA)
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_step_without_groups_is_an_empty_table_of_the_same_columns(tmp_path: Path) -> None:
    assert read_rollouts(write_rollouts(tmp_path, 0, [])) == []


def test_samples_are_the_first_answers_at_the_largest_budget(tmp_path: Path, scored: ScoredGroup) -> None:
    write_samples(tmp_path, "samples_before", [scored] * 5, limit=2)
    sample = {
        "id": "sums/7",
        "prompt": "What is 2+2?",
        "gold": "4",
        "thought": "2+2",
        "answer": "4 <b>é</b>",
        "reward": 1.5,
        "status": "ok",
        "budget": 8,
        "thought_tokens": 6,
        "thought_finish": "closed",
    }
    assert read_samples(tmp_path, "samples_before") == [sample, sample]
    assert read_samples(tmp_path, "samples_after") == []
