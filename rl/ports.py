"""All that the controller knows of the cluster: three protocols and a handful of verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rewards.types import ScoredGroup
from rl.types import Sample
from rollout.types import BudgetPrior, Group, Task, WeightVersion


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
        """Optimizer steps taken so far."""
        ...

    def update(self, samples: Sequence[Sample]) -> Mapping[str, float]:
        """Take one optimizer step on the samples; returns `loss`, `grad_norm`, `policy/*`."""
        ...

    def publish(self) -> Mapping[str, float]:
        """Give the engines the current weights, prove that they have them; returns `publish/*`."""
        ...

    def save(self, folder: Path) -> None:
        """Write model, optimizer, schedule and random state into `folder`."""
        ...
