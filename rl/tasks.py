"""Rows become tasks, and tasks become a stream whose whole state is one number."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any

import numpy as np

from rewards.types import ScoredGroup
from rl.config import DataConfig, SourceConfig
from rl.errors import DataError
from rl.sources import GENERATED, Row, count, rows
from rollout.sampler import seed_of
from rollout.types import Task

_log = logging.getLogger(__name__)


def load_data(data: DataConfig, *, seed: int) -> tuple[list[Task], list[Task]]:
    """Training and held-out tasks that share no problem.

    Generated sources get a seed of their own each. The held-out problems are taken first and do not depend on
    the training sources, so that their accuracy can be compared between runs; training leaves them out.
    Raises DataError, see `load_tasks`.
    """
    first, held_out_seed, *others = seeds(len(data.sources), seed)
    held_out = load_tasks(data.held_out, seed=held_out_seed) if data.held_out else []
    without = {task.prompt for task in held_out}
    seeded = zip(data.sources, (first, *others), strict=True)
    return joined([load_tasks(source, seed=own, without=without) for source, own in seeded]), held_out


def seeds(sources: int, seed: int) -> list[int]:
    """The seeds of so many generated sources: of the first one, of the held-out problems, of the other ones."""
    return np.random.SeedSequence(seed).generate_state(1 + sources).tolist()


def count_training(data: DataConfig) -> int | None:
    """How many training problems there are, held-out ones included; None where only a download can tell."""
    found = [count(source) for source in data.sources]
    return None if None in found else sum(number for number in found if number is not None)


def joined(sources: Sequence[Sequence[Task]]) -> list[Task]:
    """The tasks of several sources in their order, all ids different.

    A source with an id that was taken before it, such as the row of a file of the same name, has its place put
    before all of its ids: `1/train.jsonl:17` is a task of the second source.
    """
    tasks: list[Task] = []
    taken: set[str] = set()
    for place, found in enumerate(sources):
        clash = any(task.id in taken for task in found)
        tasks += [replace(task, id=f"{place}/{task.id}") for task in found] if clash else found
        taken = {task.id for task in tasks}
    return tasks


def load_tasks(source: SourceConfig, *, seed: int = 0, without: Collection[str] = ()) -> list[Task]:
    """The tasks of a source in its own order, without those whose prompt is in `without`.

    `seed` is for generated sources that name none in `options`. Raises DataError naming the row for a missing
    column, an empty prompt or answer and a repeated id, and naming the source for one that is missing or empty.
    """
    generated = source.source.startswith(GENERATED)
    every = (_task(source, row, generated) for row in rows(source, seed=seed))
    if generated:
        tasks = list(islice((task for task in every if task.prompt not in without), source.limit))
        if len(tasks) < source.limit:
            raise DataError(
                f"{source.source}: only {len(tasks)} of {source.limit} problems are not held out: widen options"
            )
    else:
        found = list(islice(every, source.limit or None))
        tasks = [task for task in found if task.prompt not in without]
        if len(tasks) < len(found):
            _log.warning("%s: %d rows are also held out; not trained on", source.source, len(found) - len(tasks))
        if not tasks:
            raise DataError(f"{source.source}: {'every row is held out' if found else 'no rows'}")
    _check_ids(tasks)
    return tasks


def _task(source: SourceConfig, row: Row, generated: bool) -> Task:
    place, columns = row
    answer = _text(place, columns, source.answer, "answer")
    if source.answer_after:
        _, mark, answer = answer.rpartition(source.answer_after)
        if not mark or not answer.strip():
            raise DataError(f"{place}: no answer after {source.answer_after!r} in column {source.answer!r}")
    return Task(
        id=_text(place, columns, source.id, "id") if source.id else place,
        prompt=_text(place, columns, source.prompt, "prompt"),
        answer=answer.strip(),
        source=source.source,
        meta={"dataset": source.source.removeprefix(GENERATED), "entry": columns} if generated else columns,
    )


def _text(place: str, columns: Mapping[str, Any], column: str, role: str) -> str:
    value = _lookup(columns, column)
    if value is _ABSENT:
        known = list(_columns(columns))
        near = get_close_matches(column, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise DataError(f"{place}: no column {column!r} for the {role}; {hint}")
    if value is None or not str(value).strip():
        raise DataError(f"{place}: the {role} in column {column!r} is empty")
    if not isinstance(value, str | int | float):
        raise DataError(f"{place}: the {role} in column {column!r} is a {type(value).__name__}, expected text")
    return str(value)


_ABSENT = object()


def _lookup(columns: Any, column: str) -> Any:
    """The value at a dotted name; a column whose own name has dots comes first."""
    if not isinstance(columns, Mapping):
        return _ABSENT
    if column in columns:
        return columns[column]
    head, _, rest = column.partition(".")
    return _lookup(columns.get(head), rest) if rest else _ABSENT


def _columns(columns: Mapping[str, Any]) -> Iterator[str]:
    for name, value in columns.items():
        yield name
        if isinstance(value, Mapping):
            yield from (f"{name}.{below}" for below in _columns(value))


def _check_ids(tasks: Sequence[Task]) -> None:
    first: dict[str, int] = {}
    for number, task in enumerate(tasks, 1):
        if first.setdefault(task.id, number) != number:
            raise DataError(f"{task.source}: id {task.id!r} of row {number} was used by row {first[task.id]}")


@dataclass(frozen=True)
class TaskStream:
    """Tasks in a seeded order without end, addressed by how many were taken before: nothing else to save."""

    tasks: Sequence[Task]
    seed: int

    @cached_property
    def by_source(self) -> Mapping[str, TaskStream]:
        """The tasks of each source as a stream of its own, in an order of its own."""
        found: dict[str, list[Task]] = {}
        for task in self.tasks:
            found.setdefault(task.source, []).append(task)
        return {name: TaskStream(tasks, seed_of(self.seed, name)) for name, tasks in found.items()}

    @property
    def sources(self) -> Sequence[str]:
        return tuple(self.by_source)

    def order(self, epoch: int) -> tuple[int, ...]:
        """The permutation of the tasks in one pass over them."""
        return _order(len(self.tasks), self.seed, epoch)

    def take(self, ordinal: int, n: int) -> list[Task]:
        """The n tasks that follow the first `ordinal` of the stream; a batch may straddle two passes."""
        places = (divmod(i, len(self.tasks)) for i in range(ordinal, ordinal + n))
        return [replace(self.tasks[self.order(epoch)[place]], epoch=epoch) for epoch, place in places]

    def observe(self, scored: Sequence[ScoredGroup]) -> None:
        """The order is the same whatever comes of it."""

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Its place is the ordinal that it is asked for."""


@lru_cache(maxsize=4)
def _order(n: int, seed: int, epoch: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng([seed, epoch]).permutation(n).tolist())
