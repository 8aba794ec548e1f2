"""A finished evaluation in the result shape of lm-evaluation-harness (0.4), for the tools that read it.

Each budget is a task of its own, such as `gsm8k@512`. No time is written: the same evaluation gives the same files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rewards.types import Status
from rl.errors import BadInput
from rl.evaluation import numbers
from rl.evaluation.arrays import Outcomes, gather
from rl.evaluation.finished import RESULT, Finished, read_finished
from rl.evaluation.records import Problem
from rl.log import replacing
from rl.types import Array

MATCH = "exact_match"
UNKNOWN = "N/A"  # what the harness writes for a standard error that there is not


def export_lm_eval(folder: Path, out: Path, *, stamp: str = "") -> Path:
    """Write results.json and one samples_TASK.jsonl for each budget into `out`; returns the path of the former.

    `folder` is an evaluation's: of several tasks all go into one file. With a `stamp` the names are
    results_STAMP.json and samples_TASK_STAMP.jsonl, where the harness has the time. Raises BadInput when the folder
    holds no finished evaluation.
    """
    paths = [path for path in [folder / RESULT, *sorted(folder.glob(f"*/{RESULT}"))] if path.is_file()]
    if not paths:
        raise BadInput(f"{folder} holds no finished evaluation (no {RESULT}): run the same `ration eval` again")
    runs = [read_finished(path.parent, path.parent.name) for path in paths]
    end = f"_{stamp}" if stamp else ""
    out.mkdir(parents=True, exist_ok=True)
    hashes: dict[str, str] = {}
    for run in runs:
        for place, name in enumerate(names(run)):
            lines = list(samples(run, place))
            hashes[name] = digest(
                "".join(line["doc_hash"] + line["prompt_hash"] + line["target_hash"] for line in lines)
            )
            _write(out / f"samples_{name}{end}.jsonl", (json.dumps(line, ensure_ascii=False) for line in lines))
    path = out / f"results{end}.json"
    _write(path, [json.dumps(merged([*map(results, runs), {"task_hashes": hashes}]), indent=2, ensure_ascii=False)])
    return path


def _write(path: Path, lines: Iterable[str]) -> None:
    with replacing(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def digest(text: str) -> str:
    """The harness's hash of a text."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The parts as one: objects of one name hold the keys of all."""
    whole: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            whole[key] = {**whole.get(key, {}), **value} if isinstance(value, dict) else value
    return whole


def names(run: Finished) -> list[str]:
    """The task of each budget."""
    return [f"{run.result['data']}@{budget}" for budget in run.budgets]


def results(run: Finished) -> dict[str, Any]:
    """What results.json says of one evaluation; the numbers are those of its eval.json."""
    key, found = run.result["key"], gather(run.problems)
    tasks = names(run)
    return {
        "results": {
            name: {"alias": name, **metrics(point, found, place)}
            for place, (name, point) in enumerate(zip(tasks, run.result["budgets"], strict=True))
        },
        "group_subtasks": {name: [] for name in tasks},
        "configs": {name: config_of(run, name, budget) for name, budget in zip(tasks, run.budgets, strict=True)},
        "versions": dict.fromkeys(tasks, key["task"]["version"]),
        "n-shot": dict.fromkeys(tasks, 0),
        "higher_is_better": {
            name: {MATCH: True, **{f"pass@{k}": True for k in point["pass_at_k"]}}
            for name, point in zip(tasks, run.result["budgets"], strict=True)
        },
        "n-samples": {
            name: {"original": len(found.ids), "effective": int((found.judged_NS[:, place] > 0).sum())}
            for place, name in enumerate(tasks)
        },
        "config": {
            "model": "ration",
            "model_args": {"pretrained": key["model"], "dtype": key["dtype"]},
            "limit": key["limit"] or None,
            "random_seed": key["seed"],
            "gen_kwargs": key["sampling"],
        },
        "model_source": "ration",
        "model_name": run.result["model"],
    }


