"""The curves of one or several runs as PNG images, in light and in dark (matplotlib's objects, no pyplot)."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter

from rl.history import PHASES, series, smoothed, span_for
from rl.log import Row

FLOOR = 1e-9
"""What a logarithmic panel shows in place of smaller values, exact zeros among them."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one appearance; `cycle` tells curves apart (after Okabe and Ito, for colour-blind readers too)."""

    paper: str
    ink: str
    muted: str
    grid: str
    cycle: tuple[str, ...]


LIGHT = Theme(
    "#ffffff", "#1d2433", "#667085", "#e6e9ef", ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9")
)
DARK = Theme(
    "#161a22", "#e6e9ef", "#98a2b3", "#2b3140", ("#56b4e9", "#f0884d", "#2fc79a", "#e29ac4", "#e6c34d", "#9fb4ff")
)


@dataclass(frozen=True, slots=True)
class Run:
    """A run to draw: how it is called and its rows."""

    label: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Line:
    """A curve of a panel. `style` is matplotlib's; a style without a dash draws points only."""

    key: str
    label: str
    style: str = "-"


@dataclass(frozen=True, slots=True)
class Panel:
    """One set of axes. `scale` is `share` for values from 0 to 1, `amount` for what starts at zero."""

    title: str
    lines: tuple[Line, ...]
    scale: Literal["free", "share", "amount", "log"] = "amount"


PANELS: dict[str, tuple[Panel, ...]] = {
    "accuracy": (
        Panel("Accuracy", (Line("accuracy/mean", "training"), Line("heldout/accuracy", "held out", "o--")), "share"),
        Panel("Reward", (Line("reward/mean", "mean reward"),), "free"),
    ),
    "tokens": (
        Panel(
            "Tokens per rollout",
            (
                Line("tokens/thinking_mean", "thinking"),
                Line("tokens/answer_mean", "answer"),
                Line("budget/largest", "budget", "--"),
            ),
        ),
        Panel(
            "Cut short",
            (Line("budget/hit_rate", "thoughts at the budget"), Line("answer/length_rate", "answers at the limit")),
            "share",
        ),
    ),
    "loss": (
        Panel("Loss", (Line("loss", "loss"),), "free"),
        Panel("Gradient norm", (Line("grad_norm", "before clipping"),)),
    ),
    "policy": (
        Panel("Engine against learner: mean |Δ log p|", (Line("policy/logprob_gap", "gap"),), "log"),
        Panel("Lag in optimizer steps", (Line("policy/lag", "lag"),)),
        Panel("Entropy in nats", (Line("policy/entropy", "entropy"),)),
    ),
    "throughput": (
        Panel("Sampled tokens per second", (Line("throughput/sampled_tokens_per_s", "tokens/s"),)),
        Panel("Samples per second", (Line("throughput/samples_per_s", "samples/s"),)),
    ),
    "signal": (
        Panel("Groups with a training signal", (Line("group/informative", "informative"),), "share"),
        Panel(
            "Answers excluded or unreadable",
            (Line("reward/excluded", "excluded"), Line("reward/unparsable", "unparsable")),
            "share",
        ),
    ),
}


@dataclass(frozen=True)
class Family:
    """Metrics that some runs have, and each run for names of its own behind `prefix`: one panel with a curve each."""

    prefix: str
    title: str
    scale: Literal["free", "share"]
    unit: str = ""


FAMILIES: dict[str, Family] = {
    "budgets": Family("accuracy/budget_", "Accuracy at each budget", "share", " tokens"),
    "held_out": Family("heldout/budget_", "Held-out accuracy at each budget", "share", " tokens"),
    "terms": Family("reward/part_", "Mean of each reward term", "free"),
    "sources": Family("accuracy/source_", "Accuracy by source", "share"),
    "ledger": Family("ledger/", "Tokens of a step by account", "free"),
}


