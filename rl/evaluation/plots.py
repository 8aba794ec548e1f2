"""The figures of one or several evaluations, in light and in dark."""

# matplotlib does not type its keyword arguments.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log10
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator, PercentFormatter, StrMethodFormatter
from numpy.typing import NDArray

from rl.evaluation.finished import Finished
from rl.evaluation.outcomes import at_budget
from rl.plots import Theme, finish, legend_style, new_figure
from rl.wording import count

CAPTIONS = {
    "anytime": "Accuracy and its 95 % interval over problems. Left: against the thinking budget asked for. "
    "Right: against the tokens that answers really used, thought and forced strings included.",
    "tokens": "How many tokens the answers at each budget really used; each row is scaled to its own peak, the line is "
    "the mean.",
    "cost": "Left: what was asked for against what was used. Right: all tokens of the evaluation, as they were sampled "
    "and as one run for each budget would have needed them.",
    "difficulty": "Accuracy in percent of each level of difficulty at each budget; in brackets the number of problems.",
}
TICKS = 9
"""Labelled budgets of an axis; of more, evenly chosen ones are named."""
LEVELS = 12
"""Rows of the figure of difficulty; of more levels, the most common ones are drawn."""
BINS = 48


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy [S] with its interval, against the budgets and against the mean of the tokens really used."""

    budgets: list[int]
    spent: list[float]
    accuracy: list[float]
    low: list[float]
    high: list[float]


def curve(run: Finished) -> Curve:
    """The points of an evaluation at which anything was judged."""
    points = [point for point in run.result["budgets"] if point["judged"]]
    return Curve(
        [point["budget"] for point in points],
        [point["spent_tokens"] for point in points],
        [point["accuracy"] for point in points],
        [point["ci_low"] for point in points],
        [point["ci_high"] for point in points],
    )


def thinned(budgets: Sequence[int], most: int) -> list[int]:
    """At most `most` of the budgets at even steps, the largest among them."""
    return sorted(budgets)[:: -ceil(len(budgets) / most)][::-1]


def axes_of(figure_and_axes: tuple[Figure, list[Axes]], xlabel: str) -> tuple[Figure, list[Axes]]:
    """Axes with another name below than the training report's."""
    for axes in figure_and_axes[1]:
        axes.set_xlabel(xlabel)
    return figure_and_axes


def token_scale(axes: Axes, ticks: Sequence[float], low: float, high: float) -> None:
    """A logarithmic axis of tokens with the given ticks."""
    axes.set_xscale("log")
    axes.set_xlim(low / 1.15, high * 1.15)
    axes.xaxis.set_major_locator(NullLocator())
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())


