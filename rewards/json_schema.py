"""JSON answers: valid under a schema, and equal to the gold value. The home of jsonschema."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from jsonschema_specifications import REGISTRY  # pyright: ignore[reportMissingTypeStubs]
from referencing.exceptions import Unresolvable

from rewards.extract import marked, unclosed
from rewards.json_text import fenced, read_json
from rewards.types import RewardResult, Status, bad_task
from rollout.types import Answer, Task


def json_schema(
    task: Task, answer: Answer, *, schema: str = "", match: Literal["schema", "equal"] = "equal"
) -> RewardResult:
    """1 if the answer's JSON is valid under the schema and equal to the gold answer, else 0.

    The JSON is the whole text, else what stands in its mark (`<answer>…</answer>`, `\\boxed{…}`), else in the
    last ```` ```json ```` fence. The schema is `task.meta["schema"]`, as an object or as its text, else the file
    `schema`; its own `$schema` names the draft, 2020-12 if unsaid, `format` is not checked and no remote `$ref`
    is ever fetched. With `match: equal` a gold answer that is not empty must be equal as well (1 is 1.0, and
    is not true); with `match: schema` it is not looked at. A text without JSON is unparsable. A schema or gold
    answer that cannot be used, or neither of them, is an error of the data. Raises ValueError when the file
    cannot be read or holds no schema.
    """
    default = _from_file(schema) if schema else None
    try:
        checks = _checks(task, default, match)
    except ValueError as error:
        return _at_fault(task, error)
    try:
        found = _found(answer.text)
    except ValueError:
        return RewardResult(Status.UNPARSABLE, 0.0, detail="no JSON in the text")
    try:
        faults = [fault for check in checks if (fault := _first_fault(check, found))]
    except Unresolvable as error:
        return _at_fault(task, error)
    return RewardResult(Status.WRONG, 0.0, detail=faults[0]) if faults else RewardResult(Status.OK, 1.0)


def _checks(task: Task, default: Validator | None, match: Literal["schema", "equal"]) -> list[Validator]:
    own = task.meta.get("schema")
    valid = default if own is None else _validator(own if isinstance(own, str) else json.dumps(own))
    checks = [] if valid is None else [valid]
    if match == "equal" and task.answer.strip():
        checks.append(Draft202012Validator({"const": _gold(task.answer)}))  # whose equality is JSON's, not Python's
    if not checks:
        raise ValueError("neither a schema nor a gold answer")
    return checks


def _gold(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError as error:
        raise ValueError(f"the gold {text[:80]!r} is not JSON") from error


@lru_cache(maxsize=256)
def _validator(text: str) -> Validator:
    try:
        schema = read_json(text)
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema)
    except (ValueError, SchemaError) as error:
        raise ValueError(f"{text[:80]!r} is not a JSON schema: {str(error).partition(chr(10))[0]}") from error
    return kind(schema, registry=REGISTRY)  # the drafts' own schemas, and no retrieval of others


@lru_cache(maxsize=16)
def _from_file(path: str) -> Validator:
    try:
        return _validator(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the schema file {path!r} cannot be read: {error.strerror}") from error


def _found(text: str) -> Any:
    """The JSON of a text that is nothing else; else of a fence without a mark outside of it; else of the last mark."""
    with suppress(ValueError):
        return read_json(text)
    inside = fenced(text)
    if inside is not None:
        outside = text.replace(inside, "")
        if marked(outside) is None and not unclosed(outside):  # marks inside are characters of the JSON
            return read_json(inside)
    if unclosed(text):
        raise ValueError("the text was cut before its answer ended")
    inner = marked(text)
    final = text if inner is None else inner
    with suppress(ValueError):
        return read_json(final)
    return read_json(fenced(final) or "")


def _first_fault(check: Validator, found: Any) -> str:
    try:
        fault = next(check.iter_errors(found), None)
    except RecursionError:
        return "nested too deeply for the schema"
    return f"{fault.json_path}: {fault.message}"[:200] if fault else ""


def _at_fault(task: Task, error: Exception) -> RewardResult:
    return bad_task(task, f"{' '.join(str(error).split())[:200]}")