def new_figure(theme: Theme, count: int) -> tuple[Figure, list[Axes]]:
    """A figure of `count` axes, at most three side by side, in the theme's colours."""
    rows, columns = ceil(count / 3), min(count, 3)
    figure = Figure(figsize=(10, 3.1 * rows), dpi=150, layout="constrained", facecolor=theme.paper)
    panels = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    for axes in panels:
        axes.set_facecolor(theme.paper)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(theme.grid)
        axes.tick_params(which="both", colors=theme.muted, labelsize=8, length=0)
        axes.grid(axis="y", color=theme.grid, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel("step", color=theme.muted, fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    return figure, panels


def legend_style(theme: Theme) -> dict[str, Any]:
    """A legend without a box."""
    return {"frameon": False, "fontsize": 8, "labelcolor": theme.ink, "handlelength": 1.6}


def finish(axes: Axes, theme: Theme, title: str, entries: int) -> None:
    """Title, and a legend where there is more than one curve to tell apart."""
    first, last = axes.dataLim.intervalx
    if first == last:
        axes.set_xlim(first - 1, last + 1)
    axes.set_title(title, loc="left", color=theme.ink, fontsize=10, fontweight="bold", pad=10)
    if not axes.has_data():
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=theme.muted, fontsize=9)
        axes.set(xticks=[], yticks=[], xlabel="")
    elif entries > 1:
        beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if entries > 4 else {}
        axes.legend(**legend_style(theme), **beside)


def draw_curve(axes: Axes, steps: Sequence[float], values: Sequence[float], style: str, color: str, label: str) -> None:
    """One curve: its points where it has few or asks for them, otherwise its mean over a window with the raw behind."""
    span = span_for(len(values))
    if span == 1 or style != "-":
        (curve,) = axes.plot(steps, values, style, color=color, label=label, linewidth=1.6, markersize=5)
        if len(values) == 1:  # a line through one point would be invisible
            curve.set_marker("o")
        return
    axes.plot(steps, values, style, color=color, linewidth=0.8, alpha=0.3)
    axes.plot(steps, smoothed(values, span), style, color=color, label=label, linewidth=1.8)


def set_scale(axes: Axes, scale: str) -> None:
    """The value axis of a panel that has been drawn."""
    low, high = axes.dataLim.intervaly
    if scale == "share":
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    elif scale == "amount" and low >= 0 and axes.has_data():
        top = high or 1.0
        axes.set_ylim(-0.03 * top, 1.08 * top)
    elif scale == "log" and axes.has_data():
        axes.set_yscale("log")
        axes.set_ylim(10 ** floor(log10(low)), 10 ** (floor(log10(high)) + 1))
        axes.yaxis.set_minor_formatter(NullFormatter())


def draw_panel(axes: Axes, panel: Panel, runs: Sequence[Run], theme: Theme) -> None:
    """All runs in one panel: a colour for each curve of one run, or for each of several runs."""
    entries = 0
    for r, run in enumerate(runs):
        for i, line in enumerate(panel.lines):
            steps, values = series(run.rows, line.key)
            if not values:
                continue
            names = [run.label] * (len(runs) > 1) + [line.label] * (len(panel.lines) > 1 or len(runs) == 1)
            style = line.style if len(runs) == 1 or i == 0 or line.style != "-" else ":"
            color = theme.cycle[(r if len(runs) > 1 else i) % len(theme.cycle)]
            shown = [max(value, FLOOR) for value in values] if panel.scale == "log" else values
            draw_curve(axes, steps, shown, style, color, ", ".join(names))
            entries += 1
    set_scale(axes, panel.scale)
    finish(axes, theme, panel.title, entries)


def draw_panels(panels: Sequence[Panel], runs: Sequence[Run], theme: Theme) -> Figure:
    """A figure of panels side by side."""
    figure, drawn = new_figure(theme, len(panels))
    for axes, panel in zip(drawn, panels, strict=True):
        draw_panel(axes, panel, runs, theme)
    return figure


def draw_time(runs: Sequence[Run], theme: Theme) -> Figure:
    """Seconds of a step, stacked by phase: one panel per run."""
    figure, drawn = new_figure(theme, len(runs))
    for axes, run in zip(drawn, runs, strict=True):
        rows = [row for row in run.rows if "time/step" in row]
        steps = [row["step"] for row in rows]
        phases = [[row.get(f"time/{phase}", 0.0) for row in rows] for phase in PHASES]
        others = [max(0.0, row["time/step"] - sum(p[i] for p in phases)) for i, row in enumerate(rows)]
        layers = [smoothed(seconds, span_for(len(rows))) for seconds in (*phases, others)]
        colors = [*theme.cycle[: len(PHASES)], theme.muted]
        if len(rows) == 1:  # an area needs a width
            steps, layers = [steps[0] - 0.4, steps[0] + 0.4], [2 * layer for layer in layers]
        if rows:
            axes.stackplot(steps, *layers, labels=[*PHASES, "other"], colors=colors, alpha=0.85, linewidth=0)
        name = "" if len(runs) == 1 else f", {run.label}"
        finish(axes, theme, f"Seconds per step{name}", 0)
        # The stack fills its axes: the legend stands beside it, in the stack's order.
        axes.legend(reverse=True, loc="upper left", bbox_to_anchor=(1, 1), **legend_style(theme))
    return figure


def members(run: Run, family: Family) -> list[str]:
    """What the rows of a run have of a family, numbers in their order, then names."""
    found = {key.removeprefix(family.prefix) for row in run.rows for key in row if key.startswith(family.prefix)}
    return sorted(found, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))


def draw_family(family: Family, runs: Sequence[Run], theme: Theme) -> Figure:
    """A curve for each member of a family: one panel per run that has any."""
    having = [run for run in runs if members(run, family)]
    figure, drawn = new_figure(theme, len(having))
    for axes, run in zip(drawn, having, strict=True):
        lines = tuple(Line(family.prefix + name, f"{name}{family.unit}") for name in members(run, family))
        name = "" if len(runs) == 1 else f", {run.label}"
        draw_panel(axes, Panel(f"{family.title}{name}", lines, family.scale), [run], theme)
    return figure


def figures(runs: Sequence[Run]) -> dict[str, Callable[[Theme], Figure]]:
    """What there is to draw of these runs, by name and in reading order."""
    drawn: dict[str, Callable[[Theme], Figure]] = {}
    for name, panels in PANELS.items():
        drawn[name] = lambda theme, panels=panels: draw_panels(panels, runs, theme)
        for kind, family in FAMILIES.items() if name == "accuracy" else ():
            if any(members(run, family) for run in runs):
                drawn[kind] = lambda theme, family=family: draw_family(family, runs, theme)
        if name == "policy":
            drawn["time"] = lambda theme: draw_time(runs, theme)
    return drawn


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
