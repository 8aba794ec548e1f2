"""A world in which the loop can run in milliseconds: ports that write down what they were asked.

What is sampled depends on the task, the seed and the published weights, and the weights on what was
trained on: two runs that differ anywhere end with different weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from make_groups import make_answer, make_rollout, verdict

from rewards.types import ScoredGroup
from rl.algorithms.grpo import GRPO
from rl.controller import Run, train
from rl.pace import due
from rl.tasks import TaskStream
from rl.triggers import Trigger
from rl.types import Credit, Sample
from rollout.sampler import seed_of
from rollout.types import BudgetPrior, Group, Task, VersionSpan

TASKS = TaskStream([Task(f"t{i}", f"problem {i}", "1") for i in range(7)], seed=3)
SEED = 1000
PROMPTS = 2
GROUP = 4


@dataclass(frozen=True)
class Submission:
    """One batch as it was asked for, and the weight version that the engines had at that moment."""

    tasks: tuple[str, ...]
    prior: BudgetPrior
    group_size: int
    seed: int
    version: int


@dataclass
class World:
    """Engines, judge, learner and records in one: `events` is the order in which their verbs were called."""

    version: int = 0
    weight: float = 0.0
    published: tuple[int, float] = (-1, 0.0)
    events: list[str] = field(default_factory=list)
    submissions: list[Submission] = field(default_factory=list)
    waiting: int = 0
    trained: list[Sequence[Sample]] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)
    logged: list[Sequence[ScoredGroup]] = field(default_factory=list)
    saves: list[tuple[int, dict[str, float], float]] = field(default_factory=list)
    eval_every: int = 0

    def submit(self, tasks: Sequence[Task], priors: Sequence[BudgetPrior], *, group_size: int, seed: int) -> Batch:
        version, weight = self.published
        self.events.append(f"submit {seed - SEED}")
        self.submissions.append(Submission(tuple(task.id for task in tasks), priors[0], group_size, seed, version))
        self.waiting += 1
        groups = [
            sampled(task, prior, group_size, seed_of(seed, task.id, weight), version)
            for task, prior in zip(tasks, priors, strict=True)
        ]
        return Batch(self, seed - SEED, groups)

    def score(self, groups: Sequence[Group]) -> list[ScoredGroup]:
        self.events.append("score")
        return [scored_by_last_token(group) for group in groups]

    def update(self, samples: Sequence[Sample]) -> Mapping[str, float]:
        self.events.append(f"update {self.version}")
        self.trained.append(samples)
        step = sum(advantage * token for sample in samples for token, advantage in pairs(sample))
        self.weight += 1e-3 * step
        self.version += 1
        return {"loss": step, "grad_norm": abs(step)}

    def publish(self) -> Mapping[str, float]:
        self.events.append(f"publish {self.version}")
        self.published = (self.version, self.weight)
        return {"publish/gap": 0.0}

    def check(self, scored: Sequence[ScoredGroup]) -> None:
        self.events.append("check")

    def evaluate(self, done: int, anyway: bool) -> Callable[[], dict[str, float]]:
        if not (anyway or due(done, self.eval_every)):
            return dict
        self.events.append(f"evaluate {done}")
        asked_of = self.published

        def metrics() -> dict[str, float]:
            assert self.published == asked_of, "the engines have other weights by now"
            return {"heldout/accuracy": 0.01 * done}

        return metrics

    def log(self, row: dict[str, float], scored: Sequence[ScoredGroup]) -> None:
        self.events.append(f"log {row['step']}")
        self.rows.append(row)
        self.logged.append(scored)

    def moved(self, step: int, cause: str) -> None:
        self.events.append(f"moved {step}: {cause}")

    def save(self, done: int, row: dict[str, float]) -> None:
        self.events.append(f"save {done}")
        self.saves.append((done, row, self.weight))

    def run(self, **changes: Any) -> Run:
        """Four steps, strictly on-policy, unless told otherwise."""
        self.eval_every = changes.pop("eval_every", 0)
        settings: dict[str, Any] = {
            "algorithm": GRPO(budget=8),
            "trigger": Trigger(None),
            "tasks": TASKS,
            "engines": self,
            "judge": self,
            "learner": self,
            "steps": 4,
            "lookahead": 0,
            "prompts": PROMPTS,
            "group_size": GROUP,
            "drop_zero_signal": True,
            "share": "rollout",
            "seed": SEED,
            "sampled_total": 0,
            "max_sampled_tokens": 0,
            "save_every": 100,
            "check": self.check,
            "evaluate": self.evaluate,
            "log": self.log,
            "moved": self.moved,
            "save": self.save,
            "stopping": lambda: False,
        }
        return Run(**settings | changes)


@dataclass
class Batch:
    """What a submission gives when it is waited for."""

    world: World
    step: int
    groups: list[Group]

    def result(self) -> list[Group]:
        self.world.events.append(f"result {self.step}")
        self.world.waiting -= 1
        return self.groups


def sampled(task: Task, prior: BudgetPrior, size: int, seed: int, version: int) -> Group:
    """Thoughts of 1 to 4 tokens and answers of one, drawn from the bits of a seed."""
    rollouts = []
    for g in range(size):
        bits = seed >> (5 * g)
        length = 1 + bits % 4
        said = (100 + bits // 4 % 5,)
        answers = [[make_answer(budget, min(length, budget), said, version=version)] for budget in prior.tokens]
        spans = (VersionSpan(version, 0, length),)
        rollouts.append(make_rollout(range(10, 10 + length), answers, versions=spans))
    return Group(task, prior, tuple(rollouts))


def scored_by_last_token(group: Group) -> ScoredGroup:
    """An answer is worth 1 where its token is even."""
    results = tuple(
        tuple((verdict(float(answers[0].token_ids[0] % 2 == 0)),) for answers in rollout.answers)
        for rollout in group.rollouts
    )
    return ScoredGroup(group, results)


def pairs(sample: Sample) -> list[tuple[int, float]]:
    """Trained tokens with their advantages."""
    rows = zip(sample.token_ids, sample.advantages, sample.loss_mask, strict=True)
    return [(token, advantage) for token, advantage, on in rows if on]


@dataclass(frozen=True)
class Growing:
    """A budget of 5 more at every step: what a curriculum looks like to the loop."""

    def budgets(self, step: int, *, moves: tuple[int, ...] = (), draw: float = 0.0) -> BudgetPrior:
        return BudgetPrior((5 + 5 * step,), (1.0,), kind="growing", version=step)

    def credit(self, scored: ScoredGroup) -> Credit:
        return GRPO(budget=5).credit(scored)


def untimed(row: Mapping[str, float]) -> dict[str, float]:
    """A row without what depends on the clock."""
    return {key: value for key, value in row.items() if not key.startswith(("time/", "throughput/"))}


def trained(**changes: Any) -> World:
    """A world in which a run has ended."""
    world = World()
    train(world.run(**changes))
    return world


def only(world: World, *verbs: str) -> list[str]:
    """The events of some verbs."""
    return [event for event in world.events if event.split()[0] in verbs]
