"""The curve in characters shows the numbers it was given."""

from __future__ import annotations

import pytest

from rl.terminal_curve import GUTTER, HEIGHT, braille, budget_curve, learning_curve, resampled

BLANK = "\u2800"


def rows_of(values: list[float]) -> list[dict[str, float]]:
    return [{"step": step, "accuracy/mean": value} for step, value in enumerate(values)]


def canvas_of(text: str) -> list[str]:
    """The lines of the plot without their labels, top first."""
    return [line[GUTTER:] for line in text.split("\n")[:HEIGHT]]


def top_row(canvas: list[str], column: int) -> int:
    """The highest line with ink in a column."""
    return next(y for y, line in enumerate(canvas) if len(line) > column and line[column] not in (" ", BLANK))


def test_a_rising_series_has_its_maximum_in_the_last_column() -> None:
    canvas = canvas_of(learning_curve(rows_of([i / 30 for i in range(31)]), width=47))
    tops = [top_row(canvas, column) for column in range(40)]
    assert tops[-1] == 0
    assert tops[0] == HEIGHT - 1
    assert tops == sorted(tops, reverse=True)


def test_the_peak_of_a_series_stands_in_its_own_column() -> None:
    canvas = canvas_of(learning_curve(rows_of([0.0] * 10 + [1.0] + [0.0] * 10), width=GUTTER + 21))
    # The rise and the peak share a column, the fall is drawn in the next.
    assert [column for column in range(21) if top_row(canvas, column) == 0] == [10, 11]


def test_one_column_of_braille_worked_by_hand() -> None:
    # Two dots across, four levels in one line: 0 is the lowest dot on the left (0x40), 1 the highest on the right
    # (0x08), and the climb between them fills the right column from the second dot up: 0x20, 0x10.
    assert braille([0.0, 1.0], 1, 1) == [[chr(0x2800 + 0x40 + 0x20 + 0x10 + 0x08)]]


@pytest.mark.parametrize("width", [20, 47, 80, 120])
def test_no_line_is_wider_than_asked(width: int) -> None:
    lines = learning_curve([row | {"heldout/accuracy": 0.5} for row in rows_of([0.5] * 7)], width).split("\n")
    assert len(lines) == HEIGHT + 3
    assert max(map(len, lines[:-1])) == width


def test_held_out_points_stand_at_their_step_and_value() -> None:
    rows = rows_of([0.1] * 11)
    rows[0]["heldout/accuracy"], rows[10]["heldout/accuracy"] = 0.25, 1.0
    canvas = canvas_of(learning_curve(rows, width=GUTTER + 11))
    points = [(y, x) for y, line in enumerate(canvas) for x, mark in enumerate(line) if mark == "◆"]
    assert points == [(0, 10), (7, 0)]  # 100 % is the top line, 25 % lies in the third from the bottom


def test_ends_of_the_axis_are_the_first_and_last_step() -> None:
    text = learning_curve([{"step": 40 + i, "accuracy/mean": 0.5} for i in range(5)], width=60)
    assert text.split("\n")[HEIGHT + 1].split() == ["40", "44"]


def test_a_single_step_and_none() -> None:
    assert top_row(canvas_of(learning_curve(rows_of([0.999]), width=30)), 5) == 0
    assert learning_curve([{"step": 0}]) == ""


def test_resampling_takes_the_nearest_value_and_keeps_the_ends() -> None:
    assert resampled([0.0, 1.0, 5.0], 5) == [0.0, 0.0, 1.0, 5.0, 5.0]  # a half rounds to the even neighbour
    assert resampled([0.0, 1.0, 2.0, 3.0, 4.0], 3) == [0.0, 2.0, 4.0]
    assert resampled([0.3], 3) == [0.3, 0.3, 0.3]


def test_budgets_are_drawn_from_zero_to_the_largest() -> None:
    lines = budget_curve([256] * 20 + [128] * 20, width=GUTTER + 20).split("\n")
    canvas = canvas_of("\n".join(lines))
    assert [top_row(canvas, column) for column in (0, 9, 11, 19)] == [0, 0, 4, 4]  # half of 40 dots is in line 4
    assert [line[:5] for line in (lines[0], lines[5], lines[HEIGHT])] == ["  256", "  128", "    0"]
    assert lines[HEIGHT + 1].split() == ["0", "39"]
    assert lines[HEIGHT + 2].strip() == "largest thinking budget by step"
    assert max(map(len, lines[: HEIGHT + 2])) == GUTTER + 20
