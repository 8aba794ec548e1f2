"""Handing over weights bucket by bucket: to engines that read the file while it is there, and never later."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rl.weight_sender import STALE_S, send_through_shared_memory, sweep


class Engines:
    """Receivers that read what they are given, as an engine does before its call returns."""

    def __init__(self, folder: Path, *, fail_at: int = -1):
        self.folder, self.fail_at = folder, fail_at
        self.verbs: list[str] = []
        self.buckets: list[dict[str, torch.Tensor]] = []
        self.paths: list[Path] = []

    def init_weight_transfer_engine(self, init_info):
        self.verbs.append("init")

    def start_weight_update(self):
        self.verbs.append("start")

    def update_weights(self, update_info):
        self.verbs.append("update")
        if len(self.buckets) == self.fail_at:
            raise RuntimeError("engine 1 did not answer")
        (path,) = update_info.values()
        assert list(self.folder.iterdir()) == [Path(path)]  # no file of an earlier bucket beside it
        self.paths.append(Path(path))
        self.buckets.append({name: tensor.clone() for name, tensor in load_file(path).items()})

    def finish_weight_update(self):
        self.verbs.append("finish")


def three_buckets(done: list[str]):
    """What a learner gathers; the last line of `done` says that it was iterated to the end."""
    flat = torch.arange(6, dtype=torch.float32)
    for bucket in (
        [("embed", flat[:4].view(2, 2)), ("norm", flat[4:])],  # parts of one flat buffer, as ZeRO keeps them
        [("head", torch.arange(6, dtype=torch.float32).view(2, 3).t())],  # not contiguous
        [("bias", torch.tensor([0.5, -0.25], dtype=torch.bfloat16))],
    ):
        done.append(bucket[0][0])
        yield bucket
    done.append("end")


def test_buckets_arrive_in_order_and_in_full(tmp_path):
    engines, done = Engines(tmp_path), []
    send_through_shared_memory(three_buckets(done), engines, tmp_path)
    assert engines.verbs == ["start", "update", "update", "update", "finish"]
    assert [sorted(bucket) for bucket in engines.buckets] == [["embed", "norm"], ["head"], ["bias"]]
    got = {name: tensor for bucket in engines.buckets for name, tensor in bucket.items()}
    assert got["embed"].tolist() == [[0, 1], [2, 3]]
    assert got["norm"].tolist() == [4, 5]
    assert got["head"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert (got["bias"].dtype, got["bias"].tolist()) == (torch.bfloat16, [0.5, -0.25])


def test_every_file_has_its_own_name_and_none_is_left(tmp_path):
    engines = Engines(tmp_path)
    for _ in range(2):
        send_through_shared_memory(three_buckets([]), engines, tmp_path)
    assert len(set(engines.paths)) == 6
    assert {path.parent for path in engines.paths} == {tmp_path}
    assert list(tmp_path.iterdir()) == []


def test_a_rank_that_does_not_send_still_gathers_every_bucket(tmp_path):
    done: list[str] = []
    assert send_through_shared_memory(three_buckets(done), None, tmp_path) == 0
    assert done == ["embed", "head", "bias", "end"]
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_is_gathered_only_when_the_one_before_has_arrived(tmp_path):
    engines, done = Engines(tmp_path), []

    def watched():
        for index, bucket in enumerate(three_buckets(done)):
            assert len(engines.buckets) == index
            assert list(tmp_path.iterdir()) == []
            yield bucket

    send_through_shared_memory(watched(), engines, tmp_path)
    assert done[-1] == "end"


def test_the_bytes_sent_are_those_of_the_files(tmp_path):
    """8 bytes of length, the header that they tell of, then 6 numbers of 4 bytes."""
    sizes = []

    class Weighing(Engines):
        def update_weights(self, update_info):
            content = Path(update_info["path"]).read_bytes()
            (header,) = struct.unpack("<Q", content[:8])
            assert len(content) == 8 + header + 6 * 4
            sizes.append(len(content))

    buckets = [[("embed", torch.zeros(2, 3))], [("head", torch.ones(6))]]
    assert send_through_shared_memory(buckets, Weighing(tmp_path), tmp_path) == sum(sizes)
    assert len(sizes) == 2


def test_a_failure_is_raised_and_leaves_no_file(tmp_path):
    engines = Engines(tmp_path, fail_at=1)
    with pytest.raises(RuntimeError, match="engine 1 did not answer"):
        send_through_shared_memory(three_buckets([]), engines, tmp_path)
    assert engines.verbs == ["start", "update", "update"]  # and never a finish: half of the weights are old
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_sender_left_is_swept_up_after_an_hour(tmp_path):
    """Process 1 is alive; no process has a number beyond the kernel's limit of 4,194,304."""
    dead, alive, other = (tmp_path / f"{name}.safetensors" for name in ("ration-9999999-0", "ration-1-0", "model"))
    for path in (dead, alive, other):
        path.write_bytes(b"weights")
    written = dead.stat().st_mtime
    sweep(tmp_path, now=written + STALE_S - 1)
    assert dead.exists()
    sweep(tmp_path, now=written + STALE_S + 1)
    assert [path.exists() for path in (dead, alive, other)] == [False, True, True]
