"""The test-time methods that an evaluation can name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl import variants
from rollout.strategies.base import Strategy
from rollout.strategies.by_reference import Guided, Switched
from rollout.strategies.hard import CyclicReflex, Hard, Separate
from rollout.strategies.planning import PlanAndBudget
from rollout.strategies.stated import EffortShare, Stated
from rollout.strategies.waiting import Wait

STRATEGIES: dict[str, type] = {
    "hard": Hard,
    "separate": Separate,
    "wait": Wait,
    "stated": Stated,
    "effort": EffortShare,
    "plan": PlanAndBudget,
    "cyclic": CyclicReflex,
    "guided": Guided,
    "switched": Switched,
}

BY_REFERENCE = (Guided, Switched)
"""What vLLM cannot do: hidden states and soft embeddings are the reference decoder's, slow and for small studies."""


def build(section: Mapping[str, Any]) -> Strategy:
    """The method that a config section describes. Raises ValueError with one line, see `rl.variants.build`."""
    return variants.build("strategy", STRATEGIES, section)


def resolve(section: Mapping[str, Any]) -> dict[str, Any]:
    """The same section with every knob explicit. Raises as `build` does."""
    return variants.described(section, build(section))
