"""Checkpoints: complete or absent, checked before they are used, the last few and the best kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from example_config import TEXT, write_config

from rl import checkpoint
from rl.checkpoint import MANIFEST, State, all_of, check_same_run, find, folder_of, fresh, prune, read, write
from rl.config_file import load
from rl.errors import BadInput


def state(step: int, grade: float = 0.5, **changes) -> State:
    return State(step, 100 * step, grade, 0, {"run.seed": 0}, **changes)


def fill(folder: Path) -> None:
    """What a learner would leave: files in folders of their own."""
    (folder / "learner" / "zero").mkdir(parents=True)
    (folder / "learner" / "zero" / "rank0.pt").write_bytes(b"optimizer")
    (folder / "hf").mkdir()
    (folder / "hf" / "model.safetensors").write_bytes(b"weights")


def names(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


# complete or absent


def test_a_checkpoint_is_read_back_as_it_was_written(tmp_path):
    folder = write(tmp_path, state(12, grade=0.25), fill)
    assert folder == folder_of(tmp_path, 12) == tmp_path / "checkpoints" / "step_000012"
    assert read(folder) == state(12, grade=0.25)
    assert (folder / "learner" / "zero" / "rank0.pt").read_bytes() == b"optimizer"
    assert json.loads((folder / MANIFEST).read_text())["files"] == {
        "hf/model.safetensors": 7,
        "learner/zero/rank0.pt": 9,
    }
    assert names(tmp_path) == ["step_000012"]


def crash(folder: Path) -> None:
    fill(folder)
    raise KeyboardInterrupt


def test_a_crash_in_the_middle_leaves_no_folder_and_the_older_one_intact(tmp_path):
    older = write(tmp_path, state(1), fill)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, state(2), crash)
    assert all_of(tmp_path) == [older]
    assert read(older) == state(1)


def test_leftovers_of_a_crash_are_cleaned_by_the_next_save(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, state(2), crash)
    assert names(tmp_path) == [".building-step_000002"]
    write(tmp_path, state(3), fill)
    assert names(tmp_path) == ["step_000003"]


def test_what_a_crash_left_at_the_same_step_is_not_mixed_in(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, state(2), crash)
    folder = write(tmp_path, state(2), lambda building: (building / "only").write_text("this"))
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "only"]


def test_a_step_that_is_saved_again_is_replaced_only_by_a_complete_one(tmp_path):
    folder = write(tmp_path, state(2, grade=0.1), fill)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, state(2, grade=0.9), crash)
    assert read(folder) == state(2, grade=0.1)
    assert write(tmp_path, state(2, grade=0.9), fill) == folder
    assert read(folder) == state(2, grade=0.9)


# damaged, or of another run


def refusal(call, *arguments) -> str:
    with pytest.raises(BadInput) as refused:
        call(*arguments)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_a_truncated_file_is_named(tmp_path):
    folder = write(tmp_path, state(2), fill)
    (folder / "learner" / "zero" / "rank0.pt").write_bytes(b"opt")
    assert refusal(read, folder) == (
        f"{folder} is damaged: learner/zero/rank0.pt has 3 bytes instead of 9; "
        "remove the folder to resume from the one before it"
    )


def test_a_missing_file_is_named(tmp_path):
    folder = write(tmp_path, state(2), fill)
    (folder / "hf" / "model.safetensors").unlink()
    assert refusal(read, folder) == (
        f"{folder} is damaged: hf/model.safetensors is missing; remove the folder to resume from the one before it"
    )


@pytest.mark.parametrize(
    "content", [b"", b'{"state": {"st', b"\xff\xfe\x00", b"[]", b"{}", b'{"files": {}, "state": {}}']
)
def test_a_damaged_manifest_is_named(tmp_path, content):
    folder = write(tmp_path, state(2), fill)
    (folder / MANIFEST).write_bytes(content)
    message = refusal(read, folder)
    assert message.startswith(f"{folder} is not a complete checkpoint: {MANIFEST}: ")
    assert message.endswith("; remove the folder")


def test_a_missing_manifest_is_named(tmp_path):
    folder = write(tmp_path, state(2), fill)
    (folder / MANIFEST).unlink()
    assert refusal(read, folder).startswith(f"{folder} is not a complete checkpoint: {MANIFEST}: [Errno 2]")


@pytest.fixture
def config(tmp_path):
    held_out = "  held_out: {source: 'reasoning_gym:chain_sum', prompt: metadata.expression, limit: 20}\n"
    return write_config(tmp_path, TEXT.replace("    limit: 100\n", f"    limit: 100\n{held_out}"))


def saved(tmp_path, config, *overrides):
    """A checkpoint of a run, as it comes back from the disk."""
    identity = checkpoint.identity(load(config, overrides))
    folder = write(tmp_path, State(2, 0, 0.5, 0, identity), fill)
    return folder, read(folder)


@pytest.mark.parametrize(
    ("override", "was", "says"),
    [
        ("model.path=/models/qwen", "tiny", "/models/qwen"),
        ("model.dtype=bfloat16", "float32", "bfloat16"),
        ("model.tie_embeddings=false", "True", "False"),
        ("model.warmup.steps=7", "unset", "7"),
        ("data.train.limit=99", "100", "99"),
        ("data.train.options.min_terms=3", "unset", "3"),
        ("data.held_out.limit=10", "20", "10"),  # held-out problems leave the training data: the order changes
        ("run.seed=1", "0", "1"),
        ("rollout.prompts_per_step=8", "4", "8"),
        ("rollout.group_size=4", "2", "4"),
        ("learner.ranks=2", "1", "2"),
        ("learner.zero_stage=3", "0", "3"),
    ],
)
def test_another_config_is_refused_naming_the_knob(tmp_path, config, override, was, says):
    knob = override.split("=")[0]
    if knob == "model.warmup.steps":
        override = "model.warmup={steps: 7}"
    folder, kept = saved(tmp_path, config)
    check_same_run(folder, kept, load(config))
    other = load(config, [override])
    message = refusal(check_same_run, folder, kept, other)
    assert message == f"{folder} is of another run: {knob} was {was}, the config says {says}"
    # and the other way round, where a knob is no longer set
    identity = checkpoint.identity(other)
    back = refusal(check_same_run, folder, State(2, 0, 0.5, 0, json.loads(json.dumps(identity))), load(config))
    assert back == f"{folder} is of another run: {knob} was {says}, the config says {was}"


@pytest.mark.parametrize("override", ["run.steps=99", "learner.lr=1e-6", "run.save_every=1", "rollout.engines=2"])
def test_what_may_change_between_runs(tmp_path, config, override):
    folder, kept = saved(tmp_path, config)
    check_same_run(folder, kept, load(config, [override]))
    assert kept.identity["run.seed"] == 0


# which are kept


def test_prune_keeps_the_last_and_the_best(tmp_path):
    accuracies = {10: 0.2, 20: 0.7, 30: 0.4, 40: 0.5, 50: 0.6}
    for step, accuracy in accuracies.items():
        write(tmp_path, state(step, accuracy), fill)
    prune(tmp_path, keep_last=2)
    assert names(tmp_path) == ["step_000020", "step_000040", "step_000050"]
    prune(tmp_path, keep_last=1)
    assert names(tmp_path) == ["step_000020", "step_000050"]
    write(tmp_path, state(60, 0.8), fill)
    prune(tmp_path, keep_last=1)
    assert names(tmp_path) == ["step_000060"]


def test_prune_of_few_or_none_removes_nothing(tmp_path):
    prune(tmp_path, keep_last=2)
    for step in (1, 2):
        write(tmp_path, state(step), fill)
    prune(tmp_path, keep_last=2)
    assert names(tmp_path) == ["step_000001", "step_000002"]


def test_a_damaged_checkpoint_does_not_end_the_run_that_prunes_it(tmp_path):
    for step, accuracy in ((1, 0.9), (2, 0.3), (3, 0.1)):
        write(tmp_path, state(step, accuracy), fill)
    (folder_of(tmp_path, 1) / "hf" / "model.safetensors").unlink()
    prune(tmp_path, keep_last=1)
    assert names(tmp_path) == ["step_000002", "step_000003"]


# which run


def start(runs: Path, name: str, *, at: float) -> Path:
    """A run folder whose config was written at a moment of the clock."""
    (runs / name).mkdir(parents=True)
    config = runs / name / "config.yaml"
    config.write_text("")
    os.utime(config, (at, at))
    return runs / name


def test_fresh_takes_the_first_free_number(tmp_path):
    assert fresh(tmp_path / "runs", "gsm8k") == tmp_path / "runs" / "gsm8k"
    for name in ("gsm8k", "gsm8k-2", "gsm8k-4", "gsm8k-long", "gsm", "gsm8k-3-copy"):
        start(tmp_path, name, at=1)
    assert fresh(tmp_path, "gsm8k") == tmp_path / "gsm8k-3"
    assert fresh(tmp_path, "gsm") == tmp_path / "gsm-2"
    assert fresh(tmp_path, "gsm8k-long") == tmp_path / "gsm8k-long-2"


def test_auto_without_any_run_is_a_fresh_one(tmp_path):
    assert find(tmp_path / "runs", "gsm8k", "auto") == (tmp_path / "runs" / "gsm8k", None)
    start(tmp_path, "gsm8k-long", at=9)
    assert find(tmp_path, "gsm8k", "auto") == (tmp_path / "gsm8k", None)


def test_auto_is_the_run_of_that_name_that_was_started_last(tmp_path):
    for at, name in enumerate(("gsm8k", "gsm8k-3", "gsm8k-10", "gsm8k-2", "gsm8k-long")):
        start(tmp_path, name, at=at)
    (tmp_path / "gsm8k" / "report.html").write_text("a report of an old run does not make it new")
    assert find(tmp_path, "gsm8k", "auto") == (tmp_path / "gsm8k-2", None)


def test_the_newest_checkpoint_is_taken(tmp_path):
    run = start(tmp_path, "gsm8k", at=1)
    for step in (100, 50, 150):
        write(run, state(step), fill)
    with pytest.raises(KeyboardInterrupt):
        write(run, state(200), crash)
    assert find(tmp_path, "gsm8k", "auto") == (run, run / "checkpoints" / "step_000150")
    assert find(tmp_path, "other", str(run)) == (run, run / "checkpoints" / "step_000150")


def test_a_run_that_is_not_there_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("gsm8k", "empty"):
        place = tmp_path / name
        assert refusal(find, tmp_path, "gsm8k", str(place)) == (
            f"--resume {place}: no run there (a run folder holds config.yaml)"
        )


def test_a_checkpoint_without_a_grade_is_never_the_best(tmp_path):
    for step, grade in ((1, None), (2, None), (3, None), (4, 0.2), (5, None), (6, None)):
        write(tmp_path, state(step, grade), fill)
    prune(tmp_path, 1)
    assert [folder.name for folder in all_of(tmp_path)] == ["step_000004", "step_000006"]
    checkpoint.regrade(folder_of(tmp_path, 4), None)
    prune(tmp_path, 1)
    assert [folder.name for folder in all_of(tmp_path)] == ["step_000006"]
