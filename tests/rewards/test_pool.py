"""Rewards that fork, hoard, print, clean up too well or kill: what a pool lets through, on real processes."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from test_judge import gone_within

from rewards import Status
from rewards.pool import WorkerPool
from rollout.types import Answer, Task

BAD, FORMS = (Path(__file__).with_name(f"{name}.py") for name in ("bad_rewards", "bad_forms"))


def judged(pool, *texts, **meta):
    return pool.judge([(Task("t", "?", "8", meta=meta), Answer.from_text(text)) for text in texts])


def test_a_reward_that_forks_leaves_one_worker():
    with WorkerPool(f"{FORMS}:forks", workers=1, timeout_s=5) as pool:
        assert [result.value for result in judged(pool, *"abcdef")] == [1.0] * 6


def test_what_has_left_its_session_is_ended_with_its_worker(tmp_path):
    file = tmp_path / "pid"
    with WorkerPool(f"{FORMS}:daemon", workers=1, timeout_s=3) as pool:
        results = judged(pool, "1", "daemon", "2", file=str(file))
        assert [result.status for result in results] == [Status.OK, Status.TIMEOUT, Status.OK]
        assert gone_within(10, int(file.read_text()))


@pytest.mark.parametrize(("reward", "text"), [(f"{FORMS}:hoard", "hoard"), (f"{BAD}:giant", "")])
def test_memory_without_limit_is_an_error_of_that_answer(reward, text):
    with WorkerPool(reward, workers=1, timeout_s=20, memory_mib=128) as pool:
        (result,) = judged(pool, text)
        assert result.status is Status.ERROR
        assert "MemoryError" in result.detail


def test_a_removed_temporary_folder_is_there_again_for_the_next():
    with WorkerPool(f"{BAD}:cleans_up", workers=1, timeout_s=5) as pool:
        assert [result.value for result in judged(pool, "1", "2", "3")] == [1.0] * 3


def test_what_a_reward_prints_stays_out_of_the_output():
    script = f"""
from rewards import score
from rollout.types import Answer, Task
print(score({str(FORMS)!r} + ":prints", [Task("t", "", "")], [Answer.from_text("")])[0].value)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "1.0\n"
    assert done.stderr == "from a reward\n"


def test_a_nursery_that_is_killed_is_replaced_but_not_for_ever(tmp_path):
    texts = [*"abcdefgh", "kill", *"ijkl"]
    with WorkerPool(f"{FORMS}:kill_nursery_once", workers=2, timeout_s=5) as pool:
        results = judged(pool, *texts, file=str(tmp_path / "mark"))
        assert [result.value for result in results] == [1.0] * len(texts)
    with (
        WorkerPool(f"{FORMS}:kill_nursery", workers=1, timeout_s=5) as pool,
        pytest.raises(RuntimeError, match="was killed 3 times while judging"),
    ):
        judged(pool, "x")


def children(pid: int) -> set[int]:
    """All processes below one."""
    found = {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return found.union(*map(children, found))


def test_ten_thousand_answers_of_which_three_in_a_hundred_are_traps():
    """1 % hang, 1 % kill their worker, 1 % allocate without limit: right verdicts, in order, no process left."""
    rng = random.Random(0)
    texts = [f"\\boxed{{{number} + {rng.randint(1, 9)}}}" for number in range(10_000)]
    traps = dict(zip(rng.sample(range(10_000), 300), ["hang", "exit", "hoard"] * 100, strict=True))
    pairs = [(Task(str(i), "?", str(i)), Answer.from_text(traps.get(i, text))) for i, text in enumerate(texts)]
    # Many workers, so that deadlines pass side by side; long ones, so that a busy machine does not look like a trap.
    with WorkerPool(f"{BAD}:planted", workers=16, timeout_s=2.0, memory_mib=64) as pool:
        results = pool.judge(pairs)
    assert not children(os.getpid())
    expected = {"hang": Status.TIMEOUT, "exit": Status.ERROR, "hoard": Status.ERROR}
    assert [result.status for result in results] == [expected.get(traps.get(i), Status.WRONG) for i in range(10_000)]
    assert {i for i in traps if "MemoryError" in results[i].detail} == {i for i in traps if traps[i] == "hoard"}
    assert all(f"is not '{i}'" in results[i].detail for i in range(10_000) if i not in traps)  # each its own
