"""What the terminal and a log file show of a run."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from make_rows import synthetic_rows
from rich.console import Console

from rl.console import Progress, print_summary, print_transcripts, progress_line


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def plain(width: int = 160) -> Console:
    return Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, highlight=False)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def sample(answer: str, *, finish: str = "closed", status: str = "ok") -> dict[str, object]:
    return {
        "prompt": "2+2?",
        "gold": "4",
        "thought": "two and two",
        "answer": answer,
        "reward": 1.0,
        "status": status,
        "thought_tokens": 48,
        "thought_finish": finish,
    }


def test_phases_tell_what_is_done_and_how_long_it_took() -> None:
    console, clock = plain(), Clock()
    with Progress(10, console=console, clock=clock) as progress:
        progress.phase("starting Ray")
        clock.now += 4.1
        progress.phase("[bold]loading[/bold]")
        clock.now += 62
    assert shown(console).splitlines() == [
        "starting Ray …",
        "✓ starting Ray … 4.1 s",
        "[bold]loading[/bold] …",
        "✓ [bold]loading[/bold] … 1 min 02 s",
    ]


def test_a_phase_that_failed_is_marked() -> None:
    console, clock = plain(), Clock()

    def work() -> None:
        with Progress(10, console=console, clock=clock) as progress:
            progress.phase("starting Ray")
            raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        work()
    assert shown(console).splitlines()[-1] == "✗ starting Ray … 0.0 s"


def test_a_log_file_gets_a_line_every_few_seconds_and_one_at_the_end() -> None:
    console, clock = plain(), Clock()
    rows = synthetic_rows(50)
    with Progress(50, console=console, every_s=10.0, clock=clock) as progress:
        for row in rows:
            clock.now += 2.0
            progress.update(int(row["step"]), row)
    lines = shown(console).splitlines()
    steps = [int(line.split()[1].split("/")[0]) for line in lines]
    assert steps == [1, 6, 11, 16, 21, 26, 31, 36, 41, 46, 50]
    assert len({line.index("accuracy") for line in lines}) == 1


def test_the_time_left_is_the_pace_times_the_steps_left() -> None:
    console, clock = plain(), Clock()
    with Progress(91, console=console, first_step=60, clock=clock) as progress:
        progress.update(60, {"time/step": 3.0})
        clock.now += 60
        progress.update(70, {"time/step": 1.0})
    assert [line.split("left ")[1] for line in shown(console).splitlines()] == ["1 min 30 s", "40 s"]


def test_a_held_out_accuracy_stays_until_the_next() -> None:
    console, clock = plain(), Clock()
    with Progress(9, console=console, every_s=0.0, clock=clock) as progress:
        progress.update(0, {"heldout/accuracy": 0.25})
        progress.update(1, {"accuracy/mean": 0.5})
    assert "held out  25.0 %" in shown(console).splitlines()[1]


def test_a_progress_line_shows_what_the_row_has() -> None:
    row = {"reward/mean": 0.5, "throughput/sampled_tokens_per_s": 8712.0, "policy/logprob_gap": 1.2e-6}
    expected = "step  3/40  reward   0.500  tokens/s  8.71 k  gap 1.2e-06  left 41 s"
    assert progress_line(3, 40, row, "41 s") == expected


def test_a_terminal_gets_a_live_display() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None, highlight=False)
    with Progress(4, console=console, clock=Clock()) as progress:
        progress.phase("starting Ray")
        progress.update(1, synthetic_rows(2)[1])
    text = shown(console)
    assert "step 2/4" in text
    assert "accuracy 80.0 %" in text.replace("\u00a0", " ")
    assert "4.0 s left" in text


@pytest.mark.parametrize("width", [60, 120])
def test_transcripts_show_model_text_as_it_is(width: int) -> None:
    console = plain(width)
    first = sample("[red]5[/red] \x1b[31m", finish="budget", status="wrong")
    print_transcripts([first], [sample("[/] 4")], console=console)
    text = shown(console)
    assert "[red]5[/red] \\x1b[31m" in text
    assert "\x1b" not in text
    assert "[/] 4" in text
    assert "✂ closed by force at 48 tokens" in text
    assert text.count("closed by force") == 1
    side_by_side = any("before" in line and "after" in line for line in text.splitlines())
    assert side_by_side == (width >= 90)


def test_three_problems_are_shown_and_only_those_answered_twice() -> None:
    console = plain()
    befores = [sample("a") | {"prompt": f"problem {i}"} for i in range(6)]
    print_transcripts(befores, befores[1:], console=console)
    assert [f"problem {i}" in shown(console) for i in range(6)] == [False, True, True, True, False, False]


def test_the_summary_has_the_curve_the_numbers_and_the_report(tmp_path: Path) -> None:
    console = plain()
    rows = [row | {"budget/hit_rate": 1.0} for row in synthetic_rows(5)]
    print_summary(rows, tmp_path / "report.html", console=console)
    text = shown(console)
    assert "100 % ┤" in text
    assert text.count("20.0 % → 80.0 %") == 2
    assert "500 sampled tokens" in text
    assert "10 s, 50 tokens/s" in text
    assert "rollout 50.0 %" in text
    assert "report.html" in text
    assert "! budget/hit_rate is 1 over the last 1 steps" in text
