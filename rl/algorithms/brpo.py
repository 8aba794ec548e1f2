"""BRPO: several budgets on one thought, so that every stretch of it has a reward of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import nextafter
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from rewards.types import ScoredGroup
from rl.advantages import (
    answer_relative,
    budget_group_relative,
    budget_progress,
    budget_relative,
    budget_return,
    mean_scores,
    rewards_of,
)
from rl.algorithms.grpo import OneBudget
from rl.priors import budgets_at, drawn, even_prior, prior_over, weighted_prior
from rl.types import Array, Credit
from rollout.types import BudgetPrior


def every_budget(budgets: int) -> Array:
    """The prior [S] of the answers that are trained: those of all budgets alike."""
    return np.full(budgets, 1 / budgets)


def last_budget(budgets: int) -> Array:
    """The prior [S] of the answers that are trained: those of the largest budget alone."""
    return np.eye(budgets)[-1]


def weight_one(prior_S: Array, answers: int) -> Array:
    """Every trained answer weighs 1, however many there are: the released code."""
    return np.ones_like(prior_S)


def weight_unbiased(prior_S: Array, answers: int) -> Array:
    """P'_s / A: the Monte-Carlo estimate of the paper's equation 10."""
    return prior_S / answers


def ask_all(prior: BudgetPrior, draw: float) -> BudgetPrior:
    """Every prompt is asked at all budgets: the sum over the prior is exact."""
    return prior


def ask_one(prior: BudgetPrior, draw: float) -> BudgetPrior:
    """Each prompt is asked at one budget of the prior; the draw 0, with which a run is evaluated, is the largest."""
    return drawn(prior, nextafter(1.0, 0.0) - draw)


def summary_prior(summary: str | tuple[float, ...], budgets: int) -> Array:
    """The prior [S] of the answers that are trained: by name or weights. Raises ValueError for another name."""
    if isinstance(summary, str):
        if summary not in SUMMARIES:
            raise ValueError(f"summary must be 'all' or 'last', or a weight per budget, not {summary!r}")
        return SUMMARIES[summary](budgets)
    return np.array(summary) / (sum(summary) or np.nan)


SUMMARIES: dict[str, Callable[[int], Array]] = {"all": every_budget, "last": last_budget}
ANSWER_WEIGHTS: dict[str, Callable[[Array, int], Array]] = {"released": weight_one, "unbiased": weight_unbiased}
DRAWS: dict[str, Callable[[BudgetPrior, float], BudgetPrior]] = {"sum": ask_all, "prompt": ask_one}


@dataclass(frozen=True)
class BRPO(OneBudget):
    """Anytime reasoning: reward at every budget, each stretch of a thought judged by what came after it.

    A thought is sampled to the largest budget, cut at `num_budgets` even ones (or at these shares of the largest)
    of weight `prior` (a name of `rl.priors.WEIGHTS`, or the weights), and answered `answers` times at each cut. A
    stretch is compared with its own past (`baseline: v1`), the group (`v2`), a `mix` of them or nothing (`none`); an
    answer with the answers to the same prefix. `summary` says which answers are trained, or in which proportion,
    `answer_weight` how heavily, and `draw: prompt` samples one budget for each prompt in place of the sum over all.
    docs/brpo.md has the ablations of the paper. AnytimeReasoner (arXiv 2505.13438), as the code was released.

    Raises ValueError for budgets or weights that make no prior.
    """

    num_budgets: int | tuple[float, ...] = 4
    prior: str | tuple[float, ...] = "uniform"
    answers: int = 4
    decay: float = 0.5
    baseline: Literal["mix", "v1", "v2", "none"] = "mix"
    summary: str | tuple[float, ...] = "all"
    answer_weight: Literal["released", "unbiased"] = "released"
    draw: Literal["sum", "prompt"] = "sum"

    def __post_init__(self) -> None:
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay must be in (0, 1], not {self.decay}")
        super().__post_init__()
        cuts = self._prior(self.budgets(0).largest).tokens
        weighted_prior(cuts, list(summary_prior(self.summary, len(cuts))), "summary")

    def budgets(self, step: int, *, moves: tuple[int, ...] = (), draw: float = 0.0) -> BudgetPrior:
        one = super().budgets(step, moves=moves, draw=draw)
        asked = replace(self._prior(one.largest), version=one.version, answers=self.answers)
        return DRAWS[self.draw](asked, draw)

    def _prior(self, largest: int) -> BudgetPrior:
        if isinstance(self.num_budgets, int):
            tokens = even_prior(largest, self.num_budgets, "uniform").tokens
        else:
            tokens = budgets_at(largest, self.num_budgets)
        if isinstance(self.prior, str):
            return prior_over(tokens, self.prior)
        return weighted_prior(tokens, self.prior, "weighted")

    def credit(self, scored: ScoredGroup) -> Credit:
        reward_GSA = rewards_of(scored)
        _, budgets, answers = reward_GSA.shape
        thought_fn = self._thought_fns()[self.baseline]
        prefix_len_GS = [[answers_A[0].prefix_len for answers_A in r.answers] for r in scored.group.rollouts]
        trained_S = summary_prior(self.summary, budgets)
        weight_S = np.where(trained_S > 0, ANSWER_WEIGHTS[self.answer_weight](trained_S, answers), np.nan)
        return Credit(
            thought=thought_fn(mean_scores(reward_GSA), scored.group.prior.probs),
            answer=weight_S[:, None] * answer_relative(reward_GSA, prefix_len_GS),
        )

    def _thought_fns(self) -> dict[str, Callable[[ArrayLike, ArrayLike], Array]]:
        return {
            "mix": partial(budget_relative, decay=self.decay),
            "v1": partial(budget_progress, decay=self.decay),
            "v2": budget_group_relative,
            "none": budget_return,
        }
