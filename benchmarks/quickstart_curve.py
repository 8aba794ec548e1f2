"""Runs of the quickstart with several seeds as one table and one plot.

for seed in 0 1 2; do ration train configs/quickstart.yaml run.seed=$seed run.name=quickstart-seed$seed; done
python benchmarks/quickstart_curve.py runs/quickstart-seed* --out docs/quickstart.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rl.history import read_rows, series, smoothed

HEAD = "run                    before   after   worst gap   s/step   RL minutes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("quickstart.png"))
    options = parser.parse_args()
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.add_subplot()
    print(HEAD)
    for index, run in enumerate(options.runs):
        rows = read_rows(run)
        held_steps, held = series(rows, "heldout/accuracy")
        steps, accuracy = series(rows, "accuracy/mean")
        seconds = [row["time/step"] for row in rows]
        worst = max(row["policy/logprob_gap"] for row in rows)
        print(
            f"{run.name:22} {held[0]:6.1%}  {held[-1]:6.1%}   {worst:9.1e}   {sum(seconds) / len(seconds):6.2f}"
            f"   {sum(seconds) / 60:10.1f}"
        )
        axes.plot(steps, smoothed(accuracy, 5), color=f"C{index}", alpha=0.45)
        axes.plot(held_steps, held, "o-", color=f"C{index}", label=run.name, markersize=4)
    axes.axhline(0.8, color="grey", linewidth=0.8, linestyle=":")
    axes.set(
        xlabel="step", ylabel="accuracy at temperature 1", ylim=(0, 1), title="quickstart: held out (dots), training"
    )
    axes.legend(frameon=False, loc="lower right")
    FigureCanvasAgg(figure)
    figure.savefig(options.out, dpi=130)
    print(f"plot: {options.out}")


if __name__ == "__main__":
    main()