def round_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two positive numbers; of a wide range the powers, of a narrow one any."""
    powers = [10.0**p for p in range(int(log10(low)) - 1, int(log10(high)) + 2)]
    factors = (1, 2, 5) if high / low < 300 else (1,)
    ticks = [f * power for power in powers for f in factors if low / 1.15 <= f * power <= high * 1.15]
    return ticks if len(ticks) > 2 else [float(tick) for tick in np.unique(np.rint(np.geomspace(low, high, 4)))]


def draw_anytime(runs: Sequence[Finished], theme: Theme) -> Figure:
    """Accuracy with its interval, against the budget asked for and against the tokens really used."""
    figure, (asked, used) = axes_of(new_figure(theme, 2), "thinking budget in tokens")
    used.set_xlabel("tokens really used, mean per answer")
    curves = [curve(run) for run in runs]
    for i, (run, drawn) in enumerate(zip(runs, curves, strict=True)):
        color = theme.cycle[i % len(theme.cycle)]
        for axes, tokens in ((asked, drawn.budgets), (used, drawn.spent)):
            axes.fill_between(tokens, drawn.low, drawn.high, color=color, alpha=0.18, linewidth=0)
            axes.plot(tokens, drawn.accuracy, "o-", color=color, label=run.label, linewidth=1.8, markersize=4)
    budgets = sorted({budget for drawn in curves for budget in drawn.budgets}) or [1]
    spent = [max(1.0, tokens) for drawn in curves for tokens in drawn.spent] or [1.0]
    token_scale(asked, ticks_of(runs), budgets[0], budgets[-1])
    token_scale(used, round_ticks(min(spent), max(spent)), min(spent), max(spent))
    for axes, title in ((asked, "Accuracy at each budget"), (used, "Accuracy against tokens really used")):
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_title(title, loc="left", color=theme.ink, fontsize=10, fontweight="bold", pad=10)
    if len(runs) > 1:
        asked.legend(**legend_style(theme))
    return figure


def panel_title(title: str, run: Finished, runs: Sequence[Finished]) -> str:
    """What is drawn, or which run where a panel stands for one of several."""
    return title if len(runs) == 1 else shortened(run.label)


def shortened(label: str, most: int = 32) -> str:
    """A name that fits over a panel."""
    return label if len(label) <= most else f"{label[: most - 1]}…"


def ticks_of(runs: Sequence[Finished]) -> list[int]:
    """The budgets of the run with most of them, where these are not too many."""
    return thinned(max((run.budgets for run in runs), key=len), TICKS)


def draw_tokens(runs: Sequence[Finished], theme: Theme) -> Figure:
    """How many tokens answers really used: a histogram for each budget, one above the other."""
    figure, drawn = axes_of(new_figure(theme, len(runs)), "tokens really used")
    for axes, run in zip(drawn, runs, strict=True):
        budgets = thinned(run.budgets, TICKS)
        spent = [[max(1, verdict.spent) for verdict in at_budget(run.problems, budget)] for budget in budgets]
        low, high = min(map(min, spent)), max(map(max, spent))
        edges = np.unique(np.rint(np.geomspace(low, high + 1, BINS + 1))) - 0.5  # whole tokens
        for row, tokens in enumerate(spent):
            heights, _ = np.histogram(tokens, edges)
            tops = row + 0.9 * heights / heights.max()
            axes.stairs(tops, edges, baseline=row, fill=True, color=theme.cycle[0], alpha=0.55, linewidth=0)
            mean = sum(tokens) / len(tokens)
            axes.plot([mean, mean], [row, row + 0.9], color=theme.cycle[1], linewidth=1.6)
        token_scale(axes, round_ticks(low, high), low, high)
        axes.set_yticks(range(len(budgets)), [f"{budget:,}" for budget in budgets])
        axes.set_ylabel("budget", color=theme.muted, fontsize=8)
        finish(axes, theme, panel_title("Tokens used by answers", run, runs), 0)
    return figure


def common_strata(run: Finished) -> list[Mapping[str, Any]]:
    """The levels of difficulty in their order; the most common ones where there are many."""
    strata: list[Mapping[str, Any]] = run.result["strata"]
    common = sorted(strata, key=lambda stratum: -stratum["problems"])[:LEVELS]
    return [stratum for stratum in strata if stratum in common]


def draw_shares(axes: Axes, shares: NDArray[np.float64], theme: Theme) -> None:
    """Shares in [0, 1] as shaded cells with their percentages; NaN is a dash."""
    shades = LinearSegmentedColormap.from_list("shares", [theme.paper, theme.cycle[0]])
    axes.pcolormesh(shares, cmap=shades, vmin=0, vmax=1, edgecolors=theme.paper, linewidth=1.5)
    for (y, x), share in np.ndenumerate(shares):
        named = "–" if np.isnan(share) else f"{100 * share:.0f}"
        ink = theme.paper if share > 0.6 else theme.ink
        axes.text(x + 0.5, y + 0.5, named, ha="center", va="center", color=ink, fontsize=8)
    axes.grid(visible=False)


def draw_difficulty(runs: Sequence[Finished], theme: Theme) -> Figure:
    """Accuracy of each level of difficulty at each budget."""
    having = [run for run in runs if run.result["strata"]]
    figure, drawn = axes_of(new_figure(theme, len(having)), "thinking budget in tokens")
    for axes, run in zip(drawn, having, strict=True):
        strata, budgets = common_strata(run), thinned(run.budgets, TICKS)
        places = [run.budgets.index(budget) for budget in budgets]
        draw_shares(axes, np.array([[stratum["accuracy_S"][s] for s in places] for stratum in strata], float), theme)
        axes.set_xticks(np.arange(len(budgets)) + 0.5, list(map(str, budgets)), fontsize=7)
        axes.invert_yaxis()
        names = [f"{stratum['level'] or '(none)'} ({stratum['problems']:,})" for stratum in strata]
        axes.set_yticks(np.arange(len(strata)) + 0.5, names)
        finish(axes, theme, panel_title("Accuracy in % by level", run, runs), 0)
    return figure


def totals(run: Finished) -> tuple[int, int, int]:
    """Tokens of the largest budget alone, of all budgets as they were sampled, and of all budgets one by one."""
    trials = [trial for problem in run.problems for trial in problem.trials]
    largest = sum(trial.verdicts[-1].spent for trial in trials)
    return (
        largest,
        sum(trial.sampled for trial in trials),
        sum(verdict.spent for trial in trials for verdict in trial.verdicts),
    )


def draw_cost(runs: Sequence[Finished], theme: Theme) -> Figure:
    """Tokens of an answer against the budget asked for, and what the whole grid cost."""
    figure, (mean, whole) = axes_of(new_figure(theme, 2), "thinking budget in tokens")
    for i, run in enumerate(runs):
        color = theme.cycle[i % len(theme.cycle)]
        thought = [point["thinking_tokens"] for point in run.result["budgets"]]
        spent = [point["spent_tokens"] for point in run.result["budgets"]]
        mean.plot(
            run.budgets,
            spent,
            "o-",
            color=color,
            label=run.label if len(runs) > 1 else "used",
            linewidth=1.8,
            markersize=4,
        )
        mean.plot(run.budgets, thought, "--", color=color, linewidth=1.4)
    budgets = sorted({budget for run in runs for budget in run.budgets})
    mean.plot(budgets, budgets, ":", color=theme.muted, label="budget", linewidth=1.2)
    mean.set_yscale("log")
    low, high = mean.dataLim.intervaly
    mean.set_yticks(round_ticks(max(low, 1), high), [f"{tick:.0f}" for tick in round_ticks(max(low, 1), high)])
    mean.yaxis.set_minor_locator(NullLocator())
    token_scale(mean, ticks_of(runs), budgets[0], budgets[-1])
    finish(mean, theme, "Mean tokens of an answer, dashed: its thought", len(runs) + 1)
    draw_totals(whole, runs, theme)
    return figure


WAYS = ("largest budget alone", "all budgets, as sampled", "all budgets, one by one")


def draw_totals(axes: Axes, runs: Sequence[Finished], theme: Theme) -> None:
    """Bars of the tokens of a whole evaluation, with their ratio to the largest budget alone."""
    thick = 0.8 / len(runs)
    longest = 1
    for i, run in enumerate(runs):
        tokens = totals(run)
        longest = max(longest, *tokens)
        places = [way + i * thick for way in range(len(WAYS))]
        axes.barh(places, tokens, height=0.85 * thick, color=theme.cycle[i % len(theme.cycle)], alpha=0.85)
        for place, number in zip(places, tokens, strict=True):
            ratio = f"  {count(number)}" + (f" ({number / tokens[0]:.2f}×)" if tokens[0] else "")
            axes.text(number, place, ratio, va="center", color=theme.ink, fontsize=8)
    axes.set_yticks([way + 0.4 - thick / 2 for way in range(len(WAYS))], WAYS)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set(xticks=[], xlabel="", xlim=(0, 1.45 * longest))
    axes.spines["bottom"].set_visible(False)
    finish(axes, theme, "Tokens of the whole evaluation", 0)


def figures(runs: Sequence[Finished]) -> dict[str, Callable[[Theme], Figure]]:
    """What there is to draw of these evaluations, by name and in reading order."""
    drawn: dict[str, Callable[[Theme], Figure]] = {
        "anytime": lambda theme: draw_anytime(runs, theme),
        "tokens": lambda theme: draw_tokens(runs, theme),
        "cost": lambda theme: draw_cost(runs, theme),
    }
    if any(run.result["strata"] for run in runs):
        drawn["difficulty"] = lambda theme: draw_difficulty(runs, theme)
    return drawn
