"""The table to paste into a paper: a row for each evaluation, in Markdown, LaTeX and CSV (pure)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from rl.evaluation.finished import Finished


@dataclass(frozen=True, slots=True)
class Number:
    """A value as it is written, with half the width of its interval where it has one."""

    value: float
    half: float | None = None
    digits: int = 1

    def __str__(self) -> str:
        return f"{self.value:,.{self.digits}f}"

    @property
    def plain(self) -> str:
        """Without separators of thousands."""
        return f"{self.value:.{self.digits}f}"

    @property
    def error(self) -> str:
        """Half the interval, empty where there is none."""
        return "" if self.half is None else f"{self.half:.{self.digits}f}"


Cell: TypeAlias = str | Number | None


@dataclass(frozen=True, slots=True)
class Table:
    """Titles and rows of one length; accuracies are percentages, None is what an evaluation does not have."""

    titles: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def percentage(share: float | None, half: float | None = None) -> Number | None:
    """A share of one as a percentage; None stays None."""
    return None if share is None else Number(100 * share, None if half is None else 100 * half)


def accuracy_cell(point: Mapping[str, Any] | None) -> Number | None:
    """Accuracy and half its interval at one budget; None where it was not sampled, or nothing was judged."""
    if point is None or not point["judged"]:
        return None
    return percentage(point["accuracy"], (point["ci_high"] - point["ci_low"]) / 2)


def anytime_cell(result: Mapping[str, Any]) -> Number | None:
    """Anytime accuracy and half its interval; None where some budget has no verdict."""
    mean = result["anytime_accuracy"]
    return None if mean is None else percentage(mean, (result["anytime_ci_high"] - result["anytime_ci_low"]) / 2)


def short_model(model: str) -> str:
    """A hub id as it is, a folder by its name."""
    return Path(model).name if model.startswith(("/", ".", "~")) else model


def row_of(run: Finished, budgets: Sequence[int]) -> tuple[Cell, ...]:
    points = {point["budget"]: point for point in run.result["budgets"]}
    e3 = run.result["e3"]
    return (
        run.label,
        short_model(run.result["model"]),
        run.result["strategy"],
        *(accuracy_cell(points.get(budget)) for budget in budgets),
        anytime_cell(run.result),
        percentage(run.result["final_accuracy"]),
        None if e3 is None else Number(e3, digits=2),
        Number(run.result["budgets"][-1]["spent_tokens"], digits=0),
    )


def paper_table(runs: Sequence[Finished]) -> Table:
    """A row for each evaluation, a column for each budget of any of them; `Tokens` are at the largest budget."""
    budgets = sorted({budget for run in runs for budget in run.budgets})
    named = ("Run", "Model", "Strategy")
    titles = (*named, *(f"@{budget:,}" for budget in budgets), "Anytime", "Final", "E³", "Tokens")
    return Table(titles, tuple(row_of(run, budgets) for run in runs))


def written(cell: Cell, number: Callable[[Number], str], plain: Callable[[str], str], nothing: str) -> str:
    """A cell in one of the formats."""
    if cell is None:
        return nothing
    return number(cell) if isinstance(cell, Number) else plain(cell)


def numeric(table: Table) -> list[bool]:
    """Which columns hold numbers."""
    return [any(isinstance(cell, Number) for cell in column) for column in zip(*table.rows, strict=True)]


def markdown(table: Table) -> str:
    """A pipe table; numbers stand to the right."""

    def number(cell: Number) -> str:
        return f"{cell} ± {cell.error}" if cell.error else str(cell)

    def plain(cell: str) -> str:
        return " ".join(cell.replace("\\", "\\\\").replace("|", "\\|").split())

    lines = [table.titles, ["--:" if right else ":--" for right in numeric(table)]]
    lines += [[written(cell, number, plain, "–") for cell in row] for row in table.rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "³": "$^3$",
}


def latex_text(text: str) -> str:
    """Text that LaTeX sets as it stands."""
    return " ".join("".join(LATEX.get(character, character) for character in text).split())


def latex(table: Table) -> str:
    """A `tabular` for the package booktabs."""

    def number(cell: Number) -> str:
        digits = str(cell).replace(",", "{,}")
        return rf"${digits} \pm {cell.error}$" if cell.error else f"${digits}$"

    rows = [[written(cell, number, latex_text, "--") for cell in row] for row in table.rows]
    body = "".join(f"  {' & '.join(row)} \\\\\n" for row in rows)
    head = " & ".join(map(latex_text, table.titles))
    columns = "".join("r" if right else "l" for right in numeric(table))
    return (
        f"\\begin{{tabular}}{{{columns}}}\n  \\toprule\n  {head} \\\\\n  \\midrule\n{body}"
        "  \\bottomrule\n\\end{tabular}\n"
    )


def comma_separated(table: Table) -> str:
    """CSV; a column `TITLE ±` follows each that has intervals."""
    columns = zip(*table.rows, strict=True)
    bounded = [any(isinstance(cell, Number) and cell.error for cell in column) for column in columns]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for line in (table.titles, *table.rows):
        pairs = (_pair(cell) for cell in line)
        writer.writerow([cell for pair, two in zip(pairs, bounded, strict=True) for cell in pair[: 1 + two]])
    return file.getvalue()


def _pair(cell: Cell) -> tuple[str, str]:
    """What CSV has of a cell, and of its error; of a title, the titles of both."""
    if cell is None:
        return "", ""
    return (cell.plain, cell.error) if isinstance(cell, Number) else (cell, f"{cell} ±")
