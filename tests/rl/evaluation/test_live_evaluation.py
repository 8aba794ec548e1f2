"""`ration eval` for real: Ray, vLLM and judging processes, an engine that dies, a command that is killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from live_runs import Runs

from rl.evaluation.finished import RESULT
from rl.evaluation.records import SAMPLES, read_problems
from rl.evaluation.store import FORKS
from rl.tiny import build_model, build_tokenizer

PROBLEMS, SAMPLES_EACH = 96, 2
DATA = Path(os.environ.get("RATION_DATA", Path(__file__).parents[3].parent / "shared/data"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    found = Runs(tmp_path_factory.mktemp("evaluations"))
    yield found
    found.close()


def words(runs: Runs, out: Path) -> list[str]:
    return [
        *("eval", "--model", str(runs.folder / "model"), "--data", "reasoning_gym:chain_sum", f"limit={PROBLEMS}"),
        *("--budgets", "4,8,12", "--samples", str(SAMPLES_EACH), "--check-forks", "8", f"out={out}"),
        *("model.dtype=float32", "rollout.answer_tokens=4", "rollout.max_in_flight=16", "workers=1"),
        *("tasks.0.prompt={prompt}", "tasks.0.data.prompt=metadata.expression"),
    ]


@pytest.fixture(scope="module")
def whole(runs):
    out = runs.folder / "whole"
    assert runs.end(runs.spawn("whole", *words(runs, out))) == 0, runs.printed("whole").read_text()[-3000:]
    return out


def lines(out: Path) -> int:
    path = out / SAMPLES
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_every_problem_is_answered_at_every_budget(whole):
    problems = list(read_problems(whole / SAMPLES))
    assert len(problems) == PROBLEMS
    assert {len(problem.trials) for problem in problems} == {SAMPLES_EACH}
    verdicts = [verdict for problem in problems for trial in problem.trials for verdict in trial.verdicts]
    assert [verdict.budget for verdict in verdicts[:3]] == [4, 8, 12]
    assert all(verdict.thinking_tokens <= verdict.budget and verdict.answer_tokens <= 4 for verdict in verdicts)
    for trial in (trial for problem in problems for trial in problem.trials):
        cuts = [verdict.cut for verdict in trial.verdicts]
        assert cuts == sorted(cuts)
        assert cuts[-1] == len(trial.thoughts[0].text)
    result = json.loads((whole / RESULT).read_text())
    assert [point["budget"] for point in result["budgets"]] == [4, 8, 12]
    assert result["forks"]["n_problems"] == sum(1 for _ in read_problems(whole / FORKS)) == 8
    assert result["forks"]["tokens"]["separate"] > result["forks"]["tokens"]["forked"]


def test_a_dead_engine_and_a_killed_command_change_nothing(runs, whole):
    """First the engine's core dies, then the whole command; the command given again ends with the same bytes."""
    out = runs.folder / "disturbed"
    process = runs.spawn("disturbed", *words(runs, out))
    runs.until(process, "disturbed", lambda: lines(out) >= 8)
    cores = [pid for pid, name in runs.alive().items() if "EngineCore" in name]
    for core in cores:
        os.kill(core, signal.SIGKILL)
    before = lines(out)
    runs.when(process, "disturbed", lambda: lines(out) > before + 16, signal.SIGKILL)
    process.wait()
    assert len(cores) == 1
    assert not (out / RESULT).exists()
    assert 8 < lines(out) < PROBLEMS
    assert runs.end(runs.spawn("disturbed", *words(runs, out))) == 0, runs.printed("disturbed").read_text()[-3000:]
    assert (out / RESULT).read_bytes() == (whole / RESULT).read_bytes()


def test_bad_input_ends_with_2_and_one_line(runs):
    """One for all: tests/rl/evaluation/test_command.py has the others."""
    words = ("eval", "--model", str(runs.folder / "model"), "--data", "gsm9k", "--budgets", "8")
    assert runs.end(runs.spawn("bad", *words)) == 2
    printed = runs.printed("bad").read_text()
    assert "no task is named 'gsm9k'; did you mean gsm8k" in printed
    assert "Traceback" not in printed


@pytest.mark.skipif(not DATA.exists(), reason=f"the public data are not here: {DATA}")
def test_public_tasks_run_from_local_files_with_one_command(runs):
    """GSM8K, MATH-500 and AIME 2024: one engine for all three, a folder for each, every problem judged."""
    tokenizer = build_tokenizer()
    build_model(tokenizer, context=8192, tie_embeddings=True, seed=0).save_pretrained(runs.folder / "long")
    tokenizer.save_pretrained(runs.folder / "long")
    out, size = runs.folder / "public", 12
    files = {"gsm8k": "gsm8k_test.jsonl", "math500": "math500_test.json", "aime24": "aime24_test.json"}
    sources = [f"tasks.{i}.data.source={DATA / name}" for i, name in enumerate(files.values())]
    asked = ["eval", "--model", str(runs.folder / "long"), "--data", ",".join(files), "--budgets", "4,8", f"out={out}"]
    knobs = ["tasks.1.level=difficulty", f"limit={size}", "model.dtype=float32", "rollout.answer_tokens=4", "workers=1"]
    assert runs.end(runs.spawn("public", *asked, *sources, *knobs)) == 0, runs.printed("public").read_text()[-3000:]
    for name in files:
        result = json.loads((out / name / RESULT).read_text())
        assert (result["data"], result["n_problems"]) == (name, size)
        assert [(point["judged"], point["excluded"]) for point in result["budgets"]] == [(size, 0)] * 2
    assert {problem.level for problem in read_problems(out / "math500" / SAMPLES)} <= set("12345")
