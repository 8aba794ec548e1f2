"""How a thought is steered by what only the reference decoder can follow: Budget Guidance and SwiReasoning.

What Budget Guidance is asked for: a length to steer towards, and which of its predictions are trusted.

At the start of each line of a thought every candidate token is weighed by the chance that the thought ends within what
is left of the budget, under a Gamma distribution of the log length that a small network predicts from the hidden
states of all layers. vLLM's logits processors do not see hidden states: only `rollout.reference` can follow this.
Source: Li et al., "Steering LLM Thinking with Budget Guidance", ACL Findings 2026, and its released code.

SwiReasoning: when a model thinks in soft embeddings and when in words. A pure state machine.

While latent, the probability-weighted mean of all embeddings is fed back instead of a token's. vLLM cannot feed
embeddings back while it decodes: only `rollout.reference` can follow this.
Source: Shi et al., "SwiReasoning", ICLR 2026 (arXiv 2510.05069), and its released code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from rollout.types import TokenIds


class Mode(StrEnum):
    """How the next input is made."""

    LATENT = "latent"  # the mean embedding
    EXPLICIT = "explicit"  # the sampled token's


class Control(StrEnum):
    """What a switch to words is answered with, by how many there have been."""

    NONE = "none"
    CONVERGE = "converge"  # the thought is closed
    TERMINATE = "terminate"  # it is closed, and a short answer begun


@dataclass(frozen=True, slots=True)
class SwitchRules:
    """When to switch, and how much is granted.

    A stretch of words lasts at least `dwell` tokens. `start` and `leave` are the shares of the mean embedding where a
    latent stretch begins and ends, both rising to 1 at position `horizon`. After ceil(`switches` / 2) switches from
    latent to words the thought is closed; beyond `switches` of them at most `last_tokens` tokens follow. `start`
    was tuned by model and benchmark between 0.1 and 1.
    """

    switches: int = 4
    last_tokens: int = 32
    dwell: int = 512
    start: float = 1.0
    leave: float = 0.7
    horizon: int = 32_768

    def __post_init__(self) -> None:
        if min(self.switches, self.last_tokens, self.horizon) < 1 or self.dwell < 0:
            raise ValueError(f"switches, last_tokens and horizon are at least 1, dwell at least 0: {self}")
        if not (0 <= self.start <= 1 and 0 <= self.leave <= 1):
            raise ValueError(f"start and leave are shares in [0, 1], not {self.start} and {self.leave}")


@dataclass(frozen=True, slots=True)
class Switching:
    """How one sequence is decoded: a thought, its end and an answer, all in one draw.

    A convergence closes the thought with `end_id`, a termination inserts `last_ids`, and a thought that is still open
    after `limit` tokens (0: no limit) is closed with `close_ids`. `think_id` and `newline_id` colour the mean
    embedding where a latent stretch begins, and where the sequence does.
    """

    rules: SwitchRules
    think_id: int
    end_id: int
    newline_id: int
    last_ids: TokenIds
    close_ids: TokenIds
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Phase:
    """Where decoding stands: `reference` is the entropy, in nats, at the first step of the present stretch."""

    mode: Mode
    reference: float
    stayed: int = 0
    switches: int = 0


def first(entropy: float) -> Phase:
    """Decoding begins latent."""
    return Phase(Mode.LATENT, entropy)


def advance(phase: Phase, entropy: float, *, dwell: int) -> Phase:
    """The phase of the next step, of which the next token's distribution has this entropy.

    Confidence that rises turns to words at once; confidence that falls turns to latent after at least `dwell`
    steps in words. `stayed` is 0 where a stretch begins.
    """
    stayed = phase.stayed + 1
    if phase.mode is Mode.LATENT and entropy < phase.reference:
        return Phase(Mode.EXPLICIT, entropy, 0, phase.switches + 1)
    if phase.mode is Mode.EXPLICIT and entropy > phase.reference and stayed >= dwell:
        return Phase(Mode.LATENT, entropy, 0, phase.switches)
    return replace(phase, stayed=stayed)


def control(switches: int, most: int) -> Control:
    """What the switch to words number `switches` leads to when `most` are granted."""
    if switches > most:
        return Control.TERMINATE
    return Control.CONVERGE if 2 * switches >= most else Control.NONE


def share(start: float, position: int, horizon: int) -> float:
    """From `start` at position 0 in a straight line to 1 at `horizon`."""
    return start + (1 - start) * position / horizon


@dataclass(frozen=True, slots=True)
class Gates:
    """Which predictions count: the released code's unwritten rules. The weight of the others is 0.

    A prediction of shape a and rate r counts when r >= `rate`, a > `shape` and its mode exp((a - 1) / r) - 1, in
    tokens, is at least `tokens`.
    """

    rate: float = 10.0
    shape: float = 1.0
    tokens: float = 0.9


@dataclass(frozen=True, slots=True)
class Guidance:
    """Steer a thought towards `target` tokens with the `predictor` saved in that folder, until `end_id` is sampled.

    It does not stop a thought: only a draw's `max_tokens` does. A guided token is sampled from the model's own
    distribution times the weights, whatever the engine's temperature and top-p are.
    """

    predictor: str
    target: int
    end_id: int
    gates: Gates = Gates()

    def __post_init__(self) -> None:
        if self.target < 1:
            raise ValueError(f"target must be at least 1 token, not {self.target}")
