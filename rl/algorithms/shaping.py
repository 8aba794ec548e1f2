"""GRPO on a reward that the lengths of a group have shaped, and what such a reward is made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rewards.types import ScoredGroup, Status
from rl.advantages import rewards_of
from rl.algorithms.grpo import GRPO
from rl.types import Array, Credit
from rollout.types import Finish, Rollout

Count: TypeAlias = Literal["thinking", "response"]
"""Which tokens are the length: those of the thought, its end marker included, or all up to the answer's end."""


@dataclass(frozen=True)
class Shaped(GRPO):
    """GRPO on `shaped(scored)`, which a method defines; the reward itself is that of the judge."""

    def shaped(self, scored: ScoredGroup) -> Array:
        """The reward [G] that is compared within the group; NaN where there is no verdict."""
        raise NotImplementedError

    def credit(self, scored: ScoredGroup) -> Credit:
        shaped_G = self.shaped(scored)
        return replace(super().credit(rescored(scored, shaped_G)), shaped=shaped_G)


def rescored(scored: ScoredGroup, reward_G: Array) -> ScoredGroup:
    """The same group and verdicts with other rewards."""
    results = tuple(
        tuple(tuple(replace(result, value=float(reward)) for result in results_A) for results_A in results_SA)
        for results_SA, reward in zip(scored.results, reward_G, strict=True)
    )
    return ScoredGroup(scored.group, results)


def reward_of(scored: ScoredGroup) -> Array:
    """The reward [G] of each rollout's one answer, NaN without a verdict."""
    return rewards_of(scored)[:, 0, 0]


def correct_of(scored: ScoredGroup) -> Array:
    """1 for a right answer, 0 for any other, NaN without a verdict [G]."""
    verdicts = [results_SA[0][0].status for results_SA in scored.results]
    return np.array([float(status is Status.OK) if status.judged else np.nan for status in verdicts])


def earned_of(scored: ScoredGroup) -> Array:
    """What each right answer is worth, 0 for any other, NaN without a verdict [G]: what a gate lets through."""
    return reward_of(scored) * correct_of(scored)


def lengths_of(scored: ScoredGroup, count: Count) -> Array:
    """The lengths [G] in tokens, forced ones included: a reader pays for them too."""
    return np.array([_COUNTS[count](rollout) for rollout in scored.group.rollouts], dtype=np.float64)


def truncated_of(scored: ScoredGroup) -> NDArray[np.bool_]:
    """Which thoughts [G] were closed by force. Their length is the largest budget."""
    return np.array([rollout.finish is Finish.BUDGET for rollout in scored.group.rollouts])


def unfinished_of(scored: ScoredGroup) -> NDArray[np.bool_]:
    """Which responses [G] did not come to an end of their own: thought closed by force, or answer cut off."""
    cut = [rollout.answers[-1][0].finish is Finish.LENGTH for rollout in scored.group.rollouts]
    return truncated_of(scored) | np.array(cut)


def _thinking(rollout: Rollout) -> int:
    return len(rollout.token_ids)


def _response(rollout: Rollout) -> int:
    answer = rollout.answers[-1][0]
    return len(rollout.token_ids) + len(answer.forced_ids) + len(answer.token_ids)


_COUNTS = {"thinking": _thinking, "response": _response}
