"""When something is due in a run, and where the time of a step goes."""

from __future__ import annotations

import time


def due(done: int, every: int) -> bool:
    """Whether something that happens `every` so many steps happens after `done` of them; 0 is never."""
    return every > 0 and done % every == 0


class Stopwatch:
    """Seconds of the phases of a step; their sum is the step."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._laps: dict[str, float] = {}

    def lap(self, phase: str) -> None:
        now = time.monotonic()
        self._laps[f"time/{phase}"] = now - self._last
        self._last = now

    def times(self) -> dict[str, float]:
        return {**self._laps, "time/step": sum(self._laps.values())}
