"""The Engines port over actors, each with an engine of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from rl.actors import EngineActor
from rl.cluster.calls import ActorDied, Handle, Ref, actors_of, end, gather, named
from rl.config import EngineSide
from rl.errors import RunFailed
from rollout.prompts import PromptFormat
from rollout.strategies.base import Strategy
from rollout.types import BudgetPrior, Group, Task

REVIVALS = 3

Made = TypeVar("Made")


class Shards(Generic[Made]):
    """A batch that is being sampled: `ask` sends an engine its shard of the items, and is answered item by item."""

    def __init__(
        self, engines: ClusterEngines, items: Sequence[Any], ask: Callable[[Handle, Sequence[Any]], Ref]
    ) -> None:
        count = len(engines.handles)
        self._engines, self._ask = engines, ask
        self._shards = [items[i::count] for i in range(count)]
        self._asked: list[Handle] = list(engines.handles)
        self._refs = [self._send(i) for i in range(count)]

    def _send(self, engine: int) -> Ref:
        self._asked[engine] = self._engines.handles[engine]
        return self._ask(self._asked[engine], self._shards[engine])

    def result(self) -> list[Made]:
        """What came of the items, in order. A dead engine costs what it had in flight: it is sampled again."""
        shards = [self._result(engine) for engine in range(len(self._refs))]
        total = sum(map(len, shards))
        return [shards[i % len(shards)][i // len(shards)] for i in range(total)]

    def _result(self, engine: int) -> list[Made]:
        for attempt in range(REVIVALS + 1):
            try:
                return gather("rollout", {f"engine {engine}": self._refs[engine]}, self._engines.deadline_s)[0]
            except ActorDied as error:
                if attempt == REVIVALS:
                    raise RunFailed(f"rollout: engine {engine} died {REVIVALS + 1} times: {error}") from error
                if self._asked[engine] is self._engines.handles[engine]:  # else another batch has replaced it
                    self._engines.revive(engine)
                self._refs[engine] = self._send(engine)
        raise AssertionError("unreachable")


class ClusterEngines:
    """The Engines port over actors, one for each of the `options`; each proves on the canary that a budget binds."""

    def __init__(
        self,
        config: EngineSide,
        model: str,
        options: Sequence[Mapping[str, Any]],
        *,
        threads: int,
        canary: Task,
        style: PromptFormat,
        receiver: str | None = None,
    ) -> None:
        self.deadline_s = config.cluster.deadline_s
        self._actors = [actors_of(EngineActor, **one) for one in options]
        self._arguments, self._start = (config, model, style, receiver), (canary, threads)
        self.handles: list[Handle] = [actor.remote(*self._arguments) for actor in self._actors]
        self.after_revival: list[Callable[[], object]] = []
        self.revivals = 0

    def starting(self) -> dict[str, Ref]:
        return named("engine", [handle.start.remote(*self._start) for handle in self.handles])

    def submit(
        self, tasks: Sequence[Task], priors: Sequence[BudgetPrior], *, group_size: int, seed: int
    ) -> Shards[Group]:
        asked = list(zip(tasks, priors, strict=True))
        return Shards(self, asked, lambda handle, shard: handle.groups.remote(shard, size=group_size, seed=seed))

    def attempt(
        self, strategy: Strategy, style: PromptFormat, tasks: Sequence[Task], *, budgets: Sequence[int], **size: int
    ) -> Shards[list[Group]]:
        """The groups of each task by a test-time strategy: `size` is the number of `samples` and the `seed`."""
        return Shards(
            self, tasks, lambda handle, shard: handle.attempt.remote(strategy, style, shard, budgets=budgets, **size)
        )

    def revive(self, engine: int) -> None:
        """Put a fresh actor in the place of a dead one, and give it the current weights."""
        self.revivals += 1
        self.handles[engine] = self._actors[engine].remote(*self._arguments)
        start = self.handles[engine].start.remote(*self._start)
        gather("restarting a dead engine", {f"engine {engine}": start}, self.deadline_s)
        for action in self.after_revival:
            action()

    def replace_all(self) -> bool:
        """Put fresh actors in the place of all, if one has died: in the middle of a publish none knows where it stands.

        Returns whether one had. They have the weights that they load, until the next publish.
        """
        checks = named("engine", [handle.check.remote() for handle in self.handles])
        try:
            gather("looking for dead engines", checks, self.deadline_s)
        except ActorDied:
            self.revivals += 1
            for handle in self.handles:
                end(handle)
            self.handles = [actor.remote(*self._arguments) for actor in self._actors]
            gather("restarting the engines", self.starting(), self.deadline_s)
            return True
        return False

    def close(self) -> None:
        gather("closing", named("engine", [handle.close.remote() for handle in self.handles]), self.deadline_s)
