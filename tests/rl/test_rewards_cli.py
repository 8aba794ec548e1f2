"""The commands of those who write rewards, as they are typed."""

import json
from pathlib import Path

import pytest

from rewards.types import RewardResult, ScoredGroup, Status
from rl.cli import main
from rl.rollout_records import write_rollouts
from rollout.types import Answer, BudgetPrior, Finish, Group, Rollout, Task

DATA = [{"question": "What is 4 + 4?", "gold": "8"}, {"question": "What is 9 - 2?", "gold": "7"}]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["rewards", *arguments])
    printed = capsys.readouterr()
    return int(caught.value.code or 0), printed.out, printed.err


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a reward that is sound and one that is not, and two tasks."""
    (tmp_path / "mine.py").write_text(
        "from rewards.exact import exact\n\n"
        'def same(task, answer, *, bonus: float = 0.0):\n    """Character by character."""\n'
        "    return exact(task, answer)\n\n"
        "def kind(task, answer):\n    return 1.0\n"
    )
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in DATA))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_run(folder: Path) -> None:
    answers = [Answer(8, 3, (), (5,), (0.0,), text, Finish.STOP, "I add") for text in ("8", "8.0", "9")]
    rollouts = tuple(Rollout((1,), (2, 3, 4), (0.0,) * 3, Finish.CLOSED, (), ((answer,),)) for answer in answers)
    results = [RewardResult(Status.OK, 1.0), RewardResult(Status.OK, 1.0), RewardResult(Status.WRONG, 0.0)]
    group = Group(Task("t", "What is 4 + 4?", "8"), BudgetPrior.single(8), rollouts)
    write_rollouts(folder, 0, [ScoredGroup(group, tuple(((result,),) for result in results))])


@pytest.mark.parametrize("verb", ["list", "new", "check", "bench", "audit"])
def test_every_verb_explains_itself_with_an_example(capsys: pytest.CaptureFixture[str], verb: str):
    code, out, err = run(capsys, verb, "--help")
    assert (code, err) == (0, "")
    assert f"Example: ration rewards {verb} " in " ".join(out.split())


def test_list(capsys: pytest.CaptureFixture[str], desk: Path):
    code, out, _ = run(capsys, "list", "mine.py")
    assert code == 0
    assert "mine.py:same  (file)\n    Character by character.\n    params: bonus: float = 0.0\n" in out
    code, out, _ = run(capsys, "list", "--json")
    assert "math" in {one["name"] for one in json.loads(out)}


def test_new_then_list(capsys: pytest.CaptureFixture[str], desk: Path):
    code, out, err = run(capsys, "new", "fresh.py")
    assert (code, err) == (0, "")
    assert "pytest test_fresh.py" in out
    assert "  3. ration rewards check fresh.py:fresh" in out
    code, out, err = run(capsys, "new", "fresh.py")
    assert (code, out, err) == (2, "", "ration: fresh.py exists and is not overwritten; choose another name\n")


def test_check_passes_and_fails_by_exit_code(capsys: pytest.CaptureFixture[str], desk: Path):
    data = ("--data", "data.jsonl", "--prompt-column", "question", "--answer-column", "gold", "--timeout", "60")
    code, out, err = run(capsys, "check", "mine.py:same", *data, "--params", "bonus=1e-3")
    assert (code, err) == (0, "")
    assert "PASS  gold         2 right answers score full; all of them when: plain, boxed, <answer>\n" in out
    code, out, _ = run(capsys, "check", "mine.py:kind", *data, "--json")
    assert code == 1
    found = {one["check"]: one for one in json.loads(out)}
    assert (found["gold"]["level"], found["wrong"]["level"]) == ("pass", "fail")
    assert found["wrong"]["examples"][0] == "data.jsonl:1, a wrong answer: '7' → ok 1"


def test_what_needs_a_model_is_skipped(capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(capsys, "check", "llm_judge", "--params", "model=m")
    assert (code, out) == (0, "SKIP  all  it asks a model on a server: say --params url=…\n")


def test_bench(capsys: pytest.CaptureFixture[str], desk: Path):
    code, out, _ = run(capsys, "bench", "mine.py:kind", "--seconds", "0.1", "--workers", "1", "--timeout", "60")
    assert code == 0
    assert out.startswith("thought and answer   calls        p50        p99\nup to 1 KB ")
    write_run(desk / "runs/one")
    code, out, _ = run(capsys, "bench", "exact", "--run", "runs/one", "--json", "--timeout", "60")
    assert (code, json.loads(out)["calls"]) == (0, 3)


def test_audit(capsys: pytest.CaptureFixture[str], desk: Path):
    write_run(desk / "runs/one")
    code, out, err = run(capsys, "audit", "runs/one", "--against", "exact", "--timeout", "60")
    assert (code, err) == (0, "")
    assert "1 of 3 that both judged disagree (33.33%)" in out
    assert "  answer  '8.0'\n  the run: ok 1\n  exact: wrong 0, '8.0' is not '8'\n" in out
    code, out, _ = run(capsys, "audit", "runs/one", "--against", "exact", "--limit", "1", "--json", "--timeout", "60")
    assert json.loads(out)["table"] == {"ok": {"ok": 1}}


@pytest.mark.parametrize("verb", ["bench mine.py:ids --run runs/one", "audit runs/one --against mine.py:ids"])
def test_saved_answers_have_no_token_ids(capsys: pytest.CaptureFixture[str], desk: Path, verb: str):
    write_run(desk / "runs/one")
    with (desk / "mine.py").open("a") as file:
        file.write("\ndef ids(completion_ids, **columns):\n    return [float(len(ids)) for ids in completion_ids]\n")
    code, _, err = run(capsys, *verb.split())
    reads = '"mine.py:ids" reads token ids (completion_ids), and the saved answers of a run have none'
    assert (code, err) == (2, f"ration: {reads}\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("check maht", 'no reward is named "maht"; did you mean "math"?'),
        ("check mine.py:sume", 'reward "mine.py:sume": mine.py has no function "sume"; did you mean "same"?'),
        ("check mine.py:same --params bonus", "--params: 'bonus': expected key=value, such as tolerance=0.5"),
        ("check mine.py:same --params bonus=[", "--params: 'bonus=[': not YAML: "),
        ("check mine.py:same --params bonus=1 bones=2", "reward \"mine.py:same\" has no parameter 'bones'"),
        ("check mine.py:same --data date.jsonl", "date.jsonl: no such data file; did you mean data.jsonl?"),
        ("check mine.py:same --data data.jsonl", "data.jsonl:1: no column 'answer' for the answer"),
        (
            "check mine.py:same --data data.jsonl --prompt-column question --answer-column gold --right-column x",
            "data.jsonl: no column 'x' for a right answer; there are question, gold",
        ),
        ("list nowhere.py", "nowhere.py: No such file or directory"),
        ("bench confidence", 'no bundled task suits reward "confidence": it reads the engine\'s log-probabilities'),
        ("bench mine.py:same --run runs/none", "runs/none: no saved rollouts"),
        ("audit runs/none --against exact", "runs/none: no saved rollouts"),
        ("new no-module.py", "no-module.py: a reward lives in a Python module, such as my_reward.py"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], desk: Path, arguments: str, line: str
):
    code, out, err = run(capsys, *arguments.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"ration: {line}")
    assert err.count("\n") == 1
