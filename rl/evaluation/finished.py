"""A finished evaluation read back from its folder: the numbers, and every answer behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rl.errors import BadInput
from rl.evaluation.records import SAMPLES, Problem, read_problems

RESULT = "eval.json"


@dataclass(frozen=True, slots=True)
class Finished:
    """One evaluation: how it is called, `result` as in eval.json, and its problems in the order of their finishing.

    `closing` is what was forced at the end of a thought that reached its budget, empty where no config tells.
    """

    label: str
    folder: Path
    result: Mapping[str, Any]
    problems: tuple[Problem, ...]
    closing: str

    @property
    def budgets(self) -> list[int]:
        """In ascending order."""
        return [point["budget"] for point in self.result["budgets"]]


def closing_of(folder: Path) -> str:
    """The closing string by the config in a folder; empty where there is none."""
    path = folder / "config.yaml"
    config: Any = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return config.get("rollout", {}).get("closing", "")


def read_result(folder: Path) -> dict[str, Any]:
    """The content of eval.json. Raises BadInput when the folder is not that of a finished evaluation."""
    for name in (RESULT, SAMPLES):
        if not (folder / name).is_file():
            raise BadInput(f"{folder} holds no finished evaluation (no {name}): run the same `ration eval` again")
    try:
        return json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise BadInput(f"{folder / RESULT}: not JSON ({error}); run the same `ration eval` again") from error


def read_finished(folder: Path, label: str) -> Finished:
    """Raises BadInput when the folder is not that of a finished evaluation."""
    result = read_result(folder)
    problems = tuple(read_problems(folder / SAMPLES))
    if not problems:
        raise BadInput(f"{folder / SAMPLES} holds no problem: run the same `ration eval` again")
    return Finished(label, folder, result, problems, closing_of(folder))
