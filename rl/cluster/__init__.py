"""The home of Ray: where the actors live, and the controller's ports over their handles."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from rewards.standardize import SCOPES, standardized
from rewards.types import ScoredGroup
from rl.actors import JudgeActor, prompt_format
from rl.cluster.calls import Handle, actors_of, pairs, ray_at, resources
from rl.cluster.calls import gather as gather
from rl.cluster.calls import named as named
from rl.cluster.engines import ClusterEngines
from rl.cluster.learner import ClusterLearner
from rl.config import EngineSide, TrainConfig
from rl.judging import terms_of
from rl.placement import Needs, check_room, engine_room, threads_each
from rollout.prompts import PromptFormat
from rollout.types import Group, Task


class ClusterJudge:
    """The Judge port over actors, spread over the hosts; groups are dealt out like cards."""

    def __init__(self, config: TrainConfig) -> None:
        actor = actors_of(JudgeActor, num_cpus=0, scheduling_strategy="SPREAD")
        self._weights = {term.label: term.weight for term in terms_of(config.reward.terms)}
        self._value, self._deadline_s = config.reward.value, config.cluster.deadline_s
        alone = config.reward.model_copy(update={"value": "sum"} if self._value in SCOPES else {})
        settings = config.model_copy(update={"reward": alone})  # z-scores need all groups: they come after
        self._actors: list[Handle] = [actor.remote(settings) for _ in range(config.reward.actors)]

    def score(self, groups: Sequence[Group]) -> list[ScoredGroup]:
        count = len(self._actors)
        refs = [actor.score.remote(list(groups[i::count])) for i, actor in enumerate(self._actors)]
        parts = gather("judge", named("judge", refs), self._deadline_s)
        scored = [parts[i % count][i // count] for i in range(len(groups))]
        return standardized(scored, self._weights, self._value) if self._value in SCOPES else scored

    def close(self) -> None:
        gather("closing", named("judge", [actor.close.remote() for actor in self._actors]), self._deadline_s)


def options(config: TrainConfig, need: Needs) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What each engine and each rank asks of Ray; where they share GPUs, the n-th of both gets the same one."""
    engines, ranks = config.rollout.engines, config.learner.ranks
    where: list[dict[str, Any]] = [{}] * max(engines, ranks)
    if need.pairs:
        both = {"CPU": need.engine["num_cpus"] + need.rank["num_cpus"], "GPU": 1.0}
        where = pairs(need.pairs, both, config.cluster.deadline_s)
    return [need.engine | one for one in where[:engines]], [need.rank | one for one in where[:ranks]]


class Cluster:
    """Ray with the actors of one run: `with Cluster(...) as cluster`. Its own Ray, unless told to join one."""

    def __init__(self, config: TrainConfig, model: str, canary: Task, receiver: str | None = None) -> None:
        with ExitStack() as stack:
            stack.enter_context(ray_at(config.cluster.address))
            need = check_room(config, resources())
            for_engines, for_ranks = options(config, need)
            self.engines = ClusterEngines(
                config,
                model,
                for_engines,
                threads=threads_each(config, config.rollout.engines),
                canary=canary,
                style=prompt_format(config),
                receiver=receiver,
            )
            self.learner = ClusterLearner(config, model, for_ranks, self.engines)
            self.judge = ClusterJudge(config) if config.reward.actors else None
            starting = self.engines.starting()
            if need.pairs:  # vLLM measures its GPU's memory at the start: nobody may take or free any beside it
                gather("start", starting, config.cluster.deadline_s)
            gather("start", starting | self.learner.starting(), config.cluster.deadline_s)
            self._ray = stack.pop_all()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *exc: object) -> None:
        with self._ray:
            if exc[0] is None:
                self.engines.close()
                self.learner.close()
                if self.judge:
                    self.judge.close()


class EngineRoom:
    """Ray with nothing but engines, for an evaluation: `with EngineRoom(...) as room`."""

    def __init__(self, config: EngineSide, model: str, canary: Task, style: PromptFormat) -> None:
        with ExitStack() as stack:
            stack.enter_context(ray_at(config.cluster.address))
            each = engine_room(config, resources())
            threads = max(1, (os.cpu_count() or 1) // config.rollout.engines)
            self.engines = ClusterEngines(
                config, model, [each] * config.rollout.engines, threads=threads, canary=canary, style=style
            )
            gather("start", self.engines.starting(), config.cluster.deadline_s)
            self._ray = stack.pop_all()

    def __enter__(self) -> EngineRoom:
        return self

    def __exit__(self, *exc: object) -> None:
        with self._ray:
            if exc[0] is None:
                self.engines.close()
