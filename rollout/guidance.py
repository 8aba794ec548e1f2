"""What Budget Guidance is asked for: a length to steer towards, and which of its predictions are trusted.

At the start of each line of a thought every candidate token is weighed by the chance that the thought ends within what
is left of the budget, under a Gamma distribution of the log length that a small network predicts from the hidden
states of all layers. vLLM's logits processors do not see hidden states: only `rollout.reference` can follow this.
Source: Li et al., "Steering LLM Thinking with Budget Guidance", ACL Findings 2026, and its released code.
"""

from __future__ import annotations

from dataclasses import dataclass


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
