"""Learner side of a publish: hand over every parameter, bucket by bucket, in vLLM's own protocol."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from safetensors.torch import save_file
from torch import Tensor

SHARED_MEMORY = Path("/dev/shm")
_names = itertools.count()


class Receivers(Protocol):
    """All engines as one: vLLM's weight-transfer verbs, each returning when every engine has done it."""

    def init_weight_transfer_engine(self, init_info: Mapping[str, Any]) -> None: ...

    def start_weight_update(self) -> None: ...

    def update_weights(self, update_info: Mapping[str, Any]) -> None: ...

    def finish_weight_update(self) -> None: ...


def send_through_shared_memory(
    buckets: Iterable[list[tuple[str, Tensor]]], receivers: Receivers | None, folder: Path = SHARED_MEMORY
) -> int:
    """Give every bucket to the receivers through a file in shared memory; returns the bytes sent.

    Called on all ranks, because gathering a bucket is collective; only the rank that has the
    `receivers` sends. A bucket's file is removed before the next one is written.
    """
    if receivers is not None:
        receivers.start_weight_update()
    sent = 0
    for bucket in buckets:
        if receivers is None:
            continue
        path = folder / f"ration-{os.getpid()}-{next(_names)}.safetensors"
        try:
            save_file({name: tensor.contiguous() for name, tensor in bucket}, path)
            sent += path.stat().st_size
            receivers.update_weights({"path": str(path)})
        finally:
            path.unlink(missing_ok=True)
    if receivers is not None:
        receivers.finish_weight_update()
    return sent
