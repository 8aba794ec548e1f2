"""The loss of a micro-batch: the formulas that a config chose, put together once (pure torch)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from rl.aggregation import Weights, weights_named
from rl.config import Correction, LossConfig
from rl.losses import clipped_surrogate, icepop_weight, is_clipped, kl_k1, kl_k2, kl_k3, no_weight, tis_weight

PairOfLogps: TypeAlias = Callable[[Tensor, Tensor], Tensor]
WithAdvantage: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]


def of_learner(old_logp_T: Tensor, engine_logp_T: Tensor) -> Tensor:
    """The ratio's denominator is the learner's policy at the start of the step."""
    return old_logp_T


def of_engine(old_logp_T: Tensor, engine_logp_T: Tensor) -> Tensor:
    """The ratio's denominator is the sampler itself, whose gap to the learner the clip then bounds."""
    return engine_logp_T


DIVERGENCES: dict[str, PairOfLogps] = {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3}


@dataclass(frozen=True)
class Objective:
    """From log-probabilities and credit to the loss. `weights` turns the trained tokens of every
    rollout of the batch (all ranks, all micro-batches) into the weight of a token of each.
    """

    weights: Weights
    surrogate: WithAdvantage
    clipped: WithAdvantage
    denominator: PairOfLogps
    correction: PairOfLogps
    divergence: PairOfLogps | None
    kl_weight: float

    def loss(
        self,
        logp_T: Tensor,
        old_logp_T: Tensor,
        engine_logp_T: Tensor,
        advantage_T: Tensor,
        weight_T: Tensor,
        ref_logp_T: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum over T of weight * (v * clipped + kl_weight * kl), and detached sums for the metrics.

        T are the trained tokens of one micro-batch (none gives a loss of 0 that still has a gradient).
        The importance weight v of the engine-learner gap multiplies the policy term alone. The sums
        over the micro-batches and ranks are the batch's: `tokens`, `clipped` (gradient cut by the
        clip), `masked` (v = 0), `logprob_gap` (sum of |old - engine|), `kl`. Raises ValueError when
        there is a divergence but no reference.
        """
        start_logp_T = self.denominator(old_logp_T, engine_logp_T).detach()
        v_T = self.correction(start_logp_T, engine_logp_T)
        kl_T = self._divergence(logp_T, ref_logp_T)
        token_loss_T = v_T * self.surrogate(logp_T, start_logp_T, advantage_T) + self.kl_weight * kl_T
        sums = {
            "tokens": torch.ones_like(v_T).sum(),
            "clipped": self.clipped(logp_T, start_logp_T, advantage_T).sum(),
            "masked": (v_T == 0).sum(),
            "logprob_gap": (old_logp_T - engine_logp_T).abs().sum(),
            "kl": kl_T.sum(),
        }
        return (weight_T * token_loss_T).sum(), {name: value.detach() for name, value in sums.items()}

    def _divergence(self, logp_T: Tensor, ref_logp_T: Tensor | None) -> Tensor:
        if self.divergence is None:
            return torch.zeros_like(logp_T)
        if ref_logp_T is None:
            raise ValueError("a KL term needs the reference's log-probabilities")
        return self.divergence(logp_T, ref_logp_T.detach())


def correction_of(knob: Correction) -> PairOfLogps:
    """The weight that a config names, with the limits that it gives."""
    if isinstance(knob, str):
        return {"none": no_weight, "ratio": no_weight, "tis": tis_weight, "icepop": icepop_weight}[knob]
    ((_, limits),) = knob.items()
    if isinstance(limits, tuple):
        return partial(icepop_weight, low=limits[0], high=limits[1])
    return partial(tis_weight, cap=limits)


def build_objective(config: LossConfig) -> Objective:
    """Choose the formulas by their names in the config, once; the formulas themselves never see it."""
    clips = {"clip_low": config.clip_low, "clip_high": config.clip_high}
    divergence, kl_weight = next(iter(config.kl.items()), (None, 0.0))
    return Objective(
        weights=weights_named(config.aggregation),
        surrogate=partial(clipped_surrogate, **clips),
        clipped=partial(is_clipped, **clips),
        denominator=of_engine if config.correction == "ratio" else of_learner,
        correction=correction_of(config.correction),
        divergence=DIVERGENCES[divergence] if divergence else None,
        kl_weight=kl_weight,
    )
