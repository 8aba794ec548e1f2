"""Learner side of a publish: hand over every parameter, bucket by bucket, in vLLM's own protocol."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from safetensors.torch import save_file
from torch import Tensor

from rollout.types import WeightVersion

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "ration-"
STALE_S = 3600.0
"""Processes of other containers are not seen here: a bucket of theirs, which lives for a moment, must not be swept."""
_names = itertools.count()


@dataclass(frozen=True)
class Resumed:
    """An engine under new weights: how long it stood still for them, and what it makes of each of the probes."""

    paused_s: float
    logps: list[list[float]]


class Receivers(Protocol):
    """All engines as one: vLLM's weight-transfer verbs, each returning when every engine has done it.

    With the last one the engines go on, under the version of `next` and with its probes, and tell: `resumed`.
    """

    next: tuple[WeightVersion, Sequence[Sequence[int]]]
    resumed: list[Resumed]

    def init_weight_transfer_engine(self, init_info: Mapping[str, Any]) -> None: ...

    def start_weight_update(self) -> None: ...

    def update_weights(self, update_info: Mapping[str, Any]) -> None: ...

    def finish_weight_update(self) -> None: ...


def sweep(folder: Path, now: float | None = None) -> None:
    """Remove buckets that killed senders left: of a process that is no more, and older than `STALE_S`."""
    moment = time.time() if now is None else now
    for path in folder.glob(f"{PREFIX}*.safetensors"):
        process = path.name.removeprefix(PREFIX).partition("-")[0]
        if not Path(f"/proc/{process}").exists() and path.stat().st_mtime < moment - STALE_S:
            path.unlink(missing_ok=True)


def send_through_shared_memory(
    buckets: Iterable[list[tuple[str, Tensor]]], receivers: Receivers | None, folder: Path = SHARED_MEMORY
) -> int:
    """Give every bucket to the receivers through a file in shared memory; returns the bytes sent.

    Called on all ranks, because gathering a bucket is collective; only the rank that has the
    `receivers` sends. A bucket's file is removed before the next one is written.
    """
    if receivers is not None:
        sweep(folder)
        receivers.start_weight_update()
    sent = 0
    for bucket in buckets:
        if receivers is None:
            continue
        path = folder / f"{PREFIX}{os.getpid()}-{next(_names)}.safetensors"
        try:
            save_file({name: tensor.contiguous() for name, tensor in bucket}, path)
            sent += path.stat().st_size
            receivers.update_weights({"path": str(path)})
        finally:
            path.unlink(missing_ok=True)
    if receivers is not None:
        receivers.finish_weight_update()
    return sent
