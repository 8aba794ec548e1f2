"""What a schema knows about its keys: the annotation of each, and errors in words that name the nearest key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import NoneType
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Keys: TypeAlias = tuple[str, ...]
"""A dotted key, split; entries of lists are numbers."""

COMMAND_LINE = "command line"
"""The place of an override."""

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "dict": "a section of keys",
    "model": "a section of keys",
    "path": "a path",
}


def suggest(name: str, choices: Sequence[str]) -> str:
    """`; did you mean …?` for the nearest choice, or nothing."""
    near = get_close_matches(name, choices, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The schema inside an annotation such as `Section`, `Section | None` or `tuple[Section, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [section_of(part) for part in get_args(annotation) if part is not NoneType]
    return next((section for section in found if section), None)


def annotation_at(schema: type[BaseModel], keys: Keys) -> Any:
    """The type of the knob at the keys, None where there is no such knob."""
    annotation: Any = schema
    for key in keys:
        section = section_of(annotation)
        if section is None or key.isdigit():
            continue
        if key not in section.model_fields:
            return None
        annotation = section.model_fields[key].annotation
    return annotation


def knobs(schema: type[BaseModel], prefix: Keys = ()) -> Iterator[Keys]:
    """Every knob that is not itself a section."""
    for name, info in schema.model_fields.items():
        section = section_of(info.annotation)
        if section is None:
            yield (*prefix, name)
        else:
            yield from knobs(section, (*prefix, name, *("0" * _is_list(info.annotation))))


def explain(schema: type[BaseModel], error: ValidationError, places: Mapping[Keys, str], file: str) -> Iterator[str]:
    """One line for each error: where it was written, the dotted key, what is wrong, and the nearest remedy."""
    found = [(tuple(map(str, details["loc"])), details) for details in error.errors(include_url=False)]
    for keys, details in found:
        if any(len(other) > len(keys) and other[: len(keys)] == keys for other, _ in found):
            continue  # what is wrong below is why this is wrong
        message = _message(schema, keys, details).replace("\n", " ")
        yield ": ".join(part for part in (_place(keys, places, file), ".".join(keys), message) if part)


def _place(keys: Keys, places: Mapping[Keys, str], file: str) -> str:
    """Where the key was written, or the section around it; and the command line where that changed something below."""
    known = next((keys[:n] for n in range(len(keys), 0, -1) if keys[:n] in places), ())
    place = places.get(known, file)
    overridden = any(below[: len(keys)] == keys and places[below] == COMMAND_LINE for below in places)
    return f"{place} and {COMMAND_LINE}" if overridden and place != COMMAND_LINE else place


def _message(schema: type[BaseModel], keys: Keys, details: ErrorDetails) -> str:
    kind, got = details["type"], details["input"]
    if kind == "extra_forbidden":
        return f"unknown key{_nearest(schema, keys)}"
    if kind == "missing":
        return f"missing: it has no default{_meaning(schema, keys)}"
    if kind == "value_error":
        return str(details.get("ctx", {}).get("error", details["msg"]))
    if kind == "literal_error":
        choices = [str(choice) for choice in get_args(annotation_at(schema, keys)) or ()]
        return f"expected {' or '.join(choices)}, got {got!r}{suggest(str(got), choices)}"
    if kind == "string_pattern_mismatch":
        return f"{got!r} is not allowed{_meaning(schema, keys)}"
    expected = _EXPECTED.get(kind.split("_")[0])
    if expected is not None and kind.endswith(("_type", "_parsing", "_from_float", "_parsing_size")):
        return f"expected {expected}, got {got!r}"
    return f"{details['msg'].replace('Input should', 'must')}, got {got!r}{_meaning(schema, keys)}"


def _nearest(schema: type[BaseModel], keys: Keys) -> str:
    section = section_of(annotation_at(schema, keys[:-1]))
    siblings = list(section.model_fields) if section else []
    near = suggest(keys[-1], siblings)
    if near:
        return near.replace("mean ", "mean " + "".join(f"{key}." for key in keys[:-1]))
    elsewhere = sorted((knob for knob in knobs(schema) if knob[-1] == keys[-1]), key=len)
    return f"; did you mean {'.'.join(elsewhere[0])}?" if elsewhere else f"; known here: {', '.join(siblings)}"


def _meaning(schema: type[BaseModel], keys: Keys) -> str:
    section = section_of(annotation_at(schema, keys[:-1]))
    description = section.model_fields[keys[-1]].description if section and keys[-1] in section.model_fields else None
    return f" ({description})" if description else ""


def _is_list(annotation: Any) -> bool:
    return Ellipsis in get_args(annotation)
