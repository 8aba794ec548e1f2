"""Checkpoints: complete or absent, checked before they are used, the last few and the best kept.

Nothing here knows what a learner is: it writes a folder, names its files in a manifest, and renames.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rl.config import TrainConfig
from rl.errors import BadInput

MANIFEST = "manifest.json"
CONFIG = "config.yaml"


@dataclass(frozen=True)
class State:
    """Where a run stands: `step` batches trained on, which is also its place in the data and its weight version.

    `grade` is the value of `run.best` for these weights, None where it is not known. `trigger` is the state of a budget
    schedule that waits for a statistic, `tasks` that of a task stream which depends on what was observed; a permutation
    has none.
    """

    step: int
    sampled_total: int
    grade: float | None
    trigger: Mapping[str, Any]
    identity: Mapping[str, Any]
    tasks: Mapping[str, Any] = field(default_factory=dict[str, Any])


IDENTITY = (
    *("model", "data.train", "data.mix", "data.held_out", "run.seed"),
    *("rollout.prompts_per_step", "rollout.group_size", "learner.ranks", "learner.zero_stage", "learner.offload"),
)
"""The knobs, or sections, without which a checkpoint is another run's. Held-out problems leave the training data."""


def identity(config: TrainConfig) -> dict[str, Any]:
    """The values of those knobs that are set, by dotted name."""
    knobs = _flat("", config.model_dump(mode="json"))
    return {name: value for name, value in knobs if f"{name}.".startswith(tuple(f"{part}." for part in IDENTITY))}


def _flat(prefix: str, section: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        entries = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(entries, Mapping):
            yield from _flat(f"{prefix}{name}.", entries)
        elif value is not None:
            yield f"{prefix}{name}", value


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
    building.mkdir(parents=True)
    save(building)
    sizes = {str(path.relative_to(building)): path.stat().st_size for path in _files(building)}
    _write_synced(building / MANIFEST, json.dumps({"state": asdict(state), "files": sizes}, indent=1))
    for path in _files(building):
        _sync(path)
    if target.exists():  # of an earlier try at this step: given up only for a complete one
        shutil.rmtree(target)
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
        sizes, state = dict(manifest["files"]), State(**manifest["state"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder} is not a complete checkpoint: {MANIFEST}: {error}; remove the folder") from error
    for name, size in sizes.items():
        path = folder / name
        found = path.stat().st_size if path.exists() else None
        if found != size:
            what = "is missing" if found is None else f"has {found} bytes instead of {size}"
            raise BadInput(f"{folder} is damaged: {name} {what}; remove the folder to resume from the one before it")
    return state


def check_same_run(folder: Path, state: State, config: TrainConfig) -> None:
    """Raises BadInput, naming the first knob that differs, when a checkpoint belongs to another config."""
    now = json.loads(json.dumps(identity(config)))
    for key in now | dict(state.identity):
        was, says = (knobs.get(key, "unset") for knobs in (state.identity, now))
        if was != says:
            raise BadInput(f"{folder} is of another run: {key} was {was}, the config says {says}")


def all_of(run: Path) -> list[Path]:
    """Checkpoint folders of a run, oldest first."""
    return sorted((run / "checkpoints").glob("step_*"))


def prune(run: Path, keep_last: int) -> None:
    """Remove all but the newest `keep_last` and the one with the best grade; one without a grade is never the best."""
    folders = all_of(run)
    best = max((folder for folder in folders if _grade(folder) > -math.inf), key=_grade, default=None)
    for folder in folders[:-keep_last]:
        if folder != best:
            shutil.rmtree(folder)


def _grade(folder: Path) -> float:
    try:
        grade = read(folder).grade
    except BadInput:  # of use to nobody, and no reason to end a run that has just saved another
        return -math.inf
    return -math.inf if grade is None else grade


def regrade(folder: Path, grade: float | None) -> None:
    """Note in a complete checkpoint what its weights turned out to be worth."""
    path = folder / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["state"]["grade"] = grade
    writing = path.with_name(f".{MANIFEST}")
    _write_synced(writing, json.dumps(manifest, indent=1))
    writing.rename(path)


def find(runs: Path, name: str, resume: str) -> tuple[Path, Path | None]:
    """The run folder that `--resume` names and its newest checkpoint, if it has one.

    `auto` is the run called `name`, with or without a number behind it, that was started last; without
    any, a fresh folder. Raises BadInput when a named run does not exist.
    """
    if resume == "auto":
        configs = [p / CONFIG for p in numbered(runs, name) if (p / CONFIG).exists()]
        # Written when a run starts, unlike the folder, which a report or a copy touches later.
        run = max(configs, key=lambda path: path.stat().st_mtime).parent if configs else fresh(runs, name)
    else:
        run = Path(resume)
        if not (run / CONFIG).exists():
            raise BadInput(f"--resume {resume}: no run there (a run folder holds {CONFIG})")
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
