"""Checkpoints: complete or absent, checked before they are used, the last few and the best kept.

Nothing here knows what a learner is: it writes a folder, names its files in a manifest, and renames.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rl.config import TrainConfig
from rl.errors import BadInput

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class State:
    """Where a run stands: `step` batches trained on, which is also its place in the data and its weight version."""

    step: int
    sampled_total: int
    accuracy: float
    budget_version: int
    identity: Mapping[str, Any]


def identity(config: TrainConfig) -> dict[str, Any]:
    """The knobs without which a checkpoint is another run's: model, data, seed, batch and sharding."""
    return {
        "model": config.model.model_dump(mode="json"),
        "data.train": config.data.train.model_dump(mode="json"),
        "run.seed": config.run.seed,
        "rollout.prompts_per_step": config.rollout.prompts_per_step,
        "rollout.group_size": config.rollout.group_size,
        "learner.ranks": config.learner.ranks,
        "learner.zero_stage": config.learner.zero_stage,
    }


def folder_of(run: Path, step: int) -> Path:
    return run / "checkpoints" / f"step_{step:06d}"


def write(run: Path, state: State, save: Callable[[Path], None]) -> Path:
    """Let `save` fill a folder, add the state and a manifest of all files, and rename it into place.

    A crash at any moment leaves either no folder of that name or a complete one.
    """
    target = folder_of(run, state.step)
    building = target.with_name(f".building-{target.name}")
    for leftover in target.parent.glob(".building-*"):
        shutil.rmtree(leftover)
    if target.exists():
        shutil.rmtree(target)
    building.mkdir(parents=True)
    save(building)
    sizes = {str(path.relative_to(building)): path.stat().st_size for path in _files(building)}
    _write_synced(building / MANIFEST, json.dumps({"state": asdict(state), "files": sizes}, indent=1))
    for path in _files(building):
        _sync(path)
    building.rename(target)
    _sync(target.parent)
    return target


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _write_synced(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(folder: Path) -> State:
    """The state of a checkpoint whose files are all there in full. Raises BadInput when they are not."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise BadInput(f"{folder} is not a complete checkpoint: {error}") from error
    for name, size in manifest["files"].items():
        path = folder / name
        found = path.stat().st_size if path.exists() else None
        if found != size:
            what = "is missing" if found is None else f"has {found} bytes instead of {size}"
            raise BadInput(f"{folder} is damaged: {name} {what}; remove the folder to resume from the one before it")
    return State(**manifest["state"])


def check_same_run(folder: Path, state: State, config: TrainConfig) -> None:
    """Raises BadInput, naming the first knob that differs, when a checkpoint belongs to another config."""
    now = json.loads(json.dumps(identity(config)))
    for key, value in now.items():
        if state.identity.get(key) != value:
            raise BadInput(f"{folder} is of another run: {key} was {state.identity.get(key)}, the config says {value}")


def all_of(run: Path) -> list[Path]:
    """Checkpoint folders of a run, oldest first."""
    return sorted((run / "checkpoints").glob("step_*"))


def prune(run: Path, keep_last: int) -> None:
    """Remove all but the newest `keep_last` and the one with the best accuracy."""
    folders = all_of(run)
    best = max(folders, key=lambda folder: read(folder).accuracy, default=None)
    for folder in folders[:-keep_last]:
        if folder != best:
            shutil.rmtree(folder)


def find(runs: Path, name: str, resume: str) -> tuple[Path, Path | None]:
    """The run folder that `--resume` names and its newest checkpoint, if it has one.

    `auto` is the newest run called `name`, with or without a number behind it; without any, a fresh
    folder. Raises BadInput when a named run does not exist.
    """
    if resume == "auto":
        known = sorted((p for p in numbered(runs, name) if p.is_dir()), key=lambda path: path.stat().st_mtime)
        run = known[-1] if known else runs / name
    else:
        run = Path(resume)
        if not (run / "config.yaml").exists():
            raise BadInput(f"--resume {resume}: no run there (a run folder holds config.yaml)")
    checkpoints = all_of(run)
    return run, checkpoints[-1] if checkpoints else None


def numbered(runs: Path, name: str) -> list[Path]:
    """Folders of the runs called `name`: `name`, `name-2`, `name-3` …"""
    return [runs / name, *(p for p in runs.glob(f"{name}-*") if p.name.removeprefix(f"{name}-").isdigit())]


def fresh(runs: Path, name: str) -> Path:
    """The first free folder for a new run called `name`."""
    taken = {path.name for path in numbered(runs, name) if path.exists()}
    count = 1
    while (name if count == 1 else f"{name}-{count}") in taken:
        count += 1
    return runs / (name if count == 1 else f"{name}-{count}")
