"""One step of the reference decoder: what is sampled, and what is fed back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from rollout.engine import Codec
from rollout.logit_waves import LogitWave
from rollout.reference.gamma import guided
from rollout.reference.predictor import Predictor
from rollout.reference_steering import Guidance


@dataclass(frozen=True, slots=True)
class Seen:
    """What a step knows: the tokens before it, the raw logits [V], and all layers' last hidden states [L, H]."""

    token_ids: list[int]
    logits_V: torch.Tensor
    layers_LH: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class Choice:
    """What a step decided. `logprob` is None for a token that was inserted, not sampled.

    `fed` is the next input where it is not the token's own embedding, and `last` ends the sequence.
    """

    token: int
    logprob: float | None
    fed: torch.Tensor | None = None
    last: bool = False


@dataclass(frozen=True, slots=True)
class Dice:
    """Draws tokens. A `temperature` of 0 takes the likeliest; `top_k` 0 and `top_p` 1 cut nothing off."""

    temperature: float
    top_p: float
    top_k: int
    generator: torch.Generator

    def logprobs(self, logits_V: torch.Tensor) -> torch.Tensor:
        """The distribution that a token is sampled from: tempered, then cut to top-k, then to top-p."""
        logits_V = logits_V / self.temperature if self.temperature else logits_V
        if self.top_k:
            least = logits_V.topk(min(self.top_k, len(logits_V))).values[-1]
            logits_V = logits_V.masked_fill(logits_V < least, -torch.inf)
        if self.top_p < 1:
            probs, order = logits_V.softmax(-1).sort(descending=True)
            beyond = order[probs.cumsum(-1) - probs >= self.top_p]
            logits_V = logits_V.index_fill(0, beyond, -torch.inf)
        return logits_V.log_softmax(-1)

    def draw(self, logprobs_V: torch.Tensor) -> Choice:
        if self.temperature:
            token = int(torch.multinomial(logprobs_V.exp(), 1, generator=self.generator))
        else:
            token = int(logprobs_V.argmax())
        return Choice(token, float(logprobs_V[token]))


class Steps(Protocol):
    """Decides the steps of one sequence, in order. `needs_layers` asks for hidden states."""

    needs_layers: bool

    def step(self, seen: Seen, dice: Dice) -> Choice: ...


class PlainSteps:
    """The model alone."""

    needs_layers = False

    def step(self, seen: Seen, dice: Dice) -> Choice:
        return dice.draw(dice.logprobs(seen.logits_V))


class WavedSteps:
    """Under a logit wave."""

    needs_layers = False

    def __init__(self, wave: LogitWave) -> None:
        self._wave = wave

    def step(self, seen: Seen, dice: Dice) -> Choice:
        logits_V = seen.logits_V
        if self._wave.end_id not in seen.token_ids:
            logits_V = logits_V.clone()
            logits_V[list(self._wave.token_ids)] += self._wave.at(len(seen.token_ids))
        return dice.draw(dice.logprobs(logits_V))


class GuidedSteps:
    """Under Budget Guidance: at the first token, and after each with a line break, until the thought ends."""

    needs_layers = True

    def __init__(self, guidance: Guidance, predictor: Predictor, codec: Codec) -> None:
        self._guidance, self._predictor, self._codec = guidance, predictor, codec

    def step(self, seen: Seen, dice: Dice) -> Choice:
        if self._guidance.end_id in seen.token_ids or not self._starts_line(seen.token_ids):
            return dice.draw(dice.logprobs(seen.logits_V))
        assert seen.layers_LH is not None, "needs_layers asked for them"
        shape_1V, rate_1V = self._predictor(seen.layers_LH[None])
        left = max(1, self._guidance.target - len(seen.token_ids))
        probs_V = guided(seen.logits_V.softmax(-1), shape_1V[0], rate_1V[0], left, self._guidance.gates)
        return dice.draw(probs_V.log())

    def _starts_line(self, token_ids: list[int]) -> bool:
        return not token_ids or "\n" in self._codec.decode(token_ids[-1:], skip_special_tokens=False)
