"""From an evaluation's config to its folder: problems, engines, verdicts, numbers, page."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rewards.types import Status
from rl.config_file import dump
from rl.console import Progress
from rl.errors import BadInput
from rl.evaluation.card_tasks import tasks_of
from rl.evaluation.cards import TaskCard
from rl.evaluation.config import EvalConfig
from rl.evaluation.cost import Prices
from rl.evaluation.finished import RESULT
from rl.evaluation.forks import agreement
from rl.evaluation.judging import TaskJudge
from rl.evaluation.keys import default_folder, key_of
from rl.evaluation.models import Model, locate
from rl.evaluation.page import make_eval_report
from rl.evaluation.prompting import Asked, ask
from rl.evaluation.records import SAMPLES, Problem
from rl.evaluation.sampling import Source, Start, source_of
from rl.evaluation.store import FORKS, claimed, done_before, keep, kept_so_far
from rl.evaluation.strategies import BY_REFERENCE, build
from rl.evaluation.summary import summarize
from rl.log import replacing, write_manifest
from rollout.strategies.base import Strategy
from rollout.strategies.hard import Separate
from rollout.types import Task


@dataclass(frozen=True)
class Part:
    """One task of an evaluation: what is asked, and the folder that keeps what came of it."""

    card: TaskCard
    asked: Asked
    key: Mapping[str, Any]
    folder: Path


@dataclass(frozen=True)
class Work:
    """Problems of a task that a strategy answers, and the file that keeps what came of it."""

    part: Part
    strategy: Strategy
    name: str
    tasks: Sequence[Task]

    @property
    def path(self) -> Path:
        return self.part.folder / self.name

    def left(self) -> list[Task]:
        """The problems that the file lacks."""
        finished = done_before(self.path, self.tasks)
        return [task for task in self.tasks if task.id not in finished]


def evaluate(config: EvalConfig, *, argv: Sequence[str] = (), start: Start = source_of) -> Path:
    """Run an evaluation, or go on with one that was interrupted; returns its folder.

    Of several tasks each has a folder of its own in it. `start` gives the source of the samples. Raises BadInput
    before anything is started, RunFailed in mid-run; every problem that was finished is kept.
    """
    model, strategy = locate(config.model.path), build(config.strategy)
    with Progress(0) as progress:
        progress.phase(f"reading {model.name} and the problems of {', '.join(card.name for card in config.tasks)}")
        tasks = [tasks_of(card, limit=config.limit, seed=config.seed) for card in config.tasks]
        asked = ask(config, model, strategy, tasks)
    keys = [key_of(config, model, card, one.tasks) for card, one in zip(config.tasks, asked, strict=True)]
    root = config.out if config.out != Path() else default_folder(config, model, keys)
    several = len(config.tasks) > 1
    parts = [
        Part(card, one, key, root / card.name if several else root)
        for card, one, key in zip(config.tasks, asked, keys, strict=True)
    ]
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(claimed(part.folder, part.key))
        todo = [Work(part, strategy, SAMPLES, part.asked.tasks) for part in parts]
        todo += [Work(part, Separate(), FORKS, part.asked.tasks[: config.check_forks]) for part in parts]
        judges = {part.card.name: TaskJudge(part.card, part.asked.tasks, config.workers, stack) for part in parts}
        for work in todo:
            if work.left():
                judges[work.part.card.name].open()
        engines = Lazy(partial(start, config, model, asked), stack)
        for part in parts:
            for work in (work for work in todo if work.part is part and work.left()):
                fill(work, judges[part.card.name], engines)
            with kept_so_far(part.folder):
                (part.folder / "config.yaml").write_text(dump(config), encoding="utf-8")
                write_manifest(part.folder, seed=config.seed, argv=argv)
                conclude(config, model, part)
    return root


class Lazy:
    """Samples from a source that is started when it is first asked: finished work needs no engine."""

    def __init__(self, start: Callable[[], AbstractContextManager[Source]], stack: ExitStack) -> None:
        self._start, self._stack = start, stack
        self._source: Source | None = None

    def get(self) -> Source:
        if self._source is None:
            self._source = self._stack.enter_context(self._start())
        return self._source


def fill(work: Work, judge: TaskJudge, engines: Lazy) -> None:
    """Sample and judge what is left of the work; each batch is on disk before the next is judged."""
    left = work.left()
    done = len(work.tasks) - len(left)
    with Progress(len(work.tasks), first_step=done, unit="problem") as progress:
        engine = "the reference decoder (slow)" if isinstance(work.strategy, BY_REFERENCE) else "the engines"
        progress.phase(f"{work.part.card.name}: {len(left)} problems to {work.path}; starting {engine}")
        source = engines.get()
        before = time.monotonic()
        for batch, trials in source.sample(work.strategy, work.part.asked, left):
            problems = judge.problems(batch, trials, source)
            keep(work.path, problems)
            done += len(problems)
            seconds, before = time.monotonic() - before, time.monotonic()
            progress.update(done - 1, row_of(problems, seconds))


def row_of(problems: Sequence[Problem], seconds: float) -> dict[str, float]:
    """What the display shows of a batch, at the largest budget."""
    trials = [trial for problem in problems for trial in problem.trials]
    return {
        "accuracy/mean": sum(t.verdicts[-1].status is Status.OK for t in trials) / len(trials),
        "time/step": seconds / len(problems),
        "tokens/thinking_mean": sum(t.verdicts[-1].thinking_tokens for t in trials) / len(trials),
        "throughput/sampled_tokens_per_s": sum(t.sampled for t in trials) / max(seconds, 1e-9),
    }


def conclude(config: EvalConfig, model: Model, part: Part) -> None:
    """Derive eval.json, plots and page from the samples alone, the same whoever was interrupted."""
    tasks = part.asked.tasks
    problems = in_order(done_before(part.folder / SAMPLES, tasks), tasks)
    price = config.price
    prices = Prices(price.prompt, price.completion) if price.prompt or price.completion else None
    result: dict[str, Any] = {
        "model": model.name,
        "data": part.card.name,
        "strategy": config.strategy["type"],
        **summarize(problems, prices=prices, prompt_tokens=part.asked.prompt_tokens),
        "key": part.key,
    }
    if again := done_before(part.folder / FORKS, tasks):
        result["forks"] = agreement(problems, in_order(again, tasks))
    with replacing(part.folder / RESULT) as temporary:
        temporary.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    make_eval_report([part.folder])


def in_order(found: Mapping[str, Problem], tasks: Sequence[Task]) -> list[Problem]:
    """The problems in the order of the data, not of their finishing. Raises BadInput when there are none."""
    problems = [found[task.id] for task in tasks if task.id in found]
    if not problems:
        raise BadInput("no problem was finished")
    return problems
