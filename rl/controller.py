"""The page: one loop for strictly on-policy and for overlapped training. It knows the cluster only through
`rl.ports` and imports none of torch, Ray, vLLM and DeepSpeed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rewards.types import ScoredGroup
from rl.algorithms import Algorithm
from rl.ledger import accounts, sampled
from rl.metrics import shaped_metrics, source_metrics, summarize
from rl.pace import Stopwatch, due
from rl.ports import Engines, Judge, Learner, Pending, Tasks
from rl.samples import select
from rl.triggers import Trigger
from rollout.sampler import uniform_of


@dataclass(frozen=True)
class Run:
    """What the loop works with. `max_sampled_tokens` (0: no limit) ends the run after the step that reaches it.

    `check` refuses a batch without verdicts; `evaluate` has the published weights sample held-out problems, if due or
    asked for anyway, and returns what waits for the metrics; `log` records a step, `moved` why the budget moved,
    `save` what is needed to go on; `stopping` says that the run is to end after this step.
    """

    algorithm: Algorithm
    trigger: Trigger
    tasks: Tasks
    engines: Engines
    judge: Judge
    learner: Learner
    steps: int
    lookahead: int
    prompts: int
    group_size: int
    drop_zero_signal: bool
    share: str
    seed: int
    sampled_total: int
    max_sampled_tokens: int
    save_every: int
    check: Callable[[Sequence[ScoredGroup]], None]
    evaluate: Callable[[int, bool], Callable[[], dict[str, float]]]
    log: Callable[[dict[str, float], Sequence[ScoredGroup]], None]
    moved: Callable[[int, str], None]
    save: Callable[[int, dict[str, float]], None]
    stopping: Callable[[], bool]


def train(run: Run) -> None:
    """Train from the learner's version to `run.steps`. The batch of step s is the s-th of the task stream, sampled with
    a seed of s: the data do not tell where a run was resumed. `lookahead` = 0 samples it by the weights that it
    trains; k, up to k steps ahead, and its lag is logged. Held-out problems are sampled beside it: row s has what the
    weights made of them from which step s went on.
    """
    learner, total = run.learner, run.sampled_total
    learner.publish()
    evaluation = run.evaluate(learner.version, learner.version == 0)
    in_flight: deque[Pending] = deque()
    for step in range(learner.version, run.steps):
        watch = Stopwatch()
        while len(in_flight) <= min(run.lookahead, run.steps - 1 - step):
            ahead = step + len(in_flight)
            tasks, moves = run.tasks.take(ahead * run.prompts, run.prompts), run.trigger.moves
            draws = [uniform_of(run.seed, task.epoch, task.id) for task in tasks]
            priors = [run.algorithm.budgets(ahead, moves=moves, draw=draw) for draw in draws]
            in_flight.append(run.engines.submit(tasks, priors, group_size=run.group_size, seed=run.seed + ahead))
        groups = in_flight.popleft().result()
        watch.lap("rollout")
        scored = run.judge.score(groups)
        run.check(scored)
        run.tasks.observe(scored)
        watch.lap("reward")
        credits = [run.algorithm.credit(group) for group in scored]
        batch = select(scored, credits, drop_zero_signal=run.drop_zero_signal, share=run.share)
        stats = {"group/dropped": float(batch.dropped), **shaped_metrics(credits), **learner.update(batch.samples)}
        watch.lap("learn")
        stats |= evaluation()
        watch.lap("evaluate")
        stats |= learner.publish()
        watch.lap("publish")
        done, stopping = step + 1, run.stopping()
        total += sampled(groups)
        last = done == run.steps or 0 < run.max_sampled_tokens <= total
        evaluation = run.evaluate(done, last) if last or not stopping else dict[str, float]
        stats |= accounts(groups, batch.samples) | source_metrics(scored, run.tasks.sources)
        seen = summarize(
            step, scored, stats, watch.times(), sampled_total=total, informative=batch.informative, version=step
        )
        row = seen | (evaluation() if last else {})  # which only the end asked for: it moves no budget
        run.log(row, scored)
        if cause := run.trigger.observe(step, seen, step + 1 + len(in_flight)):
            run.moved(step, cause)
        if due(done, run.save_every) or last or stopping:
            run.save(done, row)
        if last or stopping:
            return
