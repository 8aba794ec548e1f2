"""What the sample browser is given: every verdict, and the texts of as many problems as fit (pure).

Both are JSON, gzipped for the browser's own DecompressionStream. The index has each problem of any of the
runs once, with its trials as columns over the budgets; the texts are one JSON line per problem.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from rl.evaluation.finished import Finished
from rl.evaluation.outcomes import Outcome, outcome, right_early_wrong_late, wrong_early_right_late
from rl.evaluation.records import Problem, Trial

EXCERPT = 160
"""Characters of the prompt in the list of problems."""
GZIP = 31  # zlib's number for a gzip stream
LETTERS = {
    Outcome.CORRECT: "c",
    Outcome.WRONG: "w",
    Outcome.NONE: "n",
    Outcome.CUT: "x",
    Outcome.EXCLUDED: "e",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A problem with its trials in each run; None where a run did not have the problem."""

    problem: Problem
    trials: tuple[tuple[Trial, ...] | None, ...]

    @property
    def all_trials(self) -> list[Trial]:
        return [trial for trials in self.trials for trial in trials or ()]


def natural(name: str) -> list[tuple[bool, int, str]]:
    """A sort key by which `gsm8k/9` comes before `gsm8k/10`."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)]


def rows(runs: Sequence[Finished]) -> list[Row]:
    """The problems of all runs, matched by their ids and sorted by them."""
    by_run = [{problem.id: problem for problem in run.problems} for run in runs]
    names = sorted(set(chain.from_iterable(by_run)), key=natural)
    found = ([problems.get(name) for problems in by_run] for name in names)
    return [
        Row(next(p for p in problems if p is not None), tuple(p.trials if p else None for p in problems))
        for problems in found
    ]


def stratum(row: Row) -> tuple[bool, bool, Outcome | None]:
    """What kind of problem it is: whether verdicts turn along the budgets, and how the first trial ends."""
    trials = row.all_trials
    last = next((outcome(trial.verdicts[-1]) for trial in trials), None)
    return any(map(right_early_wrong_late, trials)), any(map(wrong_early_right_late, trials)), last


def evenly(rows: Sequence[Row]) -> list[int]:
    """Places of the rows in the order in which their texts are kept: one of each stratum in turn."""
    strata: dict[tuple[bool, bool, Outcome | None], list[int]] = {}
    for i, row in enumerate(rows):
        strata.setdefault(stratum(row), []).append(i)
    return [i for turn in zip_longest(*strata.values()) for i in turn if i is not None]


def columns(trial: Trial) -> dict[str, Any]:
    """The verdicts of a trial: outcomes, and whether closed by force, as letters; tokens as numbers."""
    return {
        "o": "".join(LETTERS[outcome(verdict)] for verdict in trial.verdicts),
        "f": "".join(str(int(verdict.forced)) for verdict in trial.verdicts),
        "t": [verdict.thinking_tokens for verdict in trial.verdicts],
        "a": [verdict.answer_tokens for verdict in trial.verdicts],
        "s": [verdict.spent for verdict in trial.verdicts],
    }


def utf16(text: str, cut: int) -> int:
    """Where JavaScript, which counts UTF-16 units, finds the place after `cut` characters."""
    return len(text[:cut].encode("utf-16-le", "surrogatepass")) // 2


def words(trial: Trial) -> dict[str, Any]:
    """The texts of a trial: thoughts, and of each verdict its thought, cut, answer and what was read from it."""
    return {
        "thoughts": [[thought.text, thought.tokens, thought.finish] for thought in trial.thoughts],
        "answers": [
            {
                "text": verdict.text,
                "final": verdict.final,
                "thought": verdict.thought,
                "cut": utf16(trial.thoughts[verdict.thought].text, verdict.cut) if trial.thoughts else 0,
                "finish": verdict.finish,
                "confidence": verdict.confidence,
                "detail": verdict.detail,
            }
            for verdict in trial.verdicts
        ],
    }


def index_of(runs: Sequence[Finished], rows: Sequence[Row]) -> dict[str, Any]:
    """All that filters and tables need, without the long texts."""
    return {
        "runs": [{"label": run.label, "budgets": run.budgets, "closing": run.closing} for run in runs],
        "budgets": sorted({budget for run in runs for budget in run.budgets}),
        "problems": [
            {
                "id": row.problem.id,
                "excerpt": " ".join(row.problem.prompt[: 4 * EXCERPT].split())[:EXCERPT],
                "level": row.problem.level,
                "source": row.problem.source,
                "runs": [trials and [columns(trial) for trial in trials] for trials in row.trials],
            }
            for row in rows
        ],
    }


def text_of(place: int, row: Row) -> dict[str, Any]:
    """The long texts of one problem."""
    return {
        "place": place,
        "prompt": row.problem.prompt,
        "gold": row.problem.gold,
        "runs": [trials and [words(trial) for trial in trials] for trials in row.trials],
    }


def to_json(value: object) -> bytes:
    """Compact JSON in UTF-8; half a surrogate pair becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def packed_prefix(records: Iterable[bytes], limit: int) -> tuple[bytes, int]:
    """The gzip stream of as many of the first records as fit into `limit` bytes, and how many these are."""
    packer = zlib.compressobj(9, wbits=GZIP)
    chunks: list[bytes] = []
    for record in records:
        before = packer.copy()
        chunk = packer.compress(record) + packer.flush(zlib.Z_SYNC_FLUSH)
        if sum(map(len, chunks)) + len(chunk) + len(packer.copy().flush()) > limit:
            return b"".join([*chunks, before.flush()]), len(chunks)
        chunks.append(chunk)
    return b"".join([*chunks, packer.flush()]), len(chunks)


def pack_index(runs: Sequence[Finished], rows: Sequence[Row]) -> bytes:
    """Every verdict as a gzip stream."""
    return zlib.compress(to_json(index_of(runs, rows)), 9, wbits=GZIP)


def pack_texts(rows: Sequence[Row], limit: int) -> tuple[bytes, int]:
    """The texts of as many problems as fit into `limit` bytes, shared evenly over the strata, and their number."""
    return packed_prefix((to_json(text_of(i, rows[i])) + b"\n" for i in evenly(rows)), limit)
