"""A whole evaluation on an engine that says what it is told to: records, numbers, caches, interruptions."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scripted import Told, config_of, make_model
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from rl.config_file import dump
from rl.errors import BadInput, RunFailed
from rl.evaluation.command import assemble, show
from rl.evaluation.finished import RESULT
from rl.evaluation.records import SAMPLES, read_problems
from rl.evaluation.run import evaluate

DATA = Path(os.environ.get("RATION_DATA", Path(__file__).parents[3].parent / "shared/data"))
SUMS = [(f"{a}+{b}", str(a + b)) for a, b in [(2, 2), (3, 4), (1, 8), (5, 6)]]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


@pytest.fixture
def task(tmp_path: Path) -> dict[str, object]:
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps({"prompt": p, "answer": a}) + "\n" for p, a in SUMS))
    return {"name": str(path), "prompt": "{prompt}?", "reward": "exact"}


def thinker(model: Path, thought: str = "so it is: ") -> Told:
    """Thinks `thought` and the sum, and answers with what it has thought after the colon: nothing, if cut before."""

    def script(prompt: tuple[int, ...], seed: int) -> list[int]:
        text = told.text(prompt)
        question, _, said = text.partition("?<think>")
        if "</think>" in said:
            return told.ids(said.removesuffix("</think>").partition(": ")[2] or "no idea")
        return told.ids(f"{thought}{eval(question)}</think>{eval(question)}")

    told = Told(model, script)
    return told


def result_of(folder: Path) -> dict[str, object]:
    return json.loads((folder / RESULT).read_text())


def test_accuracy_at_every_budget_from_one_generation(model, task, tmp_path):
    told = thinker(model)
    config = config_of(model, tmp_path / "out", tasks=[task], budgets=[4, 10, 12, 40], samples=2)
    folder = evaluate(config, start=told)
    found = result_of(folder)
    # "so it is: " has ten characters: one more token is the first digit, two are all of 11.
    assert [point["accuracy"] for point in found["budgets"]] == [0.0, 0.0, 1.0, 1.0]
    assert [point["forced_rate"] for point in found["budgets"]] == [1.0, 1.0, 0.25, 0.0]
    assert (found["n_problems"], found["samples"], found["final_accuracy"]) == (4, 2, 1.0)
    assert found["anytime_accuracy"] == 0.5
    thoughts = [draw for draw in told.engine.draws if draw.max_tokens == 40]
    assert [draw.n for draw in thoughts] == [2] * 4
    problem = next(read_problems(folder / SAMPLES))
    assert [verdict.cut for verdict in problem.trials[0].verdicts] == [4, 10, 11, 11]
    assert problem.trials[0].verdicts[1].spent == 10 + 1 + len("no idea") + 1
    for name in ("config.yaml", "manifest.json", "anytime.png", "report.html"):
        assert (folder / name).stat().st_size > 0


def test_finished_work_is_not_done_again(model, task, tmp_path):
    config = config_of(model, tmp_path / "out", tasks=[task], budgets=[40])
    evaluate(config, start=thinker(model))
    before = (tmp_path / "out" / RESULT).read_bytes()
    again = thinker(model)
    evaluate(config, start=again)
    assert (again.starts, again.engine.draws) == (0, [])
    assert (tmp_path / "out" / RESULT).read_bytes() == before


def test_results_of_other_settings_are_not_mixed(model, task, tmp_path):
    evaluate(config_of(model, tmp_path / "out", tasks=[task], budgets=[40]), start=thinker(model))
    with pytest.raises(BadInput, match=r"another evaluation \(samples 1 there, 2 here\).*out=DIR"):
        evaluate(config_of(model, tmp_path / "out", tasks=[task], budgets=[40], samples=2), start=thinker(model))


def test_a_folder_of_something_else_is_left_alone(model, task, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(BadInput, match="a training run"):
        evaluate(config_of(model, out, tasks=[task], budgets=[40]), start=thinker(model))
    (out / "metrics.jsonl").unlink()
    (out / SAMPLES).write_text("whatever\n")
    with pytest.raises(BadInput, match=r"without a key\.json"):
        evaluate(config_of(model, out, tasks=[task], budgets=[40]), start=thinker(model))


def test_a_corrupt_record_is_named_and_an_unfinished_one_is_sampled_again(model, task, tmp_path):
    config = config_of(model, tmp_path / "out", tasks=[task], budgets=[40])
    evaluate(config, start=thinker(model))
    path = tmp_path / "out" / SAMPLES
    whole, result = path.read_bytes(), (tmp_path / "out" / RESULT).read_bytes()
    path.write_bytes(whole[:-20])
    told = thinker(model)
    evaluate(config, start=told)
    assert path.read_bytes() == whole
    assert sum(draw.max_tokens == 40 for draw in told.engine.draws) == 1
    assert (tmp_path / "out" / RESULT).read_bytes() == result
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(BadInput, match=r"line 1: not a record of an evaluation"):
        evaluate(config, start=told)


def test_changed_data_are_noticed(model, task, tmp_path):
    config = config_of(model, tmp_path / "out", tasks=[task], budgets=[40])
    evaluate(config, start=thinker(model))
    data = Path(str(task["name"]))
    data.write_text(data.read_text().replace("2+2", "2+3"))
    with pytest.raises(BadInput, match=r"another evaluation \(problems "):
        evaluate(config, start=thinker(model))


def test_a_killed_evaluation_goes_on_and_ends_the_same(model, task, tmp_path):
    """SIGKILL at several moments: what a fresh process then makes of the folder equals an undisturbed run."""
    config = {"tasks": [task], "budgets": [4, 40], "samples": 2}
    whole = evaluate(config_of(model, tmp_path / "whole", **config), start=thinker(model))
    program = Path(__file__).with_name("killed_evaluation.py")
    for place, after in enumerate((1, 4)):
        out = tmp_path / f"out{place}"
        request = json.dumps([str(model), str(out), config, after])
        died = subprocess.run([sys.executable, program, request], check=False, capture_output=True, text=True)
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert not (out / RESULT).exists()
        evaluate(config_of(model, out, **config), start=thinker(model))
        assert (out / RESULT).read_bytes() == (whole / RESULT).read_bytes()


def test_each_of_several_tasks_has_its_own_folder(model, task, tmp_path):
    other = {**task, "base": task["name"], "name": "again"}
    root = evaluate(config_of(model, tmp_path / "out", tasks=[task, other], budgets=[40]), start=thinker(model))
    assert sorted(path.parent.name for path in root.glob("*/eval.json")) == ["again", "sums"]


def test_forks_are_compared_with_separate_runs(model, task, tmp_path):
    config = config_of(model, tmp_path / "out", tasks=[task], budgets=[4, 12], samples=2, check_forks=3)
    found = result_of(evaluate(config, start=thinker(model)))["forks"]
    assert found["n_problems"] == 3
    assert [point["difference"] for point in found["budgets"]] == [0.0, 0.0]


def test_bad_input_is_said_before_anything_starts(model, task, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(BadInput, match=r"max_position_embeddings is 100000: lower budgets"):
        evaluate(config_of(model, out, tasks=[task], budgets=[99_990]), start=thinker(model))
    narrow = config_of(model, out, tasks=[task], budgets=[60], model={"path": str(model), "context": 64})
    narrow = config_of(model, out, tasks=[task], budgets=[60], model={"path": str(model), "context": 64})
    with pytest.raises(BadInput, match=r"model.context is 64"):
        evaluate(narrow, start=thinker(model))
    marks = {"think_end": "</done>", "closing": "</done>"}
    unmarked = config_of(model, out, tasks=[task], budgets=[40], rollout=marks)
    with pytest.raises(BadInput, match=r"no single token for rollout.think_end='</done>'"):
        evaluate(unmarked, start=thinker(model))
    for budgets, why in (([], "at least 1"), ([8, 4], r"such as \[4, 8\]"), ([0, 4], "at least 1 token")):
        with pytest.raises(ValueError, match=why):
            config_of(model, out, tasks=[task], budgets=budgets)
    assert not out.exists()


def test_a_full_disk_keeps_what_was_finished(model, task, tmp_path):
    """A folder that takes no more bytes, by the process's own limit of file size."""
    program = Path(__file__).with_name("killed_evaluation.py")
    request = json.dumps([str(model), str(tmp_path / "out"), {"tasks": [task], "budgets": [40]}, -1])
    ran = subprocess.run([sys.executable, program, request], check=False, capture_output=True, text=True)
    assert ran.returncode == 1, ran.stderr
    assert "make room and run this again" in ran.stderr
    config = config_of(model, tmp_path / "out", tasks=[task], budgets=[40])
    assert result_of(evaluate(config, start=thinker(model)))["n_problems"] == 4


