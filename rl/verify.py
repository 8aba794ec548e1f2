"""Whether the engines have the learner's weights: two tellings of the same log-probabilities (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence


def mean_gap(truth: Sequence[Sequence[float]], told: Sequence[Sequence[float]]) -> float:
    """Mean |a - b| over all numbers of two lists of sequences."""
    gaps = [abs(a - b) for x, y in zip(truth, told, strict=True) for a, b in zip(x, y, strict=True)]
    return sum(gaps) / len(gaps)


def tolerance(asked: float | None, dtype: str) -> float:
    """The largest gap that is no reason for doubt: what was asked for, or what is usual for the weights' type."""
    return {"float32": 1e-3, "bfloat16": 0.05}[dtype] if asked is None else asked


def worst(gaps: Sequence[float]) -> int:
    """Where the largest gap is; one that is not a number is larger than any."""
    return max(range(len(gaps)), key=lambda index: math.inf if math.isnan(gaps[index]) else gaps[index])
