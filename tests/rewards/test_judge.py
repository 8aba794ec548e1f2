"""The judge on real processes: answers that hang, die or raise among many good ones."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rewards import PoolJudge, Status, score
from rewards.pool import WorkerPool
from rollout.types import Answer, BudgetPrior, Finish, Group, Rollout, Task

BAD = Path(__file__).with_name("bad_rewards.py")
MOODY = f"{BAD}:moody"
TASK = Task("t", "?", "8")


def pairs(*texts: str) -> list[tuple[Task, Answer]]:
    return [(TASK, Answer.from_text(text)) for text in texts]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def gone_within(seconds: float, *pids: int) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(map(alive, pids)):
        time.sleep(0.02)
    return not any(map(alive, pids))


@pytest.fixture
def pool():
    with WorkerPool([(MOODY, 1.0)], workers=2, timeout_s=2.0) as pool:
        yield pool


def test_order_is_kept_over_many_chunks(pool):
    values = [float(i) for i in range(500)]
    assert [result.value for result in pool.judge(pairs(*map(str, values)))] == values
    assert pool.judge([]) == []


def test_bad_answers_cost_nobody_else_anything(pool):
    bad = {7: "hang", 20: "exit", 21: "raise", 22: "sys.exit", 40: "crash", 41: "none", 60: "nan", 79: "hang"}
    results = pool.judge(pairs(*(bad.get(i, str(i)) for i in range(80))))
    good = [i for i in range(80) if i not in bad]
    assert [results[i].value for i in good] == good
    assert [results[i].status for i in bad] == [
        Status.TIMEOUT if text == "hang" else Status.ERROR for text in bad.values()
    ]
    assert {results[i].value for i in bad} == {0.0}
    assert results[7].detail == "not judged within 2 s"
    assert results[20].detail == "the reward ended its process (exit code 1)"
    assert "NotAnException: not this one (" in results[21].detail  # one line, though the message has two
    assert "SystemExit: enough" in results[22].detail
    assert results[40].detail == f"the reward ended its process (exit code {-signal.SIGSEGV})"
    assert results[41].detail == "the reward returned None, not a finite number"
    assert [result.value for result in pool.judge(pairs("1", "2"))] == [1.0, 2.0]  # and the pool lives on


def test_c_code_that_holds_the_interpreter_is_killed_too(pool):
    results = pool.judge(pairs("1", "spin", "2"))
    assert [result.status for result in results] == [Status.OK, Status.TIMEOUT, Status.OK]


def test_the_deadline_is_for_one_answer_not_for_the_batch():
    naps = f"{BAD}:nap"
    results = score(naps, [TASK] * 8, [Answer.from_text("0.4")] * 8, timeout_s=2.0, workers=1)
    assert [result.status for result in results] == [Status.OK] * 8


def test_a_power_tower_is_unreadable_and_no_way_out_of_the_loss():
    texts = [r"\boxed{8}", r"\boxed{9^{9^{9}}}", r"\boxed{8}", r"\boxed{9}"]
    with WorkerPool([("math", 1.0)], workers=1, timeout_s=3.0) as pool:
        statuses = [result.status for result in pool.judge(pairs(*texts))]
        assert statuses == [Status.OK, Status.UNPARSABLE, Status.OK, Status.WRONG]
        assert pool.judge(pairs("<answer>8</answer>"))[0].value == 1.0


def test_close_leaves_no_process_behind(pool, tmp_path):
    idle = {int(result.detail) for result in pool.judge(pairs(*["pid"] * 200))}
    assert len(idle) == 2
    task = Task("t", "?", "8", meta={"file": str(tmp_path / "pids")})
    assert pool.judge([(task, Answer.from_text("leave child"))])[0].status is Status.TIMEOUT
    worker, child = map(int, (tmp_path / "pids").read_text().split())
    assert worker in idle
    assert gone_within(5, worker, child)  # killed together
    pool.close()
    assert not any(map(alive, idle))
    assert [result.value for result in pool.judge(pairs("3"))] == [3.0]  # a closed pool starts anew


def test_workers_follow_a_parent_that_was_killed(tmp_path):
    script = f"""
