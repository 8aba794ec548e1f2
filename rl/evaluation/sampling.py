"""Where the samples of an evaluation come from: engines under Ray, or a server that speaks OpenAI's protocol."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeAlias

from rewards.confidence import confidence
from rewards.types import Status
from rl.evaluation.config import EvalConfig
from rl.evaluation.drafts import DraftTrial, trials_of
from rl.evaluation.models import SERVER, Model
from rl.evaluation.prompting import Asked
from rl.evaluation.strategies import BY_REFERENCE, build
from rl.launch import load_tokenizer
from rollout.engine import Codec, Engine
from rollout.sampler import Sampler
from rollout.strategies.base import Strategy
from rollout.types import Answer, Group, Task

SEED_BITS = 20
"""An evaluation's seed is shifted by so many: strategies count their draws in the bits below."""

BATCHES = 8
"""In flight at once: what is finished of them is on disk before the rest is."""

SLOWEST = 2.0
"""Tokens per second of one sequence among many, below which an engine is taken for dead."""

Sampled: TypeAlias = tuple[list[Task], list[list[DraftTrial]]]
"""A batch of problems and the trials [G] of each."""


class Source(Protocol):
    """Samples problems batch by batch, in their order; the next batch is under way while one is judged."""

    def sample(self, strategy: Strategy, asked: Asked, tasks: Sequence[Task]) -> Iterator[Sampled]: ...

    def confidence(self, task: Task, answer: Answer) -> float | None:
        """The mean probability of the final answer's tokens, None where it is not known."""
        ...


Start: TypeAlias = Callable[[EvalConfig, Model, Sequence[Asked]], AbstractContextManager[Source]]
"""Gives a source that may be asked for the problems of all tasks."""


@contextmanager
def source_of(config: EvalConfig, model: Model, asked: Sequence[Asked]) -> Iterator[Source]:
    """The source that the model's path asks for."""
    if model.weights.startswith(SERVER):
        from rl.evaluation.openai import Server

        with Server(config, model) as server:
            yield server
        return
    if isinstance(build(config.strategy), BY_REFERENCE):
        with reference(config, model) as source:
            yield source
        return
    from rl.cluster import EngineRoom

    context = config.model.context or max(one.context for one in asked)
    patience = {"deadline_s": max(config.cluster.deadline_s, context / SLOWEST)}
    fitted = config.model_copy(
        update={
            "model": config.model.model_copy(update={"context": context}),
            "cluster": config.cluster.model_copy(update=patience),
        }
    )
    with EngineRoom(fitted, model.weights, asked[0].tasks[0], asked[0].style) as room:
        yield ClusterSource(config, room.engines, model.weights)


@contextmanager
def reference(config: EvalConfig, model: Model) -> Iterator[Source]:
    """The reference decoder in this process, one sequence at a time."""
    import torch

    from rollout.reference.engine import ReferenceEngine, ReferenceSettings

    knobs, device = config.rollout, "cuda" if torch.cuda.is_available() else "cpu"
    how = (knobs.temperature, knobs.top_p, knobs.top_k, device)
    settings = ReferenceSettings(model.weights, config.model.dtype, *how)
    engine = ReferenceEngine(settings)
    try:
        with LocalSource(config, engine, load_tokenizer(model.weights)) as source:
            yield source
    finally:
        engine.close()


class LocalSource:
    """One engine in this process, for scripted engines and the reference decoder: problem by problem, in one loop."""

    def __init__(self, config: EvalConfig, engine: Engine, codec: Codec) -> None:
        self._config, self._engine, self._codec = config, engine, codec
        self._runner = asyncio.Runner()

    def sample(self, strategy: Strategy, asked: Asked, tasks: Sequence[Task]) -> Iterator[Sampled]:
        knobs = self._config
        sampler = Sampler(self._engine, self._codec, asked.style, knobs.rollout.answer_tokens)
        for task in tasks:
            work = strategy.groups(sampler, task, knobs.budgets, knobs.samples, knobs.seed << SEED_BITS)
            yield [task], [trials_of(self._runner.run(run_to_end(work)))]

    def confidence(self, task: Task, answer: Answer) -> float | None:
        return None

    def __enter__(self) -> LocalSource:
        return self

    def __exit__(self, *exc: object) -> None:
        self._runner.close()


async def run_to_end(work: Awaitable[list[Group]]) -> list[Group]:
    """A runner wants a coroutine of its own."""
    return await work


class ClusterSource:
    """Engines in Ray actors. Twice what fills them is in flight, in batches small enough to lose one."""

    def __init__(self, config: EvalConfig, engines: Any, weights: str) -> None:
        self._config, self._engines, self._weights = config, engines, weights

    def sample(self, strategy: Strategy, asked: Asked, tasks: Sequence[Task]) -> Iterator[Sampled]:
        knobs = self._config
        problems = -(-2 * knobs.rollout.engines * knobs.rollout.max_in_flight // knobs.samples)
        size = max(knobs.rollout.engines, problems // BATCHES)
        batches = [list(tasks[at : at + size]) for at in range(0, len(tasks), size)]
        request = {"budgets": knobs.budgets, "samples": knobs.samples, "seed": knobs.seed << SEED_BITS}
        in_flight: deque[tuple[list[Task], Any]] = deque()
        for batch in batches:
            in_flight.append((batch, self._engines.attempt(strategy, asked.style, batch, **request)))
            if len(in_flight) == BATCHES:
                yield self._finished(*in_flight.popleft())
        while in_flight:
            yield self._finished(*in_flight.popleft())

    def _finished(self, batch: list[Task], pending: Any) -> Sampled:
        return batch, [trials_of(groups) for groups in pending.result()]

    def confidence(self, task: Task, answer: Answer) -> float | None:
        if self._config.samples == 1 or not answer.token_ids:  # without votes nobody asks
            return None
        found = confidence(task, answer, tokenizer=self._weights)
        return found.value if found.status in (Status.OK, Status.WRONG) else None
