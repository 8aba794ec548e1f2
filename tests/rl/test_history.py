"""The numbers that sum up a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from make_rows import synthetic_rows as rows

from rl.errors import BadInput
from rl.history import alarms, headline, read_rows, series, smoothed, span_for, time_shares
from rl.wording import change, count, duration, percent, visible


def test_headline_of_a_known_run() -> None:
    head = headline(rows(41))
    assert (head.steps, head.span, head.seconds, head.sampled_tokens, head.tokens_per_s) == (41, 2, 82.0, 4100, 50.0)
    assert head.held_out == pytest.approx((0.2, 0.8))
    assert head.accuracy == pytest.approx((0.2 + 0.0075, 0.8 - 0.0075))  # means of two steps, 0.015 apart


def test_time_shares_name_what_no_phase_accounts_for() -> None:
    assert time_shares(rows(5)) == {"rollout": 0.5, "reward": 0.0, "learn": 0.25, "publish": 0.125, "other": 0.125}


def test_overlapping_phases_share_the_time_in_proportion() -> None:
    row = {"step": 0, "time/rollout": 3.0, "time/reward": 0.0, "time/learn": 1.0, "time/publish": 0.0, "time/step": 3.0}
    assert time_shares([row]) == {"rollout": 0.75, "reward": 0.0, "learn": 0.25, "publish": 0.0, "other": 0.0}


def test_series_takes_the_rows_that_have_the_key() -> None:
    steps, values = series(rows(7), "heldout/accuracy")
    assert steps == [0, 6]
    assert values == pytest.approx([0.2, 0.8])


def test_smoothed_is_the_mean_of_what_came_before() -> None:
    assert smoothed([1.0, 2.0, 6.0, 1.0], 3) == [1.0, 1.5, 3.0, 3.0]


@pytest.mark.parametrize(("steps", "span"), [(1, 1), (39, 1), (40, 2), (240, 12), (4000, 20)])
def test_span_of_a_mean(steps: int, span: int) -> None:
    assert span_for(steps) == span


def test_alarms_name_the_metric_and_the_remedy() -> None:
    healthy = rows(10)
    assert alarms(healthy) == []
    truncated = [row | {"budget/hit_rate": 0.98, "group/informative": 0.02} for row in healthy]
    assert alarms(truncated) == [
        "budget/hit_rate is 0.98 over the last 1 steps: nearly every thought was cut by its budget: raise it",
        "group/informative is 0.02 over the last 1 steps: nearly all groups were all right or all wrong: "
        "the problems do not fit",
    ]


def test_what_is_not_a_run_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"it has no metrics.jsonl"):
        read_rows(tmp_path)
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(BadInput, match="has not finished its first step"):
        read_rows(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.12, "4.1 s"), (9.97, "10 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(812, "812"), (999.6, "1 k"), (14_230, "14.2 k"), (999_999, "1 M"), (3.51e6, "3.51 M")]
)
def test_count(number: float, text: str) -> None:
    assert count(number) == text


def test_shares_and_changes() -> None:
    assert percent(0.8164) == "81.6 %"
    assert change((0.25, 0.8164), share=True) == "25.0 % → 81.6 %"
    assert change((0.25, 1.5), share=False) == "0.250 → 1.500"
    assert change(None, share=True) == "–"


def test_control_characters_are_spelled_out() -> None:
    assert visible("a\tb\nc\x1b[31m\x00\r\x9b") == "a\tb\nc\\x1b[31m\\x00\\x0d\\x9b"
