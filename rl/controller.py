"""The page: one loop for strictly on-policy and for overlapped training.

It knows the cluster only through `rl.ports` and imports none of torch, Ray, vLLM and DeepSpeed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rewards.types import ScoredGroup
from rl.algorithms import Algorithm
from rl.metrics import summarize
from rl.ports import Engines, Judge, Learner, Pending, Tasks
from rl.samples import select


@dataclass(frozen=True)
class Run:
    """What the loop works with.

    Of its verbs, `check` refuses a batch without verdicts, `evaluate` gives held-out metrics of the
    published weights, `log` records a step, `save` what is needed to go on after so many steps, and
    `stopping` says that the run is to save and end after this step.
    """

    algorithm: Algorithm
    tasks: Tasks
    engines: Engines
    judge: Judge
    learner: Learner
    steps: int
    lookahead: int
    prompts: int
    group_size: int
    drop_zero_signal: bool
    seed: int
    sampled_total: int
    save_every: int
    eval_every: int
    check: Callable[[Sequence[ScoredGroup]], None]
    evaluate: Callable[[int], dict[str, float]]
    log: Callable[[dict[str, float], Sequence[ScoredGroup]], None]
    save: Callable[[int, dict[str, float]], None]
    stopping: Callable[[], bool]


def train(run: Run) -> None:
    """Train from the learner's version to `run.steps`.

    The batch of step s is the s-th of the task stream, sampled with a seed of s, so that the step at
    which a run was resumed cannot be told from its data. With `lookahead` = 0 it is sampled by the
    weights that it trains; with k, batches are sampled up to k steps ahead, and their lag is logged.
    """
    learner, total = run.learner, run.sampled_total
    learner.publish()
    held_out = run.evaluate(0) if learner.version == 0 else {}
    in_flight: deque[Pending] = deque()
    for step in range(learner.version, run.steps):
        watch = Stopwatch()
        while len(in_flight) <= min(run.lookahead, run.steps - 1 - step):
            ahead = step + len(in_flight)
            prior = run.algorithm.budgets(ahead)
            tasks = run.tasks.take(ahead * run.prompts, run.prompts)
            in_flight.append(run.engines.submit(tasks, prior, group_size=run.group_size, seed=run.seed + ahead))
        groups = in_flight.popleft().result()
        watch.lap("rollout")
        scored = run.judge.score(groups)
        run.check(scored)
        watch.lap("reward")
        credits = [run.algorithm.credit(group) for group in scored]
        batch = select(scored, credits, drop_zero_signal=run.drop_zero_signal)
        stats = {"group/dropped": float(batch.dropped), **learner.update(batch.samples)}
        watch.lap("learn")
        stats |= learner.publish()
        watch.lap("publish")
        done, stopping = step + 1, run.stopping()
        if due(done, run.eval_every) or done == run.steps:
            held_out = run.evaluate(done)
        stats |= held_out
        row = summarize(
            step, scored, stats, watch.times(), sampled_total=total, informative=batch.informative, version=step
        )
        total, held_out = int(row["tokens/sampled_total"]), {}
        run.log(row, scored)
        if due(done, run.save_every) or done == run.steps or stopping:
            run.save(done, row)
        if stopping:
            return


def due(done: int, every: int) -> bool:
    """Whether something that happens `every` so many steps happens after `done` of them; 0 is never."""
    return every > 0 and done % every == 0


class Stopwatch:
    """Seconds of the phases of a step; their sum is the step."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._laps: dict[str, float] = {}

    def lap(self, phase: str) -> None:
        now = time.monotonic()
        self._laps[f"time/{phase}"] = now - self._last
        self._last = now

    def times(self) -> dict[str, float]:
        return {**self._laps, "time/step": sum(self._laps.values())}
