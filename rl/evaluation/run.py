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

from rewards.judge import PoolJudge
from rewards.types import Status
from rl.config_file import dump
from rl.console import Progress
from rl.errors import BadInput
from rl.evaluation.card_tasks import level_of, tasks_of
from rl.evaluation.cards import TaskCard
from rl.evaluation.config import EvalConfig
from rl.evaluation.cost import Prices
from rl.evaluation.drafts import DraftTrial, problem_of
from rl.evaluation.finished import RESULT
from rl.evaluation.forks import agreement
from rl.evaluation.models import Model, fingerprint, locate
from rl.evaluation.page import make_eval_report
from rl.evaluation.prompting import Asked, ask
from rl.evaluation.records import SAMPLES, Problem
from rl.evaluation.sampling import Source, Start, source_of
from rl.evaluation.store import FORKS, claimed, done_before, keep
from rl.evaluation.strategies import BY_REFERENCE, build
from rl.evaluation.summary import summarize
from rl.judging import judge_of, unusable
from rl.log import replacing, write_manifest
from rollout.strategies.base import Strategy
from rollout.strategies.hard import Separate
from rollout.types import Task


@dataclass(frozen=True)
class Part:
    """One task of an evaluation: what is asked, and the folder that keeps what came of it."""

    card: TaskCard
    asked: Asked
    folder: Path


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
    root = config.out if config.out != Path() else default_folder(config, model)
    several = len(config.tasks) > 1
    parts = [
        Part(card, one, root / card.name if several else root) for card, one in zip(config.tasks, asked, strict=True)
    ]
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(claimed(part.folder, key_of(config, model, part)))
        engines = Lazy(partial(start, config, model, asked), stack)
        for part in parts:
            fill(config, part, strategy, SAMPLES, part.asked.tasks, engines)
            fill(config, part, Separate(), FORKS, part.asked.tasks[: config.check_forks], engines)
        for part in parts:
            (part.folder / "config.yaml").write_text(dump(config), encoding="utf-8")
            write_manifest(part.folder, seed=config.seed, argv=argv)
            conclude(config, model, part)
    return root


def default_folder(config: EvalConfig, model: Model) -> Path:
    """evals/ and a name for people, with a mark of everything that the results depend on."""
    from rollout.sampler import seed_of

    mark = seed_of(json.dumps(settings(config, model), sort_keys=True), *(c.model_dump_json() for c in config.tasks))
    tasks = "+".join(card.name for card in config.tasks[:3])
    return Path("evals") / f"{model.name}-{tasks}-{config.strategy['type'].rpartition(':')[2]}-{mark % 16**6:06x}"


def settings(config: EvalConfig, model: Model) -> dict[str, Any]:
    """What all samples of an evaluation depend on beside their task."""
    knobs = {"engines", "max_in_flight", "memory_gib", "memory_fraction", "tensor_parallel"}
    return {
        "model": fingerprint(model),
        "dtype": config.model.dtype,
        **config.model_dump(mode="json", include={"budgets", "samples", "limit", "seed", "strategy"}),
        "sampling": config.rollout.model_dump(mode="json", exclude=knobs),
    }


def key_of(config: EvalConfig, model: Model, part: Part) -> dict[str, Any]:
    """The settings with the task as its card has it: data, prompt, verifier and version."""
    return {**settings(config, model), "task": part.card.model_dump(mode="json", exclude={"about", "deadline_s"})}


class Lazy:
    """Samples from a source that is started when it is first asked: finished work needs no engine."""

    def __init__(self, start: Callable[[], AbstractContextManager[Source]], stack: ExitStack) -> None:
        self._start, self._stack = start, stack
        self._source: Source | None = None

    def get(self) -> Source:
        if self._source is None:
            self._source = self._stack.enter_context(self._start())
        return self._source


def fill(config: EvalConfig, part: Part, strategy: Strategy, name: str, tasks: Sequence[Task], engines: Lazy) -> None:
    """Sample and judge the problems that the file `name` lacks; each batch is on disk before the next is judged."""
    path, card = part.folder / name, part.card
    finished = done_before(path, tasks)
    left = [task for task in tasks if task.id not in finished]
    if not left:
        return
    done = len(tasks) - len(left)
    with (
        Progress(len(tasks), first_step=done, unit="problem") as progress,
        judge_of(card.reward, workers=config.workers, deadline_s=card.deadline_s) as judge,
    ):
        progress.phase("reading the gold answers")
        check_golds(judge, left, progress)
        engine = "the reference decoder (slow)" if isinstance(strategy, BY_REFERENCE) else "the engines"
        progress.phase(f"{card.name}: {len(left)} problems to {path}; starting {engine}")
        source = engines.get()
        before = time.monotonic()
        for batch, trials in source.sample(strategy, part.asked, left):
            problems = judged_problems(judge, card, batch, trials, source)
            keep(path, problems)
            done += len(problems)
            seconds, before = time.monotonic() - before, time.monotonic()
            progress.update(done - 1, row_of(problems, seconds))


def check_golds(judge: PoolJudge, tasks: Sequence[Task], progress: Progress) -> None:
    """Say which problems the verifier cannot judge: their answers will be excluded, and counted.

    Published data have a few such rows. Raises BadInput when it is most of them: the column is then the wrong one.
    """
    blamed, looked_at = unusable(judge, tasks)
    shown = "".join(f"\n  {line}" for line in blamed[:5])
    if 2 * len(blamed) > looked_at:
        raise BadInput(f"{len(blamed)} of {looked_at} problems cannot be judged; is it the right column?{shown}")
    if blamed:
        progress.note(f"{len(blamed)} of {looked_at} problems cannot be judged and will count as excluded:{shown}")


def judged_problems(
    judge: PoolJudge, card: TaskCard, tasks: Sequence[Task], trials: Sequence[Sequence[DraftTrial]], source: Source
) -> list[Problem]:
    """The records of a batch."""
    pairs = [
        (task, draft.answer)
        for task, trials_G in zip(tasks, trials, strict=True)
        for trial in trials_G
        for draft in trial.drafts
    ]
    results = iter(judge.judge(pairs))
    return [
        problem_of(
            task,
            level_of(card, task),
            trials_G,
            [next(results) for trial in trials_G for _ in trial.drafts],
            source.confidence,
        )
        for task, trials_G in zip(tasks, trials, strict=True)
    ]


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
        "key": key_of(config, model, part),
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
