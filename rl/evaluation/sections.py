"""The numbers of evaluations as HTML: in short, outcomes, tables, paired differences (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rl.evaluation.browser_data import LETTERS
from rl.evaluation.comparison import compare
from rl.evaluation.finished import Finished
from rl.evaluation.outcomes import Outcome, at_budget, shares
from rl.evaluation.table import (
    Cell,
    Number,
    Table,
    accuracy_cell,
    anytime_cell,
    comma_separated,
    latex,
    markdown,
    numeric,
    paper_table,
    percentage,
)
from rl.report import text
from rl.wording import count, percent


def html_cell(cell: Cell) -> str:
    """A table cell: numbers to the right, half an interval after its value."""
    if isinstance(cell, Number):
        error = f' <span class="half">± {cell.error}</span>' if cell.error else ""
        return f'<td class="number">{cell}{error}</td>'
    return '<td class="number">–</td>' if cell is None else f"<td>{text(cell)}</td>"


def html_table(shown: Table) -> str:
    """A table on the page."""
    styles = (' class="number"' if number else "" for number in numeric(shown))
    titles = "".join(
        f'<th scope="col"{style}>{text(title)}</th>' for style, title in zip(styles, shown.titles, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(html_cell, row))}</tr>" for row in shown.rows)
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def known_percent(share: float | None) -> str:
    """A share as a percentage, or a dash where there is none."""
    return "–" if share is None else percent(share)


def with_error(cell: Number | None) -> str:
    """`78.1 % ± 2.0`, or a dash."""
    return "–" if cell is None else f"{cell} %{f' ± {cell.error}' if cell.error else ''}"


def headline_lines(run: Finished) -> dict[str, str]:
    """An evaluation in a few lines."""
    result, last = run.result, run.result["budgets"][-1]
    enough, dollars = result["smallest_within_1_point"], last["dollars"]
    grid = f"{result['n_problems']:,} × {result['samples']:,} × {len(run.budgets)}"
    return {
        "Accuracy at the largest budget": with_error(accuracy_cell(last)),
        "Anytime accuracy, mean over the budgets": with_error(anytime_cell(result)),
        "Smallest budget within 1 point of the best": "–" if enough is None else f"{enough:,} tokens",
        "Tokens per answer at the largest budget": count(last["spent_tokens"]),
        **({"Price of such an answer": f"${dollars:.6f}"} if dollars is not None else {}),
        "Right early, wrong late": known_percent(result["overthinking"]),
        "Wrong early, right late": known_percent(result["underthinking"]),
        "Model": str(result["model"]),
        "Data": str(result["data"]),
        "Strategy": str(result["strategy"]),
        "Problems × samples × budgets": grid,
    }


def headline(runs: Sequence[Finished]) -> str:
    """One column per run, one line per number."""
    told = [headline_lines(run) for run in runs]
    names = "".join(f'<th scope="col">{text(run.label)}</th>' for run in runs)
    top = f"<thead><tr><td></td>{names}</tr></thead>" if len(runs) > 1 else ""
    lines: list[str] = []
    for i, name in enumerate(dict.fromkeys(name for lines in told for name in lines)):
        style = ' class="big"' if i < 2 else ""
        cells = "".join(f"<td{style}>{text(one.get(name, '–'))}</td>" for one in told)
        lines.append(f'<tr><th scope="row">{text(name)}</th>{cells}</tr>')
    return f'<div class="card scroll"><table>{top}<tbody>{"".join(lines)}</tbody></table></div>'


def outcome_bar(budget: int, found: Mapping[Outcome, float]) -> str:
    """The shares of what became of the answers at a budget."""
    bar = "".join(
        f'<i class="fill-{LETTERS[kind]}" style="width:{100 * share:.3f}%"></i>' for kind, share in found.items()
    )
    told = ", ".join(f"{kind} {percent(share)}" for kind, share in found.items() if share)
    return (
        f'<span class="budget">{budget:,}</span><span class="bar" role="img" aria-label="{text(told)}" '
        f'title="{text(told)}">{bar}</span><span>{percent(found[Outcome.CORRECT])}</span>'
    )


def outcomes(runs: Sequence[Finished]) -> str:
    """What became of the answers at every budget, as bars, and what their colours mean."""
    lines: list[str] = []
    for run in runs:
        lines.append(f"<h3>{text(run.label)}</h3>" if len(runs) > 1 else "")
        lines += [outcome_bar(budget, shares(at_budget(run.problems, budget))) for budget in run.budgets]
    keys = "".join(f'<span class="key"><i class="fill-{letter}"></i>{kind}</span>' for kind, letter in LETTERS.items())
    note = (
        "Cut: the answer used up its allowance and is not right. Excluded: the judge timed out or failed; accuracy is "
        "of the others, the percentages here are of all answers."
    )
    bars = f'<div class="outcomes">{"".join(lines)}</div>'
    return f'<div class="card">{bars}<p class="legend">{keys}</p><p class="note">{note}</p></div>'


def point_row(point: Mapping[str, Any], best: str) -> tuple[Cell, ...]:
    """One budget in numbers, in the order of `POINT_TITLES`."""
    return (
        Number(point["budget"], digits=0),
        accuracy_cell(point),
        percentage(point["pass_at_k"][best]),
        percentage(point["majority"]),
        Number(point["thinking_tokens"], digits=0),
        Number(point["answer_tokens"], digits=0),
        Number(point["spent_tokens"], digits=0),
        percentage(point["forced_rate"]),
        percentage(point["truncated_rate"]),
        percentage(point["unparsable_rate"]),
        Number(point["excluded"], digits=0),
    )


POINT_TITLES = (
    *("Budget", "Accuracy %", "Pass@{k} %", "Majority %", "Thought", "Answer", "Spent"),
    *("Forced %", "Cut %", "Unread %", "Excl."),
)


def points(runs: Sequence[Finished]) -> str:
    """Every budget of every run in numbers."""
    cards: list[str] = []
    for run in runs:
        best = max(run.result["budgets"][0]["pass_at_k"], key=int)
        rows = tuple(point_row(point, best) for point in run.result["budgets"])
        head = f"<h3>{text(run.label)}</h3>" if len(runs) > 1 else ""
        shown = html_table(Table(tuple(title.format(k=best) for title in POINT_TITLES), rows))
        cards.append(f'<div class="card spaced">{head}{shown}</div>')
    return "".join(cards)


def paper(runs: Sequence[Finished]) -> str:
    """The table to paste into a paper, with buttons that copy it."""
    shown = paper_table(runs)
    formats = {"Markdown": markdown(shown), "LaTeX": latex(shown), "CSV": comma_separated(shown)}
    buttons = "".join(f'<button type="button" data-copy="table-{name}">Copy {name}</button>' for name in formats)
    blocks = "".join(
        f'<details><summary>{name}</summary><pre class="text" id="table-{name}">{text(written)}</pre></details>'
        for name, written in formats.items()
    )
    return f'<div class="card paper">{html_table(shown)}<div class="copies">{buttons}</div>{blocks}</div>'


def gain(point: Mapping[str, Any]) -> str:
    """A difference in points of accuracy with its interval; a star where the interval leaves out zero."""
    if point["difference"] is None:
        return "–"
    low, high = 100 * point["ci_low"], 100 * point["ci_high"]
    star = " *" if low > 0 or high < 0 else ""
    return f"{100 * point['difference']:+.1f} [{low:+.1f}, {high:+.1f}]{star}"


def paired(runs: Sequence[Finished]) -> str:
    """What each run is ahead of the first by, problem against problem; nothing for a single run."""
    base, *others = runs
    cards: list[str] = []
    for run in others:
        title = f"<h3>{text(run.label)} less {text(base.label)}</h3>"
        try:
            found = compare(run.problems, base.problems)
        except ValueError as error:
            cards.append(f'<div class="card spaced">{title}<p class="note">{text(error)}</p></div>')
            continue
        rows = [(f"{point['budget']:,}", gain(point)) for point in found["budgets"]]
        shown = html_table(Table(("Budget", "Points of accuracy"), (*rows, ("all, mean", gain(found["anytime"])))))
        alone = f", {found['only_a']:,} and {found['only_b']:,} left out" * bool(found["only_a"] or found["only_b"])
        note = f"Over {found['n_problems']:,} common problems{alone}; in brackets 95 %; * leaves out zero."
        cards.append(f'<div class="card spaced">{title}{shown}<p class="note">{note}</p></div>')
    return f"<h2>Differences, paired by problem</h2>{''.join(cards)}" if cards else ""