def test_recorded_solutions_get_the_accuracy_of_their_labels(model, tmp_path):
    """5,276 published solutions to GSM8K, four of each problem, spoken by the engine; their labels are public."""
    path = DATA / "gsm8k_model_solutions.jsonl"
    if not path.exists():
        pytest.skip(f"the public data are not here: {path}")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    names = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    solutions = {row["question"]: [row[name]["solution"] for name in names] for row in rows}
    right = sum(row[name]["is_correct"] for row in rows for name in names)

    def script(prompt: tuple[int, ...], seed: int) -> list[int]:
        question, _, said = told.text(prompt).partition("<<<<think>")
        if "</think>" not in said:
            # Samples of a draw have seeds that follow one another: each speaks another model's solution.
            return told.ids(f"{seed % 4}</think>")
        return told.ids(solutions[question][int(said[0])])

    told = Told(model, script)
    task = {"name": "gsm8k", "data": {"source": str(DATA / "gsm8k_test.jsonl")}, "prompt": "{prompt}<<<"}
    knobs = {"rollout": {"answer_tokens": 4000}, "workers": 2}
    config = config_of(model, tmp_path / "out", tasks=[task], budgets=[2, 8], samples=4, **knobs)
    found = result_of(evaluate(config, start=told))
    assert found["n_problems"] == 1319
    assert found["budgets"][0]["excluded"] == 0
    for point in found["budgets"]:
        assert point["accuracy"] == pytest.approx(right / 5276, abs=1e-12)


