"""All that the controller knows of the world: four protocols and a handful of verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rewards.types import ScoredGroup
from rl.types import Sample
from rollout.types import BudgetPrior, Group, Task, WeightVersion


class Tasks(Protocol):
    """The training problems in their order, addressed by how many were taken before."""

    def take(self, ordinal: int, n: int) -> Sequence[Task]:
        """The n tasks after the first `ordinal`: the same for the same arguments, for ever."""
        ...


class Pending(Protocol):
    """Groups that are being sampled."""

    def result(self) -> list[Group]:
        """Wait for the groups, ordered as the tasks were submitted. Raises what the engine raised."""
        ...


class Engines(Protocol):
    """Samples rollouts."""

    def submit(self, tasks: Sequence[Task], prior: BudgetPrior, *, group_size: int, seed: int) -> Pending:
        """Start sampling `group_size` rollouts of each task; returns at once."""
        ...


class Judge(Protocol):
    """Says what answers are worth."""

    def score(self, groups: Sequence[Group]) -> list[ScoredGroup]:
        """Judge every answer of every group, in order."""
        ...


class Learner(Protocol):
    """Owns the policy's weights and says when the engines have them."""

    @property
    def version(self) -> WeightVersion:
        """Batches trained on so far."""
        ...

    def update(self, samples: Sequence[Sample]) -> Mapping[str, float]:
        """Train on one batch; returns `loss`, `grad_norm`, `policy/*`."""
        ...

    def publish(self) -> Mapping[str, float]:
        """Give the engines the current weights, prove that they have them; returns `publish/*`."""
        ...
