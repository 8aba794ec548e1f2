"""The plot of an experiment, in the style of a run's report."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from benchmarks.lab.experiments import START, Experiment
from benchmarks.lab.intervals import interval
from benchmarks.lab.tables import Arms
from rl.evaluation.intervals import Interval
from rl.plots import LIGHT, legend_style, new_figure, png


def curve(axes: Axes, places: tuple[float, ...], values: list[Interval], color: str, label: str) -> None:
    """Means with their intervals as a band."""
    axes.fill_between(places, [v.low for v in values], [v.high for v in values], color=color, alpha=0.15, linewidth=0)
    axes.plot(places, [v.mean for v in values], "o-", color=color, label=label, linewidth=1.6, markersize=4)


def draw(experiment: Experiment, arms: Arms, file: Path) -> None:
    """Accuracy and tokens of every arm, against the budget or the effort, whichever was measured at several."""
    figure, panels = new_figure(LIGHT, 2)
    for index, name in enumerate((START, *experiment.arms)):
        measured, color = arms[name], (LIGHT.muted, *LIGHT.cycle)[index]
        swept = len(measured.efforts) > 1
        places = measured.efforts if swept else tuple(map(float, measured.budgets))
        for axes, values_EKNS in zip(panels, (measured.accuracy_EKNS, measured.tokens_EKNS), strict=True):
            at = (
                [values_EKNS[e, ..., -1] for e in range(len(places))]
                if swept
                else list(values_EKNS[0].transpose(2, 0, 1))
            )
            curve(axes, places, [interval(values_KN) for values_KN in at], color, name)
            axes.set_xlabel("effort in the prompt" if swept else "budget in tokens", color=LIGHT.muted, fontsize=8)
    for axes, title in zip(panels, ("Accuracy, 95 % intervals", "Tokens of thought"), strict=True):
        axes.set_title(title, loc="left", color=LIGHT.ink, fontsize=10, fontweight="bold", pad=10)
        axes.set_ylim(bottom=0)
    panels[0].set_ylim(0, 1.03)
    panels[0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panels[0].legend(**legend_style(LIGHT))
    file.write_bytes(png(figure))
