"""What a person at the terminal sees of a run: phases, progress, the summary and sample transcripts."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from rewards.types import Status
from rl.history import alarms, headline
from rl.log import Row
from rl.rollout_records import Sample
from rl.terminal_curve import learning_curve
from rl.wording import change, count, duration, percent, visible
from rollout.types import Finish

SHOWN = (
    ("reward", "reward/mean", "{:.3f}".format),
    ("accuracy", "accuracy/mean", percent),
    ("held out", "heldout/accuracy", percent),
    ("thinking", "tokens/thinking_mean", "{:.1f}".format),
    ("tokens/s", "throughput/sampled_tokens_per_s", count),
    ("gap", "policy/logprob_gap", "{:.1e}".format),
)
"""What a progress line shows of a step: label, metric and wording."""


def stdout_console() -> Console:
    """The terminal. A character that its encoding lacks is shown as `?` instead of ending the run."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False)


class Progress:
    """A live display for a run of `steps` steps; one plain line per `every_s` seconds where there is no terminal.

    A context manager. `phase` says what is being done, `update` shows a finished step; each ends the phase before it.
    `first_step` is the step a resumed run starts from, `unit` what a step is called. It never raises for lack of a
    metric: what a row does not have is not shown.
    """

    def __init__(
        self,
        steps: int,
        *,
        first_step: int = 0,
        unit: str = "step",
        console: Console | None = None,
        every_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steps, self._unit = steps, unit
        self._done = first_step
        self._console = console or stdout_console()
        self._every_s = every_s
        self._clock = clock
        self._phase: tuple[str, float] | None = None
        self._seconds: list[float] = []
        self._last_line_at = -float("inf")
        self._last_row: Mapping[str, float] = {}
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_phase(completed=kind is None)
        if self._live is not None:
            self._live.stop()

    def phase(self, text: str) -> None:
        """Say what is being done now; the phase before it has ended."""
        self._end_phase()
        self._phase = (text, self._clock())
        if self._live is None:
            self._print(Text(f"{text} …"))

    def note(self, text: str) -> None:
        """A line that stays, above whatever is live."""
        self._print(Text(text))

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """Show that `step` has ended with these metrics."""
        self._end_phase()
        now = self._clock()
        self._seconds = [*self._seconds[-19:], *([metrics["time/step"]] if "time/step" in metrics else [])]
        self._done = step + 1
        self._last_row = {**self._held_out(), **metrics}
        due = now - self._last_line_at >= self._every_s or self._done == self._steps
        if self._live is None and due:
            self._last_line_at = now
            self._print(Text(progress_line(self._done, self._steps, self._last_row, self._time_left(), self._unit)))

    def _held_out(self) -> dict[str, float]:
        """A held-out accuracy stays on display until the next."""
        return {key: value for key, value in self._last_row.items() if key == "heldout/accuracy"}

    def _time_left(self) -> str:
        """At the mean pace of the last twenty steps."""
        if not self._seconds:
            return "?"
        return duration(sum(self._seconds) / len(self._seconds) * (self._steps - self._done))

    def _end_phase(self, *, completed: bool = True) -> None:
        if self._phase is not None:
            text, start = self._phase
            self._phase = None
            mark = Text("✓ ", style="green") if completed else Text("✗ ", style="red")
            self._print(mark + Text(f"{text} … {duration(self._clock() - start)}"))

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)

    def _render(self) -> RenderableType:
        """What the live display shows at this moment."""
        parts: list[RenderableType] = []
        phase = self._phase  # read once: this runs in the display's own thread
        if phase is not None:
            text, start = phase
            parts.append(Spinner("dots", Text(f"{text} … {duration(self._clock() - start)}")))
        if self._last_row:
            parts.append(progress_panel(self._done, self._steps, self._last_row, self._time_left(), self._unit))
        return Group(*parts)


def progress_cells(row: Mapping[str, float]) -> list[tuple[str, str]]:
    """Label and value of what a row has to show."""
    return [(label, wording(row[key])) for label, key, wording in SHOWN if key in row]


