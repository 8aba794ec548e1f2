"""The table for a paper, in three formats."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from make_evaluations import problem, trial, varied_problems, write_evaluation

from rl.evaluation.finished import read_finished
from rl.evaluation.table import (
    Number,
    Table,
    accuracy_cell,
    comma_separated,
    latex,
    latex_text,
    markdown,
    paper_table,
    short_model,
)

SMALL = Table(
    ("Run", "@64", "@1,024", "E³"),
    (("a|b_1", Number(78.14, 2.04), None, Number(9.5, digits=2)), ("c", Number(5), Number(1234.56), None)),
)


def test_markdown() -> None:
    assert markdown(SMALL) == (
        "| Run | @64 | @1,024 | E³ |\n"
        "| :-- | --: | --: | --: |\n"
        "| a\\|b_1 | 78.1 ± 2.0 | – | 9.50 |\n"
        "| c | 5.0 | 1,234.6 | – |\n"
    )


def test_latex() -> None:
    assert latex(SMALL) == (
        "\\begin{tabular}{lrrr}\n"
        "  \\toprule\n"
        "  Run & @64 & @1,024 & E$^3$ \\\\\n"
        "  \\midrule\n"
        "  a|b\\_1 & $78.1 \\pm 2.0$ & -- & $9.50$ \\\\\n"
        "  c & $5.0$ & $1{,}234.6$ & -- \\\\\n"
        "  \\bottomrule\n"
        "\\end{tabular}\n"
    )


def test_latex_text_is_set_as_it_stands() -> None:
    assert latex_text("50% of {a_b} & \\x~^#$") == (
        r"50\% of \{a\_b\} \& \textbackslash{}x\textasciitilde{}\textasciicircum{}\#\$"
    )


def test_csv_has_the_error_in_a_column_of_its_own() -> None:
    assert list(csv.reader(comma_separated(SMALL).splitlines())) == [
        ["Run", "@64", "@64 ±", "@1,024", "E³"],
        ["a|b_1", "78.1", "2.0", "", "9.50"],
        ["c", "5.0", "", "1234.6", ""],
    ]


def test_rows_are_runs_and_columns_the_budgets_of_any(tmp_path: Path) -> None:
    first = write_evaluation(tmp_path / "a", varied_problems(12, 2, 0))
    second = write_evaluation(tmp_path / "b", varied_problems(12, 2, 1, budgets=(64, 1000)), "wait")
    runs = [read_finished(first, "a"), read_finished(second, "b")]
    found = paper_table(runs)
    assert found.titles == (
        *("Run", "Model", "Strategy", "@64", "@128", "@256", "@512", "@1,000"),
        *("Anytime", "Final", "E³", "Tokens"),
    )
    assert [row[:3] for row in found.rows] == [("a", "tiny", "hard"), ("b", "tiny", "wait")]
    assert [cell is None for cell in found.rows[1][3:8]] == [False, True, True, True, False]
    accuracy = found.rows[0][6]
    assert isinstance(accuracy, Number)
    point = runs[0].result["budgets"][3]
    assert accuracy.value == pytest.approx(100 * point["accuracy"])
    assert accuracy.half == pytest.approx(50 * (point["ci_high"] - point["ci_low"]))
    spent = [v.spent for p in runs[0].problems for t in p.trials for v in t.verdicts if v.budget == 512]
    assert str(found.rows[0][-1]) == f"{sum(spent) / len(spent):,.0f}"


def test_a_budget_without_verdicts_is_a_dash(tmp_path: Path) -> None:
    run = read_finished(write_evaluation(tmp_path / "a", [problem("p", "?", [trial("cwce", "t")])]), "a")
    assert [accuracy_cell(point) is None for point in run.result["budgets"]] == [False, False, False, True]
    assert "–" in markdown(paper_table([run]))


def test_a_folder_is_named_by_its_last_part() -> None:
    assert [short_model(name) for name in ("/a/b/tiny", "./tiny", "Qwen/Qwen3-8B")] == ["tiny", "tiny", "Qwen/Qwen3-8B"]