def test_a_problem_that_cannot_be_judged_is_excluded_and_most_of_them_are_refused(model, tmp_path, capsys):
    def task(*answers: str) -> dict[str, object]:
        path = tmp_path / f"{len(answers)}.jsonl"
        rows = ({"prompt": prompt, "answer": answer} for (prompt, _), answer in zip(SUMS, answers, strict=False))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return {"name": str(path), "prompt": "{prompt}?", "reward": "numeric"}

    few = config_of(model, tmp_path / "few", tasks=[task("4", "7", "nine", "11")], budgets=[40])
    (point,) = result_of(evaluate(few, start=thinker(model)))["budgets"]
    assert (point["accuracy"], point["excluded"], point["judged"]) == (1.0, 1, 3)
    assert "1 of 4 problems cannot be judged and will count as excluded" in capsys.readouterr().out
    most = config_of(model, tmp_path / "most", tasks=[task("four", "seven", "9")], budgets=[40])
    with pytest.raises(BadInput, match="2 of 3 problems cannot be judged; is it the right column"):
        evaluate(most, start=thinker(model))


@pytest.mark.parametrize(
    ("strategy", "budgets", "accuracy"),
    [
        ({"type": "wait", "times": 1, "string": "W"}, (11, 40), [0.75, 0.0]),  # the story loses its thread at the W
        ({"type": "separate"}, (4, 40), [0.0, 1.0]),
        ({"type": "stated", "cap": 40, "wording": " (in {budget})?"}, (4, 40), [1.0, 1.0]),
        ({"type": "cyclic", "words": ("W",)}, (4, 40), [0.0, 1.0]),
        ({"type": "plan", "level": 1}, (4, 40), [0.0, 0.0]),  # it hears the plan's wording as its question
    ],
)
def test_every_method_of_the_engine_fills_the_same_records(model, task, tmp_path, strategy, budgets, accuracy):
    told = thinker(model)
    tell = told.engine.script

    def patient(prompt: tuple[int, ...], seed: int) -> object:
        text = told.text(prompt)
        plain = text.replace(" (in 4)?", "").replace(" (in 40)?", "")
        lost = "W" in plain or "problem" in plain.lower()
        return told.ids("eh</think>no idea") if lost else tell(tuple(told.ids(plain)), seed)

    told.engine.script = patient  # type: ignore[assignment]
    config = config_of(model, tmp_path / "out", tasks=[task], budgets=budgets, strategy=strategy)
    found = result_of(evaluate(config, start=told))
    assert [point["budget"] for point in found["budgets"]] == list(budgets)
    assert [point["accuracy"] for point in found["budgets"]] == accuracy
    assert found["strategy"] == strategy["type"]


