"""Export to lm-evaluation-harness: its keys, our numbers, and its own way to a standard error."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from scripted import Told, config_of, make_model

from rl.errors import BadInput
from rl.evaluation.export import MATCH, export_lm_eval, standard_error
from rl.evaluation.finished import RESULT
from rl.evaluation.run import evaluate

SUMS = [(f"{a}+{b}", str(a + b)) for a, b in [(2, 2), (3, 4), (1, 8), (5, 6), (7, 7)]]
BUDGETS = [4, 11, 40]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks of the same sums. Thoughts that reach 11 tokens hold one digit, and every second sample is wrong."""
    base = tmp_path_factory.mktemp("export")
    model, data = make_model(base / "model"), base / "sums.jsonl"
    data.write_text("".join(json.dumps({"prompt": p, "answer": a}) + "\n" for p, a in SUMS))

    def script(prompt: tuple[int, ...], seed: int) -> list[int]:
        question, _, said = told.text(prompt).partition("?<think>")
        if "</think>" in said:
            return told.ids(said.removesuffix("</think>").partition(": ")[2] or "no idea")
        return told.ids(f"so it is: {eval(question) - seed % 2}</think>{eval(question) - seed % 2}")

    told = Told(model, script)
    task = {"base": str(data), "prompt": "{prompt}?", "reward": "exact", "version": 3}
    tasks = [{**task, "name": "sums"}, {**task, "name": "again"}]
    return evaluate(config_of(model, base / "out", tasks=tasks, budgets=BUDGETS, samples=4), start=told)


def test_the_numbers_are_those_of_eval_json(folder, tmp_path):
    found = json.loads(export_lm_eval(folder, tmp_path / "lm").read_text())
    assert sorted(found["results"]) == sorted(f"{task}@{budget}" for task in ("sums", "again") for budget in BUDGETS)
    for task in ("sums", "again"):
        points = json.loads((folder / task / RESULT).read_text())["budgets"]
        assert [point["accuracy"] for point in points] == [0.0, pytest.approx(0.3), pytest.approx(0.5)]
        for point in points:
            row = found["results"][f"{task}@{point['budget']}"]
            assert row["alias"] == f"{task}@{point['budget']}"
            assert row["exact_match,none"] == point["accuracy"]
            for k, value in point["pass_at_k"].items():
                assert row[f"pass@{k},none"] == value
                assert row[f"pass@{k}_stderr,none"] >= 0


def test_the_keys_are_the_harnesses(folder, tmp_path):
    found = json.loads(export_lm_eval(folder, tmp_path / "lm").read_text())
    tables = ("results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples")
    names = set(found["results"])
    assert all(set(found[table]) == names for table in (*tables, "task_hashes"))
    assert found["versions"]["sums@11"] == 3
    assert found["n-samples"]["sums@11"] == {"original": 5, "effective": 5}
    assert found["higher_is_better"]["sums@11"] == {MATCH: True, "pass@1": True, "pass@2": True, "pass@4": True}
    assert (found["model_name"], found["config"]["limit"], found["config"]["random_seed"]) == ("model", None, 0)
    config = found["configs"]["sums@11"]
    assert (config["task"], config["repeats"], config["num_fewshot"]) == ("sums@11", 4, 0)
    assert config["metadata"]["thinking_budget"] == 11
    assert config["generation_kwargs"]["max_gen_toks"] == 256


def test_every_problem_has_a_line_at_every_budget(folder, tmp_path):
    found = json.loads(export_lm_eval(folder, tmp_path).read_text())
    for name in found["results"]:
        lines = [json.loads(line) for line in (tmp_path / f"samples_{name}.jsonl").read_text().splitlines()]
        assert [line["doc_id"] for line in lines] == list(range(5))
        values = [line[MATCH] for line in lines]
        assert statistics.mean(values) == pytest.approx(found["results"][name]["exact_match,none"])
        # With as many verdicts on every problem the harness's standard error of a mean is ours.
        error = statistics.stdev(values) / len(values) ** 0.5
        assert found["results"][name]["exact_match_stderr,none"] == pytest.approx(error)
    line = json.loads((tmp_path / "samples_sums@40.jsonl").read_text().splitlines()[3])
    assert line["doc"] == {"id": line["doc"]["id"], "question": "5+6", "answer": "11", "level": ""}
    assert (line["target"], line["filter"], line["metrics"]) == ("11", "none", [MATCH])
    assert sorted(line["resps"][0]) == ["10", "10", "11", "11"]
    assert line["filtered_resps"] == line["resps"][0]
    assert line["arguments"]["gen_args_0"]["arg_0"] == "5+6"
    assert all(len(line[f"{what}_hash"]) == 64 for what in ("doc", "prompt", "target"))


def test_the_same_evaluation_gives_the_same_files(folder, tmp_path):
    for out in ("a", "b"):
        export_lm_eval(folder, tmp_path / out)
    files = {path.name for path in (tmp_path / "a").iterdir()}
    assert files == {"results.json", *(f"samples_{task}@{b}.jsonl" for task in ("sums", "again") for b in BUDGETS)}
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    stamped = export_lm_eval(folder / "sums", tmp_path / "c", stamp="2026-01-01T00-00-00")
    assert stamped.name == "results_2026-01-01T00-00-00.json"
    assert (tmp_path / "c" / "samples_sums@4_2026-01-01T00-00-00.jsonl").exists()


def test_a_folder_without_an_evaluation(tmp_path):
    with pytest.raises(BadInput, match=r"no finished evaluation \(no eval.json\)"):
        export_lm_eval(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_standard_error_by_hand():
    # Means 1, 0, 0.5: their deviation is 0.5 over √3.
    assert standard_error(np.array([2.0, 0, 1]), np.array([2.0, 2, 2])) == pytest.approx(0.5 / 3**0.5)
    # 3 right of 4: off by 1 - 0.75 and 2 - 2.25 from what 1 and 3 answers should have.
    expected = (2 * (0.25**2 + 0.25**2)) ** 0.5 / 4
    assert standard_error(np.array([1.0, 2, 0]), np.array([1.0, 3, 0])) == pytest.approx(expected)
    assert standard_error(np.array([1.0, 0]), np.array([1.0, 0])) is None
