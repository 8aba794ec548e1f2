"""Where the samples of an evaluation come from: engines under Ray, or a server that speaks OpenAI's protocol."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
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
    fitted = config.model_copy(update={"model": config.model.model_copy(update={"context": context})})
    with EngineRoom(fitted, model.weights, asked[0].tasks[0], asked[0].style) as room:
        yield ClusterSource(config, room.engines, model.weights)


@contextmanager
def reference(config: EvalConfig, model: Model) -> Iterator[Source]:
    """The reference decoder in this process, one sequence at a time."""
    from rollout.reference.engine import ReferenceEngine, ReferenceSettings

    knobs = config.rollout
    settings = ReferenceSettings(
        model.weights, config.model.dtype, temperature=knobs.temperature, top_p=knobs.top_p, top_k=knobs.top_k
    )
    engine = ReferenceEngine(settings)
    try:
        yield LocalSource(config, engine, load_tokenizer(model.weights))
    finally:
        engine.close()


class LocalSource:
    """One engine in this process, for scripted engines and the reference decoder: problem by problem."""

    def __init__(self, config: EvalConfig, engine: Engine, codec: Codec) -> None:
        self._config, self._engine, self._codec = config, engine, codec

    def sample(self, strategy: Strategy, asked: Asked, tasks: Sequence[Task]) -> Iterator[Sampled]:
        knobs = self._config
        sampler = Sampler(self._engine, self._codec, asked.style, knobs.rollout.answer_tokens)
        for task in tasks:
            work = strategy.groups(sampler, task, knobs.budgets, knobs.samples, knobs.seed << SEED_BITS)
            yield [task], [trials_of(asyncio.run(run_to_end(work)))]

    def confidence(self, task: Task, answer: Answer) -> float | None:
        return None


async def run_to_end(work: Awaitable[list[Group]]) -> list[Group]:
    """`asyncio.run` wants a coroutine of its own."""
    return await work


class ClusterSource:
    """Engines in Ray actors. Two batches are in flight, each large enough to fill all engines."""

    def __init__(self, config: EvalConfig, engines: Any, weights: str) -> None:
        self._config, self._engines, self._weights = config, engines, weights
        self._knows_tokens = config.samples > 1 and (Path(weights) / "tokenizer.json").exists()

    def sample(self, strategy: Strategy, asked: Asked, tasks: Sequence[Task]) -> Iterator[Sampled]:
        knobs = self._config
        size = -(-knobs.rollout.engines * knobs.rollout.max_in_flight // knobs.samples)
        batches = [list(tasks[at : at + size]) for at in range(0, len(tasks), size)]
        request = {"budgets": knobs.budgets, "samples": knobs.samples, "seed": knobs.seed << SEED_BITS}
        in_flight: deque[tuple[list[Task], Any]] = deque()
        for batch in batches:
            in_flight.append((batch, self._engines.attempt(strategy, asked.style, batch, **request)))
            if len(in_flight) == 2:
                yield self._finished(*in_flight.popleft())
        while in_flight:
            yield self._finished(*in_flight.popleft())

    def _finished(self, batch: list[Task], pending: Any) -> Sampled:
        return batch, [trials_of(groups) for groups in pending.result()]

    def confidence(self, task: Task, answer: Answer) -> float | None:
        if not (self._knows_tokens and answer.token_ids):
            return None
        found = confidence(task, answer, tokenizer=self._weights)
        return found.value if found.status in (Status.OK, Status.WRONG) else None
