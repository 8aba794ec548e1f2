"""From a card to its problems: rows are loaded as in training, then shaped as the card says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Any, TypeAlias, cast

from rl.config_schema import suggest
from rl.errors import DataError
from rl.evaluation.cards import Options, TaskCard
from rl.sources import GENERATED
from rl.tasks import load_tasks
from rollout.sampler import seed_of
from rollout.types import Task

Columns: TypeAlias = Mapping[str, Any]

_BRACES = re.compile(r"\{([^{}]+)\}")


def tasks_of(card: TaskCard, *, limit: int = 0, seed: int = 0) -> list[Task]:
    """The problems of a card, in the order of its data.

    `limit` takes the first so many of them (0: all), `seed` is for generated problems.
    Raises DataError naming the row for an unknown column and a gold answer that is no option, and naming the source
    for one that is missing or empty.
    """
    loaded = [task for task in _loaded(card, seed) if not _left_out(card, task)]
    if not loaded:
        raise DataError(f"{card.data.source}: every row is left out by without: {card.without}")
    tasks = [_shaped(card, task) for task in loaded]
    for task in tasks:
        level_of(card, task)  # an unknown column is found before anything is sampled
    return tasks[: limit or None]


def level_of(card: TaskCard, task: Task) -> str:
    """The stratum of a problem; empty where the card has none, or the row leaves it out."""
    value = _value(card, task, card.level, "level") if card.level else None
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value).strip()


def _loaded(card: TaskCard, seed: int) -> list[Task]:
    if card.data.answer:
        return load_tasks(card.data, seed=seed)
    anything = card.data.model_copy(update={"answer": card.data.prompt, "answer_after": ""})
    return [replace(task, answer="") for task in load_tasks(anything, seed=seed)]


def _left_out(card: TaskCard, task: Task) -> bool:
    return any(str(_value(card, task, column, "without")) == value for column, value in card.without.items())


def _shaped(card: TaskCard, task: Task) -> Task:
    meta = {name: _value(card, task, column, f"meta.{name}") for name, column in card.meta.items()}
    shaped = replace(task, meta={**task.meta, **meta}, prompt=_problem(card, task))
    return _with_options(card, card.options, shaped) if card.options else shaped


def _problem(card: TaskCard, task: Task) -> str:
    if not card.problem:
        return task.prompt
    return _BRACES.sub(lambda match: _text(_value(card, task, match[1], "problem")), card.problem).strip()


def _text(value: Any) -> str:
    """A column inside a problem: nothing for null, a line for each entry of a list."""
    entries = cast(list[Any], value) if isinstance(value, list) else [value]
    return "\n".join("" if entry is None else str(entry) for entry in entries)


def _with_options(card: TaskCard, asked: Options, task: Task) -> Task:
    texts = _options(card, asked, task)
    right = {"letter": _letter_place, "text": _text_place}[asked.gold](task, texts)
    # Neither the data's own order nor the id, which is another one in a local file, moves an option.
    order = sorted(range(len(texts)), key=lambda i: seed_of(task.prompt, texts[i]) if asked.shuffle else i)
    shown = [texts[i] for i in order]
    lines = [f"{letter}. {text}" for letter, text in zip(ascii_uppercase, shown, strict=False)]
    return replace(
        task,
        prompt="\n".join([task.prompt, "", *lines]),
        answer=ascii_uppercase[order.index(right)],
        meta={**task.meta, "options": shown},
    )


def _options(card: TaskCard, asked: Options, task: Task) -> list[str]:
    """The options of a row in its own order; some data sets fill up the last ones with nothing."""
    values = [_value(card, task, column, "options") for column in asked.columns]
    listed = cast(list[Any], values[0]) if len(values) == 1 and isinstance(values[0], list) else values
    texts = [_text(option).strip() for option in listed]
    while texts and not texts[-1]:
        texts.pop()
    if not 2 <= len(texts) <= len(ascii_uppercase) or "" in texts:
        what = "an empty option" if "" in texts else f"{len(texts)} options, expected 2 to 26"
        raise DataError(f"task {card.name}: {task.id} has {what}, in {', '.join(asked.columns)}")
    return texts


def _letter_place(task: Task, texts: Sequence[str]) -> int:
    letters = ascii_uppercase[: len(texts)]
    if len(task.answer) != 1 or task.answer.upper() not in letters:
        raise DataError(f"{task.id}: the answer {task.answer[:80]!r} is no letter from A to {letters[-1]}")
    return letters.index(task.answer.upper())


def _text_place(task: Task, texts: Sequence[str]) -> int:
    if task.answer not in texts:
        raise DataError(f"{task.id}: the answer {task.answer[:80]!r} is none of its options")
    return texts.index(task.answer)


def _value(card: TaskCard, task: Task, column: str, role: str) -> Any:
    """What a row has in a column, dotted into nested records."""
    columns: Columns = task.meta["entry"] if card.data.source.startswith(GENERATED) else task.meta
    found: Any = columns
    for key in [column] if column in columns else column.split("."):
        if not isinstance(found, Mapping) or key not in found:
            hint = suggest(column, list(columns)) or f"; there are {', '.join(columns)}"
            raise DataError(f"task {card.name}: {role}: {task.id} has no column {column!r}{hint}")
        found = cast(Columns, found)[key]
    return found
