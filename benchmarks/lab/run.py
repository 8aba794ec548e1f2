"""The laboratory: published claims, tried on the tiny reasoner.

    python benchmarks/lab/run.py brpo_vs_grpo --seeds 3

Trains every arm with every seed, one after the other, skips what is finished and resumes what was interrupted;
measures all of them, and writes table, plot and verdict into benchmarks/lab/results/. docs/lab.md says what the
experiments mean.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.lab import docs
from benchmarks.lab.experiments import EXPERIMENTS, START, Experiment
from benchmarks.lab.figures import draw
from benchmarks.lab.jobs import Job, is_measured, is_trained, jobs, work
from benchmarks.lab.tables import KINDS, Arms, read
from rl.errors import BadInput, RunFailed

HERE = Path(__file__).parent
MEASURING = 0.5
"""Minutes that a measurement takes on two cores."""


def expected(job: Job, experiment: Experiment) -> float:
    """Minutes that are left to do for a job, after the experiment's own estimate."""
    if is_measured(job):
        return 0.0
    return MEASURING if not job.trains or is_trained(job) else experiment.minutes


def work_off(todo: Sequence[Job], experiment: Experiment) -> None:
    """Do the jobs with a line before each: what, and the minutes left, by the estimate and what it proved worth."""
    minutes = [expected(job, experiment) for job in todo]
    start = time.monotonic()
    for i, job in enumerate(todo):
        done, spent = sum(minutes[:i]), (time.monotonic() - start) / 60
        left = sum(minutes[i:]) * (spent / done if done else 1.0)
        print(f"lab: [{i + 1}/{len(todo)}] {job.label}  about {left:.0f} min left", flush=True)
        work(job)


def complete(todo: Sequence[Job], experiment: Experiment) -> tuple[Arms, int]:
    """The measures of all arms over the seeds that have them all, and how many these are."""
    names = (START, *experiment.arms)
    measured = {(job.arm, job.seed): job.measures for job in todo if is_measured(job)}
    seeds = [seed for seed in sorted({job.seed for job in todo}) if all((name, seed) in measured for name in names)]
    return {name: read([measured[name, seed] for seed in seeds]) for name in names if seeds}, len(seeds)


def report(name: str, experiment: Experiment, arms: Arms, seeds: int) -> str:
    """Write results/NAME/table.md and plot.png; returns the verdict."""
    table, verdict = (make(experiment, arms) for make in KINDS[experiment.comparison.kind])
    _, _, problems, _ = arms[START].accuracy_EKNS.shape
    note = f"{seeds} seed{'s' * (seeds > 1)} × {problems} held-out problems; 95 % intervals by hierarchical bootstrap."
    folder = HERE / "results" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.md").write_text(f"{table}\n{note}\n\n**{verdict}**\n", encoding="utf-8")
    draw(experiment, arms, folder / "plot.png")
    docs.write()
    print(f"\n{table}\n{note}")
    return verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=0, help="of every run, in place of the experiment's own: a trial")
    parser.add_argument("--only", metavar="ARM", default="", help="one arm alone, or 'cold start'")
    parser.add_argument("--dry-run", action="store_true", help="say what would run and how long; run nothing")
    options = parser.parse_args()
    name, experiment = options.experiment, EXPERIMENTS[options.experiment]
    label = f"{name}-{options.steps}steps" if options.steps else name  # a trial is kept apart
    try:
        every = list(jobs(label, experiment, seeds=options.seeds, steps=options.steps))
        todo = [job for job in every if options.only in ("", job.arm)]
        if options.dry_run:
            for job in todo:
                print(f"{job.label:40} {expected(job, experiment):5.1f} min")
            print(f"{'all':40} {sum(expected(job, experiment) for job in todo):5.1f} min")
            return
        work_off(todo, experiment)
    except (BadInput, RunFailed) as error:
        sys.exit(f"lab: {error}")
    arms, seeds = complete(every, experiment)
    print(f"\nlab: {report(label, experiment, arms, seeds)}" if seeds else "lab: no seed has all its arms yet")


if __name__ == "__main__":
    main()
