"""What this machine has. Everything here looks and changes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")
_TOOLS = ("c++", "g++", "git", "ninja", "nvidia-smi")


@dataclass(frozen=True, slots=True)
class Machine:
    """Sizes in bytes. `shared_memory` is None where the system has no /dev/shm."""

    python: tuple[int, int]
    cores: int
    memory: int
    gpus: tuple[int, ...]
    shared_memory: int | None
    disk_free: int
    temporary_used: float  # share of the disk of the temporary folder
    tools: frozenset[str]
    ray_cluster: bool


def survey(run_folder: Path) -> Machine:
    """The machine as this process sees it, with the disk that `run_folder` is or would be on."""
    temporary = shutil.disk_usage(tempfile.gettempdir())
    return Machine(
        python=sys.version_info[:2],
        cores=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        memory=_memory(),
        gpus=_gpus(),
        shared_memory=shutil.disk_usage(_SHARED_MEMORY).free if _SHARED_MEMORY.is_dir() else None,
        disk_free=shutil.disk_usage(_existing(run_folder.absolute())).free,
        temporary_used=1 - temporary.free / temporary.total,
        tools=frozenset(tool for tool in _TOOLS if shutil.which(tool, path=_search_path())),
        ray_cluster=bool(os.environ.get("RAY_ADDRESS")) or _ray_note().is_file(),
    )


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.is_dir())


def _search_path() -> str:
    """PATH, and the folder of this interpreter: an environment that is not activated is not on PATH."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])


def _ray_note() -> Path:
    """The file in which `ray start` leaves the address of its cluster."""
    return Path(tempfile.gettempdir()) / "ray" / "ray_current_cluster"


def _memory() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else "max"
    return min(total, int(text)) if text.isdigit() else total


def _gpus() -> tuple[int, ...]:
    if not shutil.which("nvidia-smi"):
        return ()
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()  # a driver that does not answer has no GPU to offer
    return tuple(int(line) * 2**20 for line in answer.stdout.split())