def test_most_answers_without_a_verdict_stop_the_evaluation_and_are_not_kept(model, task, tmp_path):
    """A verifier that always runs over its deadline: a hung judge must not look like a weak model."""
    hangs = tmp_path / "hangs.py"
    hangs.write_text(
        "import time\n\ndef hangs(task, answer):\n    time.sleep(30 if answer.text else 0)\n    return 1.0\n"
    )
    broken = {**task, "reward": f"{hangs}:hangs", "deadline_s": 0.05}
    config = config_of(model, tmp_path / "out", tasks=[broken], budgets=[4, 12, 20, 40], samples=8)
    with pytest.raises(RunFailed, match=r"of 32 answers have no verdict; the last: timeout: not judged within 0\.05 s"):
        evaluate(config, start=thinker(model))
    assert not (tmp_path / "out" / SAMPLES).exists()


def test_a_budget_without_any_verdict_is_shown_as_such(model, task, tmp_path, capsys):
    broken = tmp_path / "broken.py"
    broken.write_text("def broken(task, answer):\n    return float(answer.text) if answer.text else 1.0\n")
    judged = {**task, "reward": f"{broken}:broken"}
    folder = evaluate(config_of(model, tmp_path / "out", tasks=[judged], budgets=[4, 40]), start=thinker(model))
    points = result_of(folder)["budgets"]
    assert [(point["judged"], point["excluded"]) for point in points] == [(0, 4), (4, 0)]
    show(folder)
    assert "anytime accuracy –" in capsys.readouterr().out


def test_other_code_of_the_verifier_is_another_evaluation(model, task, tmp_path):
    own = tmp_path / "own.py"
    own.write_text("def own(task, answer):\n    return 1.0\n")
    config = config_of(model, tmp_path / "out", tasks=[{**task, "reward": f"{own}:own"}], budgets=[40])
    evaluate(config, start=thinker(model))
    own.write_text("def own(task, answer):\n    return 0.0\n")
    with pytest.raises(BadInput, match=r"another evaluation \(verifier\."):
        evaluate(config, start=thinker(model))


def test_what_a_method_needs_is_asked_for_before_anything_starts(model, task, tmp_path):
    for strategy, why in (
        ({"type": "effort"}, r"needs \{effort\} in the prompt"),
        ({"type": "cyclic"}, "wait"),
        ({"type": "guided", "predictor": "nowhere"}, "no such folder"),
    ):
        told = thinker(model)
        with pytest.raises(BadInput, match=why):
            evaluate(config_of(model, tmp_path / "out", tasks=[task], budgets=[40], strategy=strategy), start=told)
        assert told.starts == 0
    with pytest.raises(ValueError, match="check_forks compares the cuts of strategy hard, not wait"):
        config_of(model, tmp_path / "out", tasks=[task], budgets=[40], strategy={"type": "wait"}, check_forks=1)


def test_an_infinite_knob_survives_the_file(model, tmp_path):
    strategy = {"type": "cyclic", "period": float("inf"), "amplitude": 3.0, "shift": 0.75}
    config = config_of(model, tmp_path / "out", tasks=["gsm8k"], budgets=[40], strategy=strategy)
    (tmp_path / "again.yaml").write_text(dump(config))
    assert assemble([str(tmp_path / "again.yaml")], []) == config


def test_the_reference_decoder_evaluates_problem_after_problem(model, task, tmp_path):
    """SwiReasoning on a random model: all problems, two budgets, two samples, through the whole evaluation."""
    codec = AutoTokenizer.from_pretrained(model)
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape = Qwen2Config(vocab_size=len(codec), max_position_embeddings=256, num_key_value_heads=2, **small)
    Qwen2ForCausalLM(shape).save_pretrained(model)
    strategy, knobs = {"type": "switched", "switches": 2}, {"path": str(model), "dtype": "float32"}
    config = config_of(
        *(model, tmp_path / "out"),
        tasks=[task],
        budgets=[6, 12],
        samples=2,
        strategy=strategy,
        model=knobs,
        rollout={"answer_tokens": 4},
    )
    found = result_of(evaluate(config))
    assert (found["n_problems"], found["samples"], found["strategy"]) == (4, 2, "switched")
    assert all(0 < point["thinking_tokens"] <= point["budget"] for point in found["budgets"])
