"""Learning-rate schedules: optimizer step -> factor of the peak rate (pure)."""

from __future__ import annotations

import math
from collections.abc import Callable


def constant(step: int, total: int) -> float:
    del step, total
    return 1.0


def linear(step: int, total: int) -> float:
    """Falls from 1 to 0 over `total` steps."""
    return max(0.0, 1.0 - step / max(total, 1))


def cosine(step: int, total: int) -> float:
    """Falls from 1 to 0 over `total` steps along half a cosine."""
    return 0.5 * (1.0 + math.cos(math.pi * min(step / max(total, 1), 1.0)))


SCHEDULES: dict[str, Callable[[int, int], float]] = {"constant": constant, "linear": linear, "cosine": cosine}


def factor(step: int, *, schedule: str, warmup: int, total: int) -> float:
    """Rises linearly over `warmup` steps (step 0 already moves), then follows the named schedule to `total`."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return SCHEDULES[schedule](step - warmup, total - warmup)
