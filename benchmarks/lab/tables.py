"""From measured numbers to a table and one sentence: does the direction of the claim hold here? (pure)

Axis letters: E efforts, K seeds, N problems, S budgets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from benchmarks.lab.experiments import START, Experiment
from benchmarks.lab.intervals import difference, interval, ratio
from rl.calibration import effort_for, relative_curve
from rl.evaluation.intervals import Interval
from rl.types import Array


@dataclass(frozen=True)
class Measured:
    """An arm: share of right answers and thinking tokens up to the budget [E, K, N, S], means over samples."""

    budgets: tuple[int, ...]
    efforts: tuple[float, ...]
    accuracy_EKNS: Array
    tokens_EKNS: Array


Arms: TypeAlias = Mapping[str, Measured]


def read(files: Sequence[Path]) -> Measured:
    """The files of one arm, one for each seed, as `measure.py` writes them."""
    seeds = [json.loads(file.read_text()) for file in files]
    correct_KENGS = np.array([seed["correct"] for seed in seeds], dtype=np.float64)
    budget_S, thinking_KENG = np.array(seeds[0]["budgets"]), np.array([seed["thinking"] for seed in seeds])
    tokens_KENGS = np.minimum(thinking_KENG[..., None], budget_S)
    return Measured(
        budgets=tuple(seeds[0]["budgets"]),
        efforts=tuple(seeds[0]["efforts"]),
        accuracy_EKNS=correct_KENGS.mean(axis=3).swapaxes(0, 1),
        tokens_EKNS=tokens_KENGS.mean(axis=3).swapaxes(0, 1),
    )


def gains(arms: Arms, arm: str, baseline: str) -> tuple[list[Interval], Interval]:
    """What `arm` is ahead by: at each budget [S], and in the mean over the budgets (anytime accuracy)."""
    one_KNS, other_KNS = (arms[name].accuracy_EKNS[0] for name in (arm, baseline))
    at = [difference(one_KNS[..., s], other_KNS[..., s]) for s in range(one_KNS.shape[-1])]
    return at, difference(one_KNS.mean(axis=-1), other_KNS.mean(axis=-1))


def budget_table(experiment: Experiment, arms: Arms) -> str:
    """A row for each budget and one for the mean over them; a column for each arm and one for the paired difference."""
    arm, baseline = experiment.comparison.arm, experiment.comparison.baseline
    at, anytime = gains(arms, arm, baseline)
    names, budgets = (START, baseline, arm), arms[arm].budgets
    rows = [["budget", *names, f"{arm} − {baseline}"]]
    for s, budget in enumerate(budgets):
        rows.append([str(budget), *(percent(interval(arms[n].accuracy_EKNS[0, ..., s])) for n in names), points(at[s])])
    means = [percent(interval(arms[n].accuracy_EKNS[0].mean(axis=-1))) for n in names]
    tokens = [plain(interval(arms[n].tokens_EKNS[0, ..., -1])) for n in names]
    shorter = difference(*(arms[n].tokens_EKNS[0, ..., -1] for n in (arm, baseline)))
    rows += [["anytime", *means, points(anytime)], ["tokens of thought", *tokens, plain(shorter)]]
    return markdown(rows)


def effort_table(experiment: Experiment, arms: Arms) -> str:
    """A row for each arm and effort: accuracy, tokens, and what share of the baseline's tokens at full effort."""
    usual_KN = arms[experiment.comparison.baseline].tokens_EKNS[-1, ..., -1]
    rows = [["arm", "effort", "accuracy", "tokens of thought", f"share of {experiment.comparison.baseline}'s"]]
    for name in (START, *experiment.arms):
        for e, effort in enumerate(arms[name].efforts):
            tokens_KN = arms[name].tokens_EKNS[e, ..., -1]
            right = percent(interval(arms[name].accuracy_EKNS[e, ..., -1]))
            rows.append([name, f"{effort:.2f}", right, plain(interval(tokens_KN)), plain(ratio(tokens_KN, usual_KN))])
    return markdown(rows) + f"\n{calibrated(arms[experiment.comparison.arm])}\n"


