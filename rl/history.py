"""The rows of a run read back: series, the numbers that sum it up, and what deserves a second look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rl.errors import BadInput
from rl.log import Row, parse_rows

PHASES = ("rollout", "reward", "learn", "publish")


def read_rows(folder: Path) -> list[Row]:
    """The metrics of a run folder. Raises BadInput when it has none."""
    path = folder / "metrics.jsonl"
    if not path.is_file():
        raise BadInput(f"{folder} is not a run folder: it has no metrics.jsonl")
    rows = parse_rows(path)
    if not rows:
        raise BadInput(f"{path} is empty: the run has not finished its first step")
    return rows


def series(rows: Sequence[Row], key: str) -> tuple[list[float], list[float]]:
    """Steps and values of the rows that have `key`."""
    points = [(row["step"], row[key]) for row in rows if key in row]
    return [step for step, _ in points], [value for _, value in points]


def smoothed(values: Sequence[float], span: int) -> list[float]:
    """The mean of each value and up to `span - 1` values before it."""
    windows = (values[max(0, i + 1 - span) : i + 1] for i in range(len(values)))
    return [sum(window) / len(window) for window in windows]


def span_for(count: int) -> int:
    """How many steps a mean of the noisy training series takes: a twentieth of the run, 1 to 20."""
    return min(20, max(1, count // 20))


def time_shares(rows: Sequence[Row]) -> dict[str, float]:
    """Share of the wall time that each phase took; `other` is what no phase accounts for.

    Phases that overlap may add up to more than the wall time: then they share it in proportion.
    """
    spent = {phase: sum(series(rows, f"time/{phase}")[1]) for phase in PHASES}
    wall = sum(series(rows, "time/step")[1])
    spent["other"] = max(0.0, wall - sum(spent.values()))
    total = sum(spent.values())
    return {phase: seconds / total for phase, seconds in spent.items() if total > 0}


@dataclass(frozen=True, slots=True)
class Headline:
    """A run in a few numbers. Accuracies are shares; training accuracy is the mean over `span` steps at each end."""

    steps: int
    span: int
    accuracy: tuple[float, float] | None
    held_out: tuple[float, float] | None
    reward: tuple[float, float] | None
    sampled_tokens: float
    seconds: float
    tokens_per_s: float
    shares: dict[str, float]


def ends(values: Sequence[float], span: int) -> tuple[float, float] | None:
    """The means of the first and of the last `span` values."""
    if not values:
        return None
    first, last = values[:span], values[-span:]
    return sum(first) / len(first), sum(last) / len(last)


def headline(rows: Sequence[Row]) -> Headline:
    """Sum up the rows of a run."""
    span = span_for(len(rows))
    seconds = sum(series(rows, "time/step")[1])
    tokens = sum(series(rows, "tokens/sampled")[1])
    return Headline(
        steps=len(rows),
        span=span,
        accuracy=ends(series(rows, "accuracy/mean")[1], span),
        held_out=ends(series(rows, "heldout/accuracy")[1], 1),
        reward=ends(series(rows, "reward/mean")[1], span),
        sampled_tokens=rows[-1].get("tokens/sampled_total", tokens),
        seconds=seconds,
        tokens_per_s=tokens / seconds if seconds else 0.0,
        shares=time_shares(rows),
    )


@dataclass(frozen=True, slots=True)
class Alarm:
    """A metric whose mean over a stretch of the run passed a limit, and what it usually means."""

    key: str
    limit: float
    above: bool
    meaning: str


ALARMS = (
    Alarm("policy/logprob_gap", 0.05, True, "engine and learner disagree: check dtypes and the publish"),
    Alarm("reward/excluded", 0.05, True, "many answers had no verdict: raise the reward's deadline or read its errors"),
    Alarm("reward/unparsable", 0.5, True, "most answers could not be read: check the prompt's answer format"),
    Alarm("budget/hit_rate", 0.95, True, "nearly every thought was cut by its budget: raise it"),
    Alarm("answer/length_rate", 0.5, True, "most answers used up their allowance: raise rollout.answer_tokens"),
    Alarm("group/informative", 0.1, False, "nearly all groups were all right or all wrong: the problems do not fit"),
)


def alarms(rows: Sequence[Row]) -> list[str]:
    """One line for each metric whose mean over the last steps is beyond its limit."""
    span = span_for(len(rows))
    found: list[str] = []
    for alarm in ALARMS:
        both = ends(series(rows, alarm.key)[1], span)
        if both is not None and (both[1] > alarm.limit if alarm.above else both[1] < alarm.limit):
            found.append(f"{alarm.key} is {both[1]:.3g} over the last {span} steps: {alarm.meaning}")
    return found