def config_of(run: Finished, name: str, budget: int) -> dict[str, Any]:
    """How a task was asked; what the harness has no place for stands in `metadata`."""
    key, card = run.result["key"], run.result["key"]["task"]
    return {
        "task": name,
        "dataset_path": card["data"]["source"],
        "doc_to_text": card["prompt"],
        "doc_to_target": "{{answer}}",
        "description": card["system"],
        "output_type": "generate_until",
        "num_fewshot": 0,
        "repeats": key["samples"],
        "generation_kwargs": generation(run),
        "metric_list": [{"metric": MATCH, "aggregation": "mean", "higher_is_better": True}],
        "metadata": {
            "version": card["version"],
            "thinking_budget": budget,
            "strategy": key["strategy"],
            "reward": card["reward"],
        },
    }


def generation(run: Finished) -> dict[str, Any]:
    """The sampling parameters by the harness's names."""
    knobs = run.result["key"]["sampling"]
    chosen = {name: knobs[name] for name in ("temperature", "top_p", "top_k")}
    return {"do_sample": knobs["temperature"] > 0, **chosen, "max_gen_toks": knobs["answer_tokens"]}


def metrics(point: Mapping[str, Any], found: Outcomes, place: int) -> dict[str, float | str]:
    """Accuracy and pass@k at a budget with their standard errors; what nothing is known of is left out."""
    right_NS, judged_NS = found.right_NS[:, place : place + 1], found.judged_NS[:, place : place + 1]
    known: dict[str, tuple[float, float | None]] = {}
    if point["judged"]:
        known[MATCH] = point["accuracy"], standard_error(right_NS[:, 0], judged_NS[:, 0])
    for k, value in point["pass_at_k"].items():
        if value is not None:
            each_N = numbers.pass_at_k(right_NS, judged_NS, int(k))[:, 0]
            each_N = each_N[~np.isnan(each_N)]
            known[f"pass@{k}"] = value, standard_error(each_N, np.ones_like(each_N))
    return {
        key: number
        for name, (value, error) in known.items()
        for key, number in ((f"{name},none", value), (f"{name}_stderr,none", UNKNOWN if error is None else error))
    }


def standard_error(above_N: Array, below_N: Array) -> float | None:
    """Of Σ above / Σ below over problems, each drawn with all of its answers; None of fewer than two problems.

    With as many answers to every problem it is the harness's own, the sample's standard deviation over √N.
    """
    kept = below_N > 0
    above_N, below_N = above_N[kept], below_N[kept]
    if len(below_N) < 2:
        return None
    off_N = above_N - above_N.sum() / below_N.sum() * below_N
    return float(np.sqrt(np.sum(off_N**2) * len(off_N) / (len(off_N) - 1)) / below_N.sum())


def samples(run: Finished, place: int) -> Iterator[dict[str, Any]]:
    """A line for each problem at budget number `place`, in the order of their ids.

    `resps` has every sample's text, `filtered_resps` what was read from it; the metric is the share that is right of
    those with a verdict, null without any.
    """
    for number, problem in enumerate(sorted(run.problems, key=lambda problem: problem.id)):
        yield sample(problem, place, number, generation(run))


def sample(problem: Problem, place: int, number: int, asked: Mapping[str, Any]) -> dict[str, Any]:
    """One line of a samples file."""
    verdicts = [trial.verdicts[place] for trial in problem.trials]
    judged = [verdict for verdict in verdicts if verdict.status.judged]
    doc = {"id": problem.id, "question": problem.prompt, "answer": problem.gold, "level": problem.level}
    return {
        "doc_id": number,
        "doc": doc,
        "target": problem.gold,
        "arguments": {"gen_args_0": {"arg_0": problem.prompt, "arg_1": dict(asked)}},
        "resps": [[verdict.text for verdict in verdicts]],
        "filtered_resps": [verdict.final for verdict in verdicts],
        "filter": "none",
        "metrics": [MATCH],
        "doc_hash": digest(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": digest(problem.prompt),
        "target_hash": digest(problem.gold),
        MATCH: sum(verdict.status is Status.OK for verdict in judged) / len(judged) if judged else None,
    }
