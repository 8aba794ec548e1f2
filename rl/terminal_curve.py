"""Curves drawn in characters: a run's accuracy, and the budgets it plans (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from rl.history import series, smoothed, span_for
from rl.log import Row

HEIGHT = 10
GUTTER = 7
"""Columns left of the curve: the label of a line and the axis."""

BRAILLE = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot in a braille character, by row from the top and column."""


def resampled(values: Sequence[float], count: int) -> list[float]:
    """The nearest of `values` at each of `count` evenly spaced places, the first and the last included."""
    last = len(values) - 1
    return [values[round(i * last / max(1, count - 1))] for i in range(count - 1)] + [values[-1]]


def braille(values: Sequence[float], width: int, height: int) -> list[list[str]]:
    """Characters [height][width] of a curve through values in [0, 1], two dots wide and four high each."""
    cells = [[0] * width for _ in range(height)]
    levels = [round(min(1.0, max(0.0, value)) * (4 * height - 1)) for value in resampled(values, 2 * width)]
    for x, level in enumerate(levels):
        before = levels[max(0, x - 1)]
        for y in range(min(level, before + 1), max(level, before - 1) + 1):  # no hole where it is steep
            down = 4 * height - 1 - y
            cells[down // 4][x // 2] |= DOTS[down % 4][x % 2]
    return [[chr(BRAILLE + cell) if cell else " " for cell in row] for row in cells]


def learning_curve(rows: Sequence[Row], width: int = 80) -> str:
    """Training accuracy over steps, a running mean, with held-out accuracies as ◆: `HEIGHT` + 3 lines of `width`.

    The axis goes from 0 to 100 %. Empty when no row has an accuracy.
    """
    steps, values = series(rows, "accuracy/mean")
    if not values:
        return ""
    columns = max(10, width - GUTTER)
    canvas = braille(smoothed(values, span_for(len(values))), columns, HEIGHT)
    first, last = steps[0], steps[-1]
    held_steps, held_values = series(rows, "heldout/accuracy")
    for step, value in zip(held_steps, held_values, strict=True):
        column = round((step - first) / (last - first) * (columns - 1)) if last > first else columns - 1
        canvas[HEIGHT - 1 - min(HEIGHT - 1, int(max(0.0, value) * HEIGHT))][column] = "◆"
    legend = "accuracy by step: ⠒ training" + (", ◆ held out" if held_values else "")
    return _framed(canvas, ("100 %", "50 %", "0 %"), (first, last), legend)


def budget_curve(budgets: Sequence[int], width: int = 80) -> str:
    """The budget of every step, in tokens from 0 to the largest: `HEIGHT` + 3 lines of `width`."""
    top, columns = max(budgets), max(10, width - GUTTER)
    canvas = braille([budget / top for budget in budgets], columns, HEIGHT)
    marks = (f"{top}", f"{top / 2:.0f}", "0")
    return _framed(canvas, marks, (0, len(budgets) - 1), "largest thinking budget by step")


def _framed(
    canvas: Sequence[Sequence[str]], marks: tuple[str, str, str], ends: tuple[float, float], legend: str
) -> str:
    """A canvas with its axes: marks at the top, in the middle and at 0, and the first and last step below."""
    columns, beside = len(canvas[0]), {0: marks[0], len(canvas) // 2: marks[1]}
    lines = [f"{beside.get(i, ''):>5} ┤{''.join(row)}".rstrip() for i, row in enumerate(canvas)]
    axis = f"{marks[2]:>5} └{'─' * columns}"
    steps = f"{'':>{GUTTER}}{ends[0]:<{columns // 2}.0f}{ends[1]:>{columns - columns // 2}.0f}"
    return "\n".join([*lines, axis, steps, f"{'':>{GUTTER}}{legend}"])
