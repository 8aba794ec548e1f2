"""The folder of an evaluation: whose results it holds, which problems are done, and how one more is kept."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rl.errors import BadInput, RunFailed
from rl.evaluation.records import SAMPLES, Problem, read_problems, to_line
from rl.log import replacing
from rollout.types import Task

FORKS = "forks.jsonl"
"""The problems that were also thought about anew for each budget (`check_forks`)."""

KEY = "key.json"
"""Everything that the samples depend on; results under another key are not mixed with them."""


@contextmanager
def claimed(folder: Path, key: Mapping[str, Any]) -> Iterator[None]:
    """The folder as this evaluation's own, for as long as the block lasts.

    Raises BadInput when it holds the samples of another evaluation, saying in what they differ, when its
    key cannot be read, or when another process is at work in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, plain = folder / KEY, json.loads(json.dumps(key))
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"{folder}: another evaluation is at work there") from None
        if (folder / SAMPLES).exists():
            _check_same(path, plain)
        elif any((folder / name).exists() for name in ("metrics.jsonl", "checkpoints")):
            raise BadInput(f"{folder} is the folder of a training run: name another one with out=DIR")
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        yield


def _check_same(path: Path, key: Mapping[str, Any]) -> None:
    remedy = "name another folder with out=DIR, or remove this one"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path.parent} holds samples without a {KEY} that says whose they are: {remedy}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}): {remedy}") from None
    old, new = _flat(known), _flat(key)
    differ = [name for name in old | new if (name in old, old.get(name)) != (name in new, new.get(name))]
    other = [f"{name} {old.get(name)!r} there, {new.get(name)!r} here" for name in differ]
    if other:
        raise BadInput(f"{path.parent} holds the results of another evaluation ({'; '.join(other[:4])}): {remedy}")


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    below = (_flat(one, f"{prefix}.{name}" if prefix else name) for name, one in value.items())
    return {name: one for part in below for name, one in part.items()}


def done_before(path: Path, tasks: Sequence[Task]) -> dict[str, Problem]:
    """The finished problems of a samples file by id, a line that was being written when it died removed.

    Raises BadInput for a line that is no record, and for a problem that the data now put otherwise.
    """
    if not path.exists():
        return {}
    _drop_unfinished_line(path)
    found = {problem.id: problem for problem in read_problems(path)}
    for task in tasks:
        known = found.get(task.id)
        if known and (known.prompt, known.gold) != (task.prompt, task.answer):
            raise BadInput(f"{path}: problem {task.id} was another one then; the data have changed: use out=DIR")
    return found


def _drop_unfinished_line(path: Path) -> None:
    with path.open("rb+") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def keep(path: Path, problems: Iterable[Problem]) -> None:
    """Append finished problems, on disk when this returns. Raises RunFailed when the disk takes no more."""
    with kept_so_far(path), path.open("a", encoding="utf-8") as file:
        file.writelines(map(to_line, problems))
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def kept_so_far(path: Path) -> Iterator[None]:
    """Raises RunFailed with a remedy when the disk takes no more."""
    try:
        yield
    except OSError as error:
        raise RunFailed(
            f"{path}: cannot be written ({error}); what was finished before is kept: make room and run this again"
        ) from error
