"""metrics.jsonl through crashes and resumes, and what the manifest says of the machine."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import numpy as np
import pytest

from rl.errors import BadInput
from rl.log import RunLog, finite_row, parse_rows, write_manifest


def write_steps(folder: Path, steps: range, *, resume_step: int | None = None) -> None:
    log = RunLog(folder, trackers=(), resume_step=resume_step)
    for step in steps:
        log.log(step, {"reward/mean": step / 10, "tokens/sampled": 5})
    log.close()


def steps_of(folder: Path) -> list[float]:
    return [row["step"] for row in parse_rows(folder / "metrics.jsonl")]


def test_a_row_is_on_disk_before_the_next_step(tmp_path: Path) -> None:
    log = RunLog(tmp_path, trackers=(), resume_step=None)
    log.log(0, {"reward/mean": 0.5, "tokens/sampled": 7})
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 0, "reward/mean": 0.5, "tokens/sampled": 7}\n'
    log.close()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), True, None, "1", {"a": 1.0}, [1.0]])
def test_what_is_not_a_finite_number_is_rejected_by_name_and_nothing_is_written(tmp_path: Path, value: object) -> None:
    log = RunLog(tmp_path, trackers=(), resume_step=None)
    with pytest.raises(ValueError, match=r"step 3: grad_norm is .* not a finite number"):
        log.log(3, {"loss": 1.0, "grad_norm": value})  # pyright: ignore[reportArgumentType]
    log.close()
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_numpy_scalars_become_plain_numbers() -> None:
    row = finite_row(2, {"a": np.float32(0.5), "b": np.int64(3), "step": 2})
    assert json.dumps(row) == '{"step": 2, "a": 0.5, "b": 3}'


def test_resume_keeps_the_rows_before_its_step_and_continues_without_a_gap(tmp_path: Path) -> None:
    write_steps(tmp_path, range(6))
    write_steps(tmp_path, range(4, 8), resume_step=4)
    assert steps_of(tmp_path) == list(range(8))


def test_resume_removes_the_rollouts_that_will_be_sampled_again(tmp_path: Path) -> None:
    write_steps(tmp_path, range(6))
    rollouts = tmp_path / "rollouts"
    rollouts.mkdir()
    names = [f"step_{step:06d}.parquet" for step in range(6)]
    for name in [*names, "step_000002.parquet.tmp"]:
        (rollouts / name).touch()
    RunLog(tmp_path, trackers=(), resume_step=4).close()
    assert sorted(path.name for path in rollouts.iterdir()) == names[:4]


@pytest.mark.parametrize("kept", [1, 10, 30])
def test_a_line_cut_by_a_kill_is_dropped(tmp_path: Path, kept: int) -> None:
    write_steps(tmp_path, range(3))
    path = tmp_path / "metrics.jsonl"
    whole = path.read_text()
    path.write_text(whole + whole.splitlines()[-1][:kept])
    assert steps_of(tmp_path) == [0, 1, 2]
    write_steps(tmp_path, range(3, 5), resume_step=3)
    assert steps_of(tmp_path) == [0, 1, 2, 3, 4]


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    write_steps(tmp_path, range(3))
    path = tmp_path / "metrics.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "{", lines[2]]) + "\n")
    with pytest.raises(BadInput, match=r"metrics.jsonl, line 2: not a JSON object"):
        parse_rows(path)


def test_a_resume_beyond_the_records_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    write_steps(tmp_path, range(3))
    with pytest.raises(BadInput, match="ends at step 2; a resume at 5 would leave a gap"):
        RunLog(tmp_path, trackers=(), resume_step=5)
    assert steps_of(tmp_path) == [0, 1, 2]


def test_a_new_run_never_writes_into_another(tmp_path: Path) -> None:
    write_steps(tmp_path, range(2))
    with pytest.raises(BadInput, match="already holds a run"):
        RunLog(tmp_path, trackers=(), resume_step=None)
    assert steps_of(tmp_path) == [0, 1]


def test_manifest_names_versions_machine_and_every_start(tmp_path: Path) -> None:
    write_manifest(tmp_path, seed=3, argv=["ration", "train", "a.yaml"])
    path = write_manifest(tmp_path, seed=3, argv=["ration", "train", "a.yaml", "--resume", "auto"])
    manifest = json.loads(path.read_text())
    assert manifest["seed"] == 3
    assert manifest["versions"]["python"] == platform.python_version()
    assert {"ration", "torch", "numpy"} <= set(manifest["versions"])
    assert manifest["hardware"]["cores"] == os.cpu_count()
    assert [start["command"][-1] for start in manifest["starts"]] == ["a.yaml", "auto"]
    assert manifest["command"] == manifest["starts"][-1]["command"]
