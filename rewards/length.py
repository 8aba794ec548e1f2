"""What a length is worth, judged alone (pure): numbers or aligned arrays in, the same shape out.

A `length` and everything it is compared with are in tokens. `correct` is 1 for a right answer and 0 for a
wrong one, or any number that a right answer is worth. NaN (no verdict) stays NaN. The terms that need the
whole group are in `rl.length_credit`.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = float | NDArray[np.float64]


def triangular(length: Floats, budget: Floats) -> Floats:
    """1 at the budget exactly, falling to 0 in a straight line on both sides: at no tokens and at twice the budget.

    Curriculum GRPO (arXiv 2508.08940, section 3). Raises ValueError for a budget that is not positive.
    """
    return np.maximum(1 - np.abs(_ratio(length, budget) - 1), 0.0)


def band(length: Floats, budget: Floats) -> Floats:
    """1 up to the budget, then falling to 0 in a straight line at twice the budget; an empty answer gets 1.

    Curriculum GRPO (arXiv 2508.08940, section 3). Raises ValueError for a budget that is not positive.
    """
    return np.clip(2 - _ratio(length, budget), 0.0, 1.0)


def overlong(length: Floats, limit: Floats, buffer: Floats) -> Floats:
    """0 up to `limit` - `buffer`, falling through the buffer to -1 at the limit and beyond.

    DAPO's soft punishment (arXiv 2503.14476, section 3.4). Raises ValueError for a buffer that is not positive.
    """
    return np.clip(-_ratio(length - (limit - buffer), buffer), -1.0, 0.0)


def lcpo_exact(correct: Floats, length: Floats, target: Floats, *, alpha: float = 3e-4) -> Floats:
    """A right answer, less `alpha` for each token above or below the target; wrong answers pay it as well.

    L1-Exact (arXiv 2503.04697, equation 1).
    """
    return correct - alpha * np.abs(target - length)


def lcpo_max(correct: Floats, length: Floats, target: Floats, *, alpha: float = 3e-4, delta: float = 0.5) -> Floats:
    """A right answer times `delta` at the target, `alpha` more for each token below it, within 0 and 1.

    The paper's slope; the released code's is half of it. L1-Max (arXiv 2503.04697, equation 2).
    """
    return correct * np.clip(alpha * (target - length) + delta, 0.0, 1.0)


def effort_gate(correct: Floats, length: Floats, mean_length: Floats, effort: Floats) -> Floats:
    """A right answer, if its length is below the share `effort` of the mean length; else 0.

    Only the ratio of lengths counts: there is no budget in it. e1 (arXiv 2510.27042; the abstract).
    """
    return _gated(correct, length < effort * mean_length)


def effort_gate_inclusive(correct: Floats, length: Floats, mean_length: Floats, effort: Floats) -> Floats:
    """`effort_gate` that lets the share itself through: of equal lengths, all pass at effort 1 instead of none."""
    return _gated(correct, length <= effort * mean_length)


def think_prune(correct: Floats, length: Floats, limit: Floats) -> Floats:
    """A right answer, if it ended within the limit; else 0. ThinkPrune (arXiv 2504.01296)."""
    return _gated(correct, length <= limit)


def _gated(correct: Floats, within: bool | NDArray[np.bool_]) -> Floats:
    return np.multiply(correct, within)  # a product, not a choice of the two: NaN stays NaN


def _ratio(tokens: Floats, unit: Floats) -> Floats:
    if not np.all(np.asarray(unit) > 0):
        raise ValueError(f"a budget or buffer must be positive, not {unit}")
    return tokens / unit
