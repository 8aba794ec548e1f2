"""The loop's verbs on a run's folder: log, save, evaluate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rewards.types import ScoredGroup
from rl import checkpoint, controller
from rl.algorithms import Algorithm
from rl.config import TrainConfig
from rl.config_schema import suggest
from rl.console import Progress
from rl.errors import RunFailed
from rl.judging import check_verdicts
from rl.ledger import with_evaluation
from rl.log import RunLog
from rl.metrics import held_out_metrics
from rl.pace import due
from rl.ports import Judge
from rl.rollout_records import write_rollouts, write_samples
from rl.streams import Resumable
from rl.triggers import NOW_AND_THEN, Trigger, plateau_of
from rollout.strategies.base import grid
from rollout.types import BudgetPrior, Group, Task

HELD_OUT_SEED = 1 << 40


class Desk:
    """The loop's verbs on the run folder: log, save, evaluate."""

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        log: RunLog,
        progress: Progress,
        cluster: Any,
        judge: Judge,
        held_out: Sequence[Task],
        algorithm: Algorithm,
    ) -> None:
        self._config, self._folder, self._log, self._progress = config, folder, log, progress
        self._cluster, self._judge, self._held_out, self._algorithm = cluster, judge, held_out, algorithm
        self._trigger = Trigger(plateau_of(algorithm))
        self._evaluated: list[Group] = []  # held-out groups since the last row
        self._evaluated_at = -1  # steps of the weights that were evaluated last

    def run(self, tasks: Resumable, state: checkpoint.State | None, stopping: Callable[[], bool]) -> controller.Run:
        knobs = self._config
        if state:
            self._trigger.restore(state.trigger)
            tasks.restore(state.tasks)
        return controller.Run(
            algorithm=self._algorithm,
            trigger=self._trigger,
            tasks=tasks,
            engines=self._cluster.engines,
            judge=self._judge,
            learner=self._cluster.learner,
            steps=knobs.run.steps,
            lookahead=knobs.run.lookahead,
            prompts=knobs.rollout.prompts_per_step,
            group_size=knobs.rollout.group_size,
            drop_zero_signal=knobs.learner.drop_zero_signal,
            share=knobs.learner.share,
            seed=knobs.run.seed << 20,
            sampled_total=state.sampled_total if state else 0,
            max_sampled_tokens=knobs.run.max_sampled_tokens,
            save_every=knobs.run.save_every,
            check=partial(check_verdicts, limit=knobs.run.excluded_limit, folder=self._folder),
            evaluate=self.evaluate,
            log=self.log,
            moved=self.moved,
            save=partial(self.save, tasks),
            stopping=stopping,
        )

    def log(self, row: dict[str, float], scored: Sequence[ScoredGroup]) -> None:
        self._grade(int(row["step"]) + 1, row)  # a metric that no row has ends the run here, not when it would save
        step, row = int(row["step"]), row | with_evaluation(row, self._evaluated)
        self._evaluated = []
        write_rollouts(self._folder, step, scored)
        self._log.log(step, row)
        self._progress.update(step, row)

    def moved(self, step: int, cause: str) -> None:
        """The budget's schedule has moved: a line for people, and one in events.jsonl."""
        self._log.event(step, "budget", cause)
        self._progress.note(f"step {step}: the budget moves: {cause}")

    def save(self, tasks: Resumable, done: int, row: dict[str, float]) -> None:
        state = checkpoint.State(
            step=done,
            sampled_total=int(row["tokens/sampled_total"]),
            grade=self._grade(done, row),
            trigger=self._trigger.state(),
            identity=checkpoint.identity(self._config),
            tasks=tasks.state(),
        )
        checkpoint.write(self._folder, state, self._cluster.learner.save)
        checkpoint.prune(self._folder, self._config.run.keep_last)

    def _grade(self, done: int, row: Mapping[str, float]) -> float | None:
        """The value of `run.best` for the weights after `done` steps; None where they were not evaluated, or not yet.

        Raises RunFailed when no row of this run has that metric.
        """
        best = self._config.run.best or ("heldout/accuracy" if self._held_out else "accuracy/mean")
        if best.startswith("heldout/"):
            return row.get(best) if done == self._evaluated_at else None
        if best.startswith(NOW_AND_THEN):
            return row.get(best)
        if best not in row:
            raise RunFailed(f"run.best={best!r} is no metric of this run{suggest(best, list(row))}")
        return row[best]

    def evaluate(self, done: int, anyway: bool) -> Callable[[], dict[str, float]]:
        """Have the engines sample the held-out problems, one rollout each at the run's temperature, if that is due.

        Budgets are `run.eval_budgets`, else the largest of the schedule. Returns what waits for the metrics; it is to
        be called before the engines get other weights.
        """
        if not self._held_out or not (anyway or due(done, self._config.run.eval_every)):
            return dict
        # By the last step that was trained: whether the schedule moves after it is known on resume, but not here.
        asked = self._algorithm.budgets(max(done - 1, 0), moves=self._trigger.moves)
        budgets = self._config.run.eval_budgets
        prior = replace(
            grid(budgets, "held_out") if budgets else BudgetPrior.single(asked.largest), target=asked.target
        )
        priors = [prior] * len(self._held_out)
        pending = self._cluster.engines.submit(self._held_out, priors, group_size=1, seed=HELD_OUT_SEED)
        return lambda: self._evaluated_metrics(done, pending.result())

    def _evaluated_metrics(self, done: int, groups: Sequence[Group]) -> dict[str, float]:
        scored = self._judge.score(groups)
        write_samples(self._folder, "samples_before" if done == 0 else "samples_after", scored)
        self._evaluated += groups
        self._evaluated_at, found = done, held_out_metrics(scored)
        saved = checkpoint.folder_of(self._folder, done)
        if saved.exists():  # it was saved before this was known
            checkpoint.regrade(saved, self._grade(done, found))
        return found