def progress_line(done: int, steps: int, row: Mapping[str, float], left: str, unit: str = "step") -> str:
    """One aligned line for a log file."""
    cells = "  ".join(f"{label} {value:>7}" for label, value in progress_cells(row))
    return f"{unit} {done:>{len(str(steps))}}/{steps}  {cells}  left {left}"


def unbroken(text: str) -> str:
    """Text that a narrow terminal does not wrap inside."""
    return text.replace(" ", "\u00a0")


def progress_panel(done: int, steps: int, row: Mapping[str, float], left: str, unit: str = "step") -> RenderableType:
    """A bar and the numbers of the last step."""
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    bar.add_row(Text(f"{unit} {done}/{steps}", style="bold"), ProgressBar(steps, done), Text(f"{left} left"))
    cells = [Text.assemble((unbroken(f"{label} "), "dim"), unbroken(value)) for label, value in progress_cells(row)]
    return Group(bar, Text("   ").join(cells))


def transcript(sample: Sample) -> Text:
    """Thought, how it was closed, answer and verdict. Built as `Text`: model text is never read as markup."""
    forced = sample["thought_finish"] == Finish.BUDGET
    closing = f"{'✂ closed by force at ' if forced else ''}{sample['thought_tokens']} tokens"
    verdict = "green" if sample["status"] == Status.OK else "red"
    return Text.assemble(
        (visible(sample["thought"]), "dim"),
        (f"\n{closing}\n", "yellow" if forced else "dim italic"),
        visible(sample["answer"]),
        (f"\n{sample['status']}, reward {sample['reward']:.2f}", verdict),
        overflow="fold",
    )


def print_transcripts(
    before: Sequence[Sample], after: Sequence[Sample], *, limit: int = 3, console: Console | None = None
) -> None:
    """Show `limit` problems as they were answered before and after: side by side, or stacked below 90 columns."""
    console = console or stdout_console()
    answered = {sample["prompt"]: sample for sample in after}
    pairs = [(first, answered[first["prompt"]]) for first in before if first["prompt"] in answered]
    for first, second in pairs[:limit]:
        panels = [
            Panel(transcript(first), title="before", title_align="left", border_style="dim"),
            Panel(transcript(second), title="after", title_align="left", border_style="dim"),
        ]
        body: RenderableType = Group(*panels)
        if console.width >= 90:
            body = Table.grid(expand=True, padding=(0, 1))
            body.add_column(ratio=1)
            body.add_column(ratio=1)
            body.add_row(*panels)
        question = Text.assemble((visible(first["prompt"]), "bold"), (f"   expected {visible(first['gold'])}", "dim"))
        console.print(Group(Text(""), question, body))


def print_summary(rows: Sequence[Row], report: Path | None = None, *, console: Console | None = None) -> None:
    """The learning curve, the run in a few numbers, what deserves a second look, and where the report lies."""
    console = console or stdout_console()
    head = headline(rows)
    shares = ", ".join(f"{phase} {percent(share)}" for phase, share in head.shares.items())
    lines = (
        ("held-out accuracy", change(head.held_out, share=True)),
        ("training accuracy", change(head.accuracy, share=True)),
        ("mean reward", change(head.reward, share=False)),
        ("steps", f"{head.steps}, {count(head.sampled_tokens)} sampled tokens"),
        ("time", f"{duration(head.seconds)}, {count(head.tokens_per_s)} tokens/s"),
        ("of which", shares),
        *((("report", str(report)),) if report is not None else ()),
    )
    table = Table.grid(padding=(0, 2))
    for label, value in lines:
        table.add_row(Text(label, style="dim"), Text(value))
    console.print(Text(learning_curve(rows, min(console.width, 100))), no_wrap=True)
    console.print(Group(Text(""), table))
    for line in alarms(rows):
        console.print(Text(f"! {line}", style="yellow"))
