"""What an evaluation keeps of each problem: one line of JSON, complete or absent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rewards.types import Status
from rl.errors import BadInput
from rollout.types import Finish

SAMPLES = "samples.jsonl"


@dataclass(frozen=True, slots=True)
class Thought:
    """A thought as it was sampled, to its own end or to the largest budget that it was sampled for."""

    text: str
    tokens: int
    finish: Finish


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer at one budget, and what it was worth.

    It follows the first `thinking_tokens` tokens, or `cut` characters, of thought number `thought` of its
    trial; `forced` says that the thought was closed there by force. `final` is the answer that a vote counts,
    empty where none can be read. `confidence` is the mean probability of the answer's tokens (None: not known).
    `spent` counts every token that this answer needs when it is given alone: thought, forced strings, answer
    and whatever else its strategy sampled on the way.
    """

    budget: int
    status: Status
    value: float
    text: str
    final: str
    thought: int
    cut: int
    thinking_tokens: int
    forced: bool
    answer_tokens: int
    finish: Finish
    spent: int
    confidence: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """One sample of a problem: its thoughts, and one verdict for each budget [S] in ascending order.

    `sampled` counts the tokens that the engine really sampled for all of its budgets together.
    """

    thoughts: tuple[Thought, ...]
    verdicts: tuple[Verdict, ...]
    sampled: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with its trials [G]. `level` names its difficulty stratum, empty where the data tell none."""

    id: str
    prompt: str
    gold: str
    source: str
    level: str
    trials: tuple[Trial, ...]


def to_line(problem: Problem) -> str:
    """The problem as one line of JSON, with its newline."""
    return json.dumps(asdict(problem), ensure_ascii=False, separators=(",", ":")) + "\n"


def from_mapping(record: Mapping[str, Any]) -> Problem:
    """`to_line` undone. Raises KeyError, TypeError or ValueError for anything else."""
    return Problem(**{**record, "trials": tuple(map(_trial, record["trials"]))})


def _trial(record: Mapping[str, Any]) -> Trial:
    thoughts = (Thought(**{**one, "finish": Finish(one["finish"])}) for one in record["thoughts"])
    verdicts = (
        Verdict(**{**one, "status": Status(one["status"]), "finish": Finish(one["finish"])})
        for one in record["verdicts"]
    )
    return Trial(tuple(thoughts), tuple(verdicts), record["sampled"])


def read_problems(path: Path) -> Iterator[Problem]:
    """The problems of a samples.jsonl, in the order in which they were finished.

    A last line without its newline was being written when the evaluation died, and is left out.
    Raises BadInput naming the line for anything that is not such a record.
    """
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                return
            try:
                yield from_mapping(json.loads(line))
            except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                remedy = "remove that line to have its problem sampled again, or name another folder with out=DIR"
                raise BadInput(f"{path}, line {number}: not a record of an evaluation ({error}); {remedy}") from error