def calibrated(trained: Measured) -> str:
    """What to ask for, after training, to get a share of full effort's tokens or accuracy: a line for people."""
    means = {"tokens": trained.tokens_EKNS, "accuracy": trained.accuracy_EKNS}
    curves = {name: relative_curve(values[..., -1].mean(axis=(1, 2))) for name, values in means.items()}
    told = [
        f"{share:.0%} of the {name}: effort {effort_for(share, trained.efforts, curve):.2f} (gives {got:.0%})"
        for name, curve in curves.items()
        for share in (0.5, 0.9)
        for got in [float(np.interp(effort_for(share, trained.efforts, curve), trained.efforts, curve))]
    ]
    return f"Calibrated, what to ask for: {'; '.join(told)}."


def every_budget(experiment: Experiment, arms: Arms) -> str:
    """The verdict on a claim about all budgets: decided by the mean over them, in full only if none is behind."""
    arm, baseline = experiment.comparison.arm, experiment.comparison.baseline
    at, anytime = gains(arms, arm, baseline)
    ahead, sure = sum(gain.mean > 0 for gain in at), sum(gain.low > 0 for gain in at)
    partly = " in part" if anytime.low > 0 and ahead < len(at) else ""
    return (
        f"The claim {direction(anytime)}{partly} here: the anytime accuracy of {arm} less that of {baseline} is "
        f"{points(anytime)} points; it is ahead at {ahead} of {len(at)} budgets, at {sure} with an interval above 0."
    )


def one_budget(experiment: Experiment, arms: Arms) -> str:
    """The verdict on a claim about the final budget."""
    arm, baseline = experiment.comparison.arm, experiment.comparison.baseline
    final = gains(arms, arm, baseline)[0][-1]
    return (
        f"The claim {direction(final)} here: at the final budget of {arms[arm].budgets[-1]} tokens the accuracy of "
        f"{arm} less that of {baseline} is {points(final)} points."
    )


def direction(gain: Interval) -> str:
    """What a gain says about the claim that there is one; an interval that includes 0 decides nothing."""
    return "holds" if gain.low > 0 else "does not hold" if gain.high < 0 else "is left open"


def effort(experiment: Experiment, arms: Arms) -> str:
    """The verdict on a claim about efforts."""
    trained, usual = arms[experiment.comparison.arm], arms[experiment.comparison.baseline]
    share = ratio(trained.tokens_EKNS[-1, ..., -1], usual.tokens_EKNS[-1, ..., -1])
    lost = difference(trained.accuracy_EKNS[-1, ..., -1], usual.accuracy_EKNS[-1, ..., -1])
    parts = {
        "tokens rise with effort": rises(trained.tokens_EKNS[..., -1]),
        "accuracy rises with effort": rises(trained.accuracy_EKNS[..., -1]),
        "thoughts at full effort are at most half as long": share.mean <= 0.5,
        "no accuracy is lost at full effort, or none beyond the interval": lost.high >= 0,
    }
    held = [what for what, holds in parts.items() if holds]
    broken = [what for what, holds in parts.items() if not holds]
    word = "holds" if not broken else "holds in part" if held else "does not hold"
    numbers = f"{plain(share)} of the starting model's tokens, {points(lost)} points of accuracy"
    return (
        f"The claim {word} here: true: {', '.join(held) or 'nothing'}; not true: {', '.join(broken) or 'nothing'} "
        f"(full effort: {numbers})."
    )


def rises(values_EKN: Array) -> bool:
    """Whether means ascend with every effort, and the last is above the first by more than its interval."""
    ascends = np.all(np.diff(values_EKN.mean(axis=(1, 2))) > 0)
    return bool(ascends) and difference(values_EKN[-1], values_EKN[0]).low > 0


KINDS: dict[str, tuple[Callable[[Experiment, Arms], str], Callable[[Experiment, Arms], str]]] = {
    "every_budget": (budget_table, every_budget),
    "one_budget": (budget_table, one_budget),
    "effort": (effort_table, effort),
}
"""Table and verdict of each kind of comparison."""


def percent(value: Interval) -> str:
    """An accuracy in per cent with its interval."""
    return f"{100 * value.mean:.1f} [{100 * value.low:.1f}, {100 * value.high:.1f}]"


def points(value: Interval) -> str:
    """A difference of accuracies in points, signed."""
    return f"{100 * value.mean:+.1f} [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"


def plain(value: Interval) -> str:
    """Any other number."""
    return f"{value.mean:.2f} [{value.low:.2f}, {value.high:.2f}]"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"
