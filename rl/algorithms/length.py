"""Rewards with a length in them: a curriculum of budgets, named targets, limits, and comparisons within the group.

An additive term goes on top of the reward that `reward.terms` gave; a gate lets that reward through for right
answers and gives 0 to all others, so that no wrong answer gains. The result is compared as in GRPO, whose
knobs (`eps`, `scale`) all of these have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rewards.length import band, lcpo_exact, lcpo_max, overlong, think_prune, triangular
from rewards.types import ScoredGroup
from rl.algorithms.shaping import Count, Shaped, correct_of, earned_of, lengths_of, reward_of, unfinished_of
from rl.length_credit import difficulty_scaled, kimi_length
from rl.schedules import Constant
from rl.types import Array
from rollout.types import BudgetPrior

_SHAPES = {"triangular": triangular, "band": band}


@dataclass(frozen=True)
class Curriculum(Shaped):
    """A budget that shrinks while training, named in the prompt and paid for: curriculum GRPO (arXiv 2508.08940).

    The prompt names L = `budget`, the thought may go on to `cap_factor` L, and `length_weight` times the shape at
    L is added, whether or not the answer is right. Weights of correctness and format are those of `reward.terms`;
    the paper prints 0.6 / 0.3 and 0.3 / 0.6 (correctness, length) for its ablation alone.
    """

    length_weight: float = 0.3
    shape: Literal["triangular", "band"] = "triangular"
    cap_factor: float = 2.0
    count: Count = "response"

    def __post_init__(self) -> None:
        if not 1 <= self.cap_factor < math.inf:
            raise ValueError(f"cap_factor must be at least 1, not {self.cap_factor}: the budget would be out of reach")
        super().__post_init__()

    def budgets(self, step: int, *, moves: tuple[int, ...] = (), draw: float = 0.0) -> BudgetPrior:
        asked = super().budgets(step, moves=moves, draw=draw)
        return replace(asked, tokens=(math.floor(self.cap_factor * asked.largest),), target=asked.largest)

    def shaped(self, scored: ScoredGroup) -> Array:
        worth_G = _SHAPES[self.shape](lengths_of(scored, self.count), scored.group.prior.asked)
        return reward_of(scored) + self.length_weight * worth_G


@dataclass(frozen=True)
class Targeted(Shaped):
    """A target for each prompt, a whole number from `low` to `high`, each as likely, that the prompt names.

    `budget` is the cap of every thought. Raises ValueError where it is below `high`. The draw 0, with which a run
    is planned and evaluated, gives `high`.
    """

    low: int = 100
    high: int = 4000
    alpha: float = 3e-4
    count: Count = "response"

    def budgets(self, step: int, *, moves: tuple[int, ...] = (), draw: float = 0.0) -> BudgetPrior:
        cap = super().budgets(step, moves=moves, draw=draw)
        if not 1 <= self.low <= self.high <= cap.largest:
            raise ValueError(f"targets of {self.low} to {self.high} tokens do not fit a budget of {cap.largest}")
        return replace(cap, target=self.high - math.floor(draw * (self.high - self.low + 1)))


@dataclass(frozen=True)
class LcpoExact(Targeted):
    """The reward less `alpha` for each token beside the target: L1-Exact (arXiv 2503.04697)."""

    def shaped(self, scored: ScoredGroup) -> Array:
        length_G = lengths_of(scored, self.count)
        return np.asarray(lcpo_exact(reward_of(scored), length_G, scored.group.prior.asked, alpha=self.alpha))


@dataclass(frozen=True)
class LcpoMax(Targeted):
    """Right answers times `delta` at the target and more below it: L1-Max (arXiv 2503.04697)."""

    delta: float = 0.5

    def shaped(self, scored: ScoredGroup) -> Array:
        length_G, target = lengths_of(scored, self.count), scored.group.prior.asked
        return np.asarray(lcpo_max(earned_of(scored), length_G, target, alpha=self.alpha, delta=self.delta))


@dataclass(frozen=True)
class ThinkPrune(Shaped):
    """Right answers that ended within `budget`, which shrinks in stages: ThinkPrune (arXiv 2504.01296).

    A thought that was closed by force did not end, whatever its answer.
    """

    count: Count = "response"

    def shaped(self, scored: ScoredGroup) -> Array:
        ended_G = earned_of(scored) * ~unfinished_of(scored)
        return np.asarray(think_prune(ended_G, lengths_of(scored, self.count), scored.group.prior.largest))


@dataclass(frozen=True)
class Buffered(Shaped):
    """The last `buffer` tokens of the budget cost more and more. Raises ValueError where it is beyond the budget."""

    buffer: int = 4096
    count: Count = "response"

    def budgets(self, step: int, *, moves: tuple[int, ...] = (), draw: float = 0.0) -> BudgetPrior:
        limit = super().budgets(step, moves=moves, draw=draw)
        if not 1 <= self.buffer <= limit.largest:
            raise ValueError(f"a buffer of {self.buffer} tokens does not fit a budget of {limit.largest}")
        return limit


@dataclass(frozen=True)
class Overlong(Buffered):
    """The reward with a soft punishment from the buffer on, -`weight` at the budget: DAPO (arXiv 2503.14476)."""

    weight: float = 1.0

    def shaped(self, scored: ScoredGroup) -> Array:
        penalty_G = overlong(lengths_of(scored, self.count), scored.group.prior.largest, self.buffer)
        return reward_of(scored) + self.weight * penalty_G


@dataclass(frozen=True)
class DifficultyLength(Buffered):
    """The same punishment, less of it where the group seldom finds the answer: Apriel-Reasoner (arXiv 2604.02007)."""

    gamma: float = 1.0
    failure_scale: float = 1.0

    def __post_init__(self) -> None:
        if not (self.gamma >= 0 and 0 <= self.failure_scale <= 1):
            raise ValueError(f"gamma {self.gamma} must be at least 0 and failure_scale {self.failure_scale} in [0, 1]")
        super().__post_init__()

    def shaped(self, scored: ScoredGroup) -> Array:
        return reward_of(scored) + difficulty_scaled(
            correct_of(scored),
            lengths_of(scored, self.count),
            unfinished_of(scored),
            limit=scored.group.prior.largest,
            buffer=self.buffer,
            gamma=self.gamma,
            failure_scale=self.failure_scale,
        )


@dataclass(frozen=True)
class KimiLength(Shaped):
    """The reward, with the short of a group put before the long ones once training is under way: Kimi k1.5.

    arXiv 2501.12599, section 2.3.3, which names neither weight nor step. The term is added from `start_step` on;
    over `ramp_steps` steps more it grows in a straight line to `weight` (0: at once). This warm-up is the schedule
    whose moves the prior's version counts: a group carries how far it had come when it was asked for, and `credit`,
    which knows no step, reads it there. The budget itself is constant.
    """

    weight: float = 1.0
    start_step: int = 0
    ramp_steps: int = 0
    count: Count = "response"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start_step < 0 or self.ramp_steps < 0:
            raise ValueError(f"start_step {self.start_step} and ramp_steps {self.ramp_steps} must be at least 0")
        if not isinstance(self.budget, Constant):
            raise ValueError("budget must be one number here: the version of the prior counts the penalty's warm-up")

    def budgets(self, step: int, *, moves: tuple[int, ...] = (), draw: float = 0.0) -> BudgetPrior:
        warmed = min(max(0, step - self.start_step + 1), self.ramp_steps + 1)
        return replace(super().budgets(step, moves=moves, draw=draw), version=warmed)

    def shaped(self, scored: ScoredGroup) -> Array:
        share = scored.group.prior.version / (self.ramp_steps + 1)
        return reward_of(scored) + self.weight * share * kimi_length(lengths_of(scored, self.count), correct_of(scored))