from rewards.pool import WorkerPool
from rollout.types import Answer, Task
pool = WorkerPool([({MOODY!r}, 1.0)], workers=2, timeout_s=5.0)
pids = {{r.detail for r in pool.judge([(Task("t", "", ""), Answer.from_text("pid"))] * 200)}}
print(*pids, flush=True)
pool.judge([(Task("t", "", ""), Answer.from_text("spin"))] * 50)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        time.sleep(0.2)  # the workers have turned to what never ends
        parent.kill()
    assert len(pids) == 2
    assert gone_within(10, *pids)


def test_an_idle_worker_that_was_killed_is_replaced(pool):
    pids = {int(result.detail) for result in pool.judge(pairs(*["pid"] * 200))}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert gone_within(5, *pids)
    assert [result.value for result in pool.judge(pairs("1", "2", "3"))] == [1.0, 2.0, 3.0]


def test_an_interrupted_batch_does_not_leak_into_the_next(pool):
    def interrupt(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            pool.judge(pairs("5", "hang", "6"))
    finally:
        signal.signal(signal.SIGALRM, old)
    assert [result.value for result in pool.judge(pairs("1", "2"))] == [1.0, 2.0]


def test_a_reward_that_cannot_be_loaded_stops_the_start():
    with pytest.raises(ValueError, match='no reward is named "maht"; did you mean "math"'):
        WorkerPool([("maht", 1.0)])
    with pytest.raises(ValueError, match=r"LookupError: half way .*bad_import\.py:3"):
        WorkerPool([(f"{BAD.with_name('bad_import.py')}:anything", 1.0)])
    with pytest.raises(ValueError, match="a pool needs a worker and a deadline"):
        WorkerPool([("exact", 1.0)], timeout_s=0)
    with pytest.raises(RuntimeError, match=r"were not ready within 0\.001 s"):
        WorkerPool([("exact", 1.0)], startup_s=0.001)


def test_score_combines_terms():
    terms = ["exact", (f"{BAD}:length", -0.1), {"name": "math", "weight": 2}]
    results = score(terms, [TASK, TASK], [Answer.from_text("8"), Answer.from_text("8.0")])
    assert [result.status for result in results] == [Status.OK, Status.WRONG]
    assert [result.value for result in results] == pytest.approx([1 - 0.1 + 2, 0 - 0.3 + 2])
    assert results[1].parts == {"exact": 0.0, "length": 3.0, "math": 1.0}


def test_score_rejects_lists_that_do_not_match():
    with pytest.raises(ValueError, match="1 tasks but 0 answers"):
        score("exact", [TASK], [])
    assert score("exact", [], []) == []


def test_groups_keep_their_shape():
    def rollout(first: int) -> Rollout:
        answers = tuple(tuple(Answer.from_text(str(first + 2 * s + a)) for a in range(2)) for s in range(3))
        return Rollout((1,), (2,), (0.0,), Finish.CLOSED, (), answers)

    prior = BudgetPrior((8, 16, 32), (0.5, 0.25, 0.25))
    groups = [Group(TASK, prior, (rollout(0), rollout(6))), Group(Task("u", "?", "3"), prior, (rollout(0),))]
    with PoolJudge("exact", timeout_s=5) as judge:
        scored = judge.score(groups)
    assert [group.group for group in scored] == groups
    values = [[[[a.value for a in s] for s in g] for g in group.results] for group in scored]
    assert values == [
        [[[0, 0], [0, 0], [0, 0]], [[0, 0], [1, 0], [0, 0]]],  # the second rollout's third answer is "8"
        [[[0, 0], [0, 1], [0, 0]]],
    ]
