# pyright: standard
"""SwiReasoning, step by step: the state machine of `rollout.reference_steering` at work on a model's logits."""

from __future__ import annotations

import string

import torch

from rollout.engine import Codec
from rollout.reference.steps import Choice, Dice, Seen
from rollout.reference_steering import Control, Mode, Phase, Switching, advance, control, first, share

NEWLINE_SHARE = 0.1
"""Of a line break in the very first mean embedding. The released code looks up a backslash and an n instead."""


SYMBOLS = frozenset("+-*/=<>^_%()[]{}|!.,:\\$≤≥≠±×÷∞√∑∫π")


def plain_tokens(codec: Codec, vocabulary: int) -> frozenset[int]:
    """The tokens that are fed back as they are in either mode: numbers, single letters, mathematical signs."""
    texts = (codec.decode([token], skip_special_tokens=True).strip() for token in range(vocabulary))
    return frozenset(token for token, text in enumerate(texts) if _is_plain(text))


def _is_plain(text: str) -> bool:
    letter = len(text) == 1 and text in string.ascii_letters
    return letter or text.isdecimal() or (bool(text) and SYMBOLS.issuperset(text))


def entropy(probs_V: torch.Tensor) -> float:
    """In nats."""
    return float(torch.special.entr(probs_V).sum())


def mixed(share_of_first: float, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """`share_of_first` of one vector, and the rest of the other."""
    return share_of_first * one + (1 - share_of_first) * other


class SwitchedSteps:
    """Decides each step of one sequence. `embeddings_VH` is the input table; `plain_ids` are always fed as such.

    A token is sampled in both modes. An end of the thought that the model samples itself, or that the limit forces,
    ends all switching (in the released code it only forbids new latent stretches); one that a convergence
    inserts does not, so that a model that goes on thinking is terminated in the end.
    """

    needs_layers = False

    def __init__(self, how: Switching, embeddings_VH: torch.Tensor, plain_ids: frozenset[int]) -> None:
        self._how, self._embeddings_VH, self._plain_ids = how, embeddings_VH, plain_ids
        self._phase: Phase | None = None
        self._queue: list[int] = []
        self._left: int | None = None
        self._settled = False

    def step(self, seen: Seen, dice: Dice) -> Choice:
        position = len(seen.token_ids)
        if position == self._how.limit and position and self._how.end_id not in seen.token_ids:
            self._queue, self._settled = list(self._how.close_ids), True
        last = self._is_last()
        if self._queue:
            return Choice(self._queue.pop(0), None, None, last)
        choice = dice.draw(dice.logprobs(seen.logits_V))
        self._settled |= choice.token == self._how.end_id
        fed = None if self._settled else self._fed(seen.logits_V.softmax(-1), choice.token, position)
        return Choice(choice.token, choice.logprob, fed, last)

    def _is_last(self) -> bool:
        """Count a token after the termination; True for the last one that is granted."""
        if self._left is None:
            return False
        self._left -= 1
        return self._left == 0

    def _fed(self, probs_V: torch.Tensor, token: int, position: int) -> torch.Tensor | None:
        """Switch where it is time, and return the next input if it is not the token's own."""
        how, rules, before, now = self._how, self._how.rules, self._phase, entropy(probs_V)
        self._phase = phase = first(now) if before is None else advance(before, now, dwell=rules.dwell)
        mean_H = probs_V.to(self._embeddings_VH.dtype) @ self._embeddings_VH
        if before is not None and before.mode is Mode.LATENT and phase.mode is Mode.EXPLICIT:
            self._answer(control(phase.switches, rules.switches))
            return mixed(share(rules.leave, position, rules.horizon), mean_H, self._embeddings_VH[how.end_id])
        if phase.mode is Mode.EXPLICIT or token in self._plain_ids:
            return None
        if before is None:
            return mixed(1 - NEWLINE_SHARE, mean_H, self._embeddings_VH[how.newline_id])
        if before.mode is Mode.EXPLICIT:
            return mixed(share(rules.start, position, rules.horizon), mean_H, self._embeddings_VH[how.think_id])
        return mean_H

    def _answer(self, verdict: Control) -> None:
        """What is inserted from the next step on."""
        if verdict is Control.CONVERGE:
            self._queue = [self._how.end_id]
        elif verdict is Control.TERMINATE and self._left is None:
            self._queue, self._left = list(self._how.last_ids), self._how.rules.last_tokens
