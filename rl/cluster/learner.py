"""The Learner port over ranks, and how the engines get its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rl.actors import LearnerActor
from rl.aggregation import weights_named
from rl.batches import batch_of, minibatches
from rl.cluster.calls import ActorDied, Handle, Ref, actors_of, gather, named
from rl.cluster.engines import REVIVALS, ClusterEngines
from rl.config import TrainConfig
from rl.errors import RunFailed
from rl.placement import threads_each
from rl.trees import deepest_path
from rl.types import Sample
from rl.verify import mean_gap, tolerance, worst
from rl.weight_sender import Resumed
from rollout.types import WeightVersion


class RayReceivers:
    """All engines as one, as the rank that sends sees them: it calls the verbs from inside its actor."""

    def __init__(self, engines: Sequence[Handle], workers: int, deadline_s: float) -> None:
        self._engines, self._workers, self._deadline_s = list(engines), workers, deadline_s
        self.next: tuple[WeightVersion, Sequence[Sequence[int]]] = (0, ())
        self.resumed: list[Resumed] = []

    def init_weight_transfer_engine(self, init_info: Mapping[str, Any]) -> None:
        """vLLM counts the workers of one engine; with several, each takes its place behind those before it."""
        infos = [dict(init_info) for _ in self._engines]
        for index, info in enumerate(infos):
            if "rank_offset" in info:
                info["rank_offset"] += index * self._workers
        refs = [e.init_weight_transfer_engine.remote(info) for e, info in zip(self._engines, infos, strict=True)]
        self._wait("init_weight_transfer_engine", refs)

    def start_weight_update(self) -> None:
        self._wait("start_weight_update", [e.start_weight_update.remote() for e in self._engines])

    def update_weights(self, update_info: Mapping[str, Any]) -> None:
        self._wait("update_weights", [e.update_weights.remote(update_info) for e in self._engines])

    def finish_weight_update(self) -> None:
        refs = [e.finish_weight_update.remote(*self.next) for e in self._engines]
        self.resumed = self._wait("finish_weight_update", refs)

    def _wait(self, verb: str, refs: Sequence[Ref]) -> list[Any]:
        return gather(f"publish: {verb}", named("engine", refs), self._deadline_s)


class ClusterLearner:
    """The Learner port over the ranks' actors. `version` counts the batches that were trained on."""

    def __init__(
        self, config: TrainConfig, model: str, options: Sequence[Mapping[str, Any]], engines: ClusterEngines
    ) -> None:
        self._config, self._engines, self.version = config, engines, 0
        actors = [actors_of(LearnerActor, **one) for one in options]
        self._ranks: list[Handle] = [actor.remote(config, model, rank) for rank, actor in enumerate(actors)]
        self._weights = weights_named(config.learner.loss.aggregation)
        self._sharded = config.learner.zero_stage == 3
        self._probe: list[tuple[int, ...]] = []
        self._met = -1
        engines.after_revival.append(self.publish)

    def _all(self, what: str, refs: Sequence[Ref]) -> list[Any]:
        return gather(what, named("rank", refs), self._config.cluster.deadline_s)

    def starting(self) -> dict[str, Ref]:
        (where,) = self._all("start", [self._ranks[0].endpoint.remote()])
        threads = threads_each(self._config, len(self._ranks))
        return named("rank", [rank.start.remote(*where, threads) for rank in self._ranks])

    def update(self, samples: Sequence[Sample]) -> dict[str, float]:
        """One batch, in `learner.minibatches` optimizer steps. No samples leave the weights as they are."""
        self.version += 1
        if not samples:
            return dict.fromkeys(("loss", "grad_norm", "policy/entropy", "policy/logprob_gap"), 0.0)
        knobs = self._config.learner
        parts = [
            batch_of(part, self._weights, ranks=knobs.ranks, micro_tokens=knobs.micro_tokens)
            for part in minibatches(samples, knobs.minibatches)
        ]
        refs = [rank.update.remote([part[index] for part in parts]) for index, rank in enumerate(self._ranks)]
        longest = max(samples, key=lambda sample: len(sample.token_ids))
        self._probe = [tuple(longest.token_ids[i] for i in deepest_path(longest.parents))]
        return self._all(f"learn: step {self.version - 1}", refs)[0]

    def publish(self) -> dict[str, float]:
        """Give the engines the current weights and prove it; engines that died before or die of it are replaced.

        Raises RunFailed on any doubt, when engines die again and again, and when one dies while several ranks gather
        together what they send: no rank could be called out of that.
        """
        together = len(self._ranks) > 1 and (self._sharded or self._config.publish.backend == "ipc")
        if together:
            self._engines.replace_all()
        for _ in range(REVIVALS):
            try:
                return self._publish()
            except ActorDied:
                if together or not self._engines.replace_all():
                    raise
        return self._publish()

    def _publish(self) -> dict[str, float]:
        """Pause, send, set the version, reset the prefix cache, resume, verify."""
        what, knobs = f"publish of version {self.version}", self._config
        if self._met != self._engines.revivals:
            receivers = RayReceivers(self._engines.handles, knobs.rollout.tensor_parallel, self._engines.deadline_s)
            who = [receivers] + [None] * (len(self._ranks) - 1)
            self._all(what, [rank.meet.remote(one) for rank, one in zip(self._ranks, who, strict=True)])
            self._met = self._engines.revivals
        sent = [rank.send.remote(self.version, self._probe) for rank in self._ranks]
        # Each rank does its calls in order. A sharded model needs all for a forward pass, else the last one, which does
        # not send, is free for it.
        asked = [*enumerate(self._ranks)][0 if self._sharded else -1 :]
        truths = {f"rank {i}": rank.logprobs.remote(self._probe) for i, rank in asked}
        resumed: list[Resumed] = gather(what, named("rank", sent), 2 * self._engines.deadline_s)[0]  # it waits itself
        truth = gather(f"{what}: verify", truths, self._engines.deadline_s)[-1]
        gap = self._gap(what, truth, [one.logps for one in resumed])
        return {"publish/paused_s": max(one.paused_s for one in resumed), "publish/gap": gap}

    def _gap(self, what: str, truth: Sequence[Sequence[float]], told: Sequence[Sequence[Sequence[float]]]) -> float:
        """Mean |log-probability gap| of the probe, engine against learner, the largest over the engines."""
        if not self._probe:
            return 0.0
        gaps = [mean_gap(truth, one) for one in told]
        engine, most = worst(gaps), tolerance(self._config.publish.tolerance, self._config.model.dtype)
        if not gaps[engine] <= most:
            raise RunFailed(
                f"{what}: engine {engine} does not have the learner's weights: the log-probabilities "
                f"of a probe differ by {gaps[engine]:.3g} on average, publish.tolerance is {most:g}; "
                "--resume auto goes on from the last checkpoint (docs/training.md, When it stops)"
            )
        return gaps[engine]

    def probe(self, sequences: Sequence[Sequence[int]]) -> None:
        """What the next publish is verified on, until a batch gives something better."""
        self._probe = [tuple(sequence) for sequence in sequences]

    def save(self, folder: Path) -> None:
        self._all("checkpoint", [rank.save.remote(folder.resolve()) for rank in self._ranks])

    def load(self, folder: Path, version: WeightVersion) -> None:
        self._all("resume", [rank.load.remote(folder.resolve()) for rank in self._ranks])
        self.version = version

    def close(self) -> None:
        self._all("closing", [rank.close.remote() for rank in self._ranks])
