"""From YAML files and dotted overrides to a frozen config, and back.

A file may start from another one: `base: other.yaml` is read first and this file is merged over it, section
by section. Lists are replaced, and a section whose `type` changes drops the keys of the old variant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from rl.config import TrainConfig
from rl.config_schema import COMMAND_LINE, Keys, annotation_at, explain, suggest
from rl.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)

_EXPONENT = re.compile(r"^[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d+)[eE][-+]?\d+$")
_OVERRIDE = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)=(.*)", re.DOTALL)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes `1e-5` for text; a learning rate is a number."""


class _Dumper(yaml.SafeDumper):
    """Quotes the text `1e-5`, which `_Loader` would take for a number, and writes paragraphs as paragraphs."""


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    paragraphs = text.replace("\n", "")
    style = '"' if not paragraphs.isprintable() else "|" if paragraphs != text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _write_text)
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789."))


@dataclass(frozen=True)
class Draft:
    """What was written, and where each key was written last."""

    values: dict[str, Any]
    places: dict[Keys, str] = field(default_factory=dict[Keys, str])


def load(path: str | Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """The training run that a file describes, with `key=value` overrides applied in order.

    Raises ConfigError with one line for each thing that is wrong: file, line, dotted key, what, remedy.
    """
    return load_as(TrainConfig, path, overrides)


def load_as(schema: type[Model], path: str | Path, overrides: Sequence[str] = ()) -> Model:
    """`load` for any schema."""
    return completed(schema, drafted(schema, path, overrides), {}, str(path))


def drafted(schema: type[BaseModel], path: str | Path | None, overrides: Sequence[str] = ()) -> Draft:
    """What a file (None: nothing) and the overrides say, before anything is known of what they leave out."""
    return _override(schema, _read(Path(path), ()) if path else Draft({}), overrides)


def completed(schema: type[Model], draft: Draft, below: Mapping[str, Any], place: str) -> Model:
    """A draft as a config, over the values of `below`. Raises ConfigError as `load` does."""
    try:
        return schema.model_validate(_merged(dict(below), draft.values))
    except ValidationError as error:
        raise ConfigError("\n".join(explain(schema, error, draft.places, place))) from None


def dump(config: BaseModel) -> str:
    """YAML in which every knob is explicit; `load` reads it back to an equal config."""
    return yaml.dump(config.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _read(path: Path, including: tuple[Path, ...]) -> Draft:
    if path.resolve() in (known.resolve() for known in including):
        raise ConfigError(f"{path}: base: the files include each other: {' -> '.join(map(str, (*including, path)))}")
    values, places = _parse(path, _text(path, including))
    base = values.pop("base", None)
    if base is None:
        return Draft(values, places)
    if not isinstance(base, str):
        raise ConfigError(f"{places['base',]}: base: expected the name of one file, got {base!r}")
    below = _read(path.parent / base, (*including, path))
    return Draft(_merged(below.values, values), {**below.places, **places})


def _text(path: Path, including: tuple[Path, ...]) -> str:
    place = f"{including[-1]}: base: " if including else ""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        hint = suggest(str(path), list(map(str, path.parent.glob("*.y*ml"))))
        raise ConfigError(f"{place}{path}: no such file{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place}{path}: cannot be read: {error}") from None


def _parse(path: Path, text: str) -> tuple[dict[str, Any], dict[Keys, str]]:
    places: dict[Keys, str] = {}
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        values = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected sections such as `run:` and `model:`, found {_kind(values)}")
    _note_places(path, node, (), places)
    return values, places


def _kind(value: Any) -> str:
    return "nothing" if value is None else "a list" if isinstance(value, list) else f"the value {value!r}"


def _note_places(path: Path, node: yaml.Node | None, keys: Keys, places: dict[Keys, str]) -> None:
    """Record the line of every key; raises ConfigError for a key that is written twice."""
    if isinstance(node, yaml.SequenceNode):
        children = [((*keys, str(i)), child, child) for i, child in enumerate(node.value)]
    elif isinstance(node, yaml.MappingNode):
        children = [((*keys, str(name.value)), name, child) for name, child in node.value]
    else:
        return
    seen: dict[Keys, str] = {}
    for below, start, child in children:
        place = f"{path}:{start.start_mark.line + 1}"
        if below in seen:
            raise ConfigError(f"{place}: {'.'.join(below)}: written twice, first at {seen[below]}; keep one")
        seen[below] = places[below] = place
        _note_places(path, child, below, places)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    if "type" in above and above["type"] != below.get("type"):
        return above
    shared = {key: _merged(below[key], above[key]) for key in above if _both_sections(below.get(key), above[key])}
    return {**below, **above, **shared}


def _both_sections(below: Any, above: Any) -> bool:
    return isinstance(below, dict) and isinstance(above, dict)


def _override(schema: type[BaseModel], draft: Draft, overrides: Sequence[str]) -> Draft:
    pairs = [_pair(override) for override in overrides]
    values, places = draft.values, dict(draft.places)
    for keys, text in sorted(pairs, key=lambda pair: pair[0][-1] != "type"):  # the variant first, then its keys
        value = text if annotation_at(schema, keys) is str else _value(keys, text)
        values = _assigned(values, keys, value, ".".join(keys))
        places[keys] = COMMAND_LINE
    return Draft(values, places)


def _pair(override: str) -> tuple[Keys, str]:
    match = _OVERRIDE.fullmatch(override)
    if match is None:
        raise ConfigError(f"{COMMAND_LINE}: {override!r}: expected key=value, such as learner.lr=1e-5")
    return tuple(match[1].split(".")), match[2]


def _value(keys: Keys, text: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError):
        raise ConfigError(f"{COMMAND_LINE}: {'.'.join(keys)}: {text!r} is not a YAML value") from None


def _assigned(node: Any, keys: Keys, value: Any, dotted: str) -> Any:
    """`node` with the value put at the keys; sections on the way are made where they are missing."""
    if not keys:
        return value
    head, rest = keys[0], keys[1:]
    if isinstance(node, list):
        if not head.isdigit() or int(head) > len(node):
            raise ConfigError(f"{COMMAND_LINE}: {dotted}: {head!r} is no entry of a list of {len(node)}; count from 0")
        items = [*node, None]
        items[int(head)] = _assigned(items[int(head)], rest, value, dotted)
        return items if int(head) == len(node) else items[:-1]
    if keys == ("type",) and not isinstance(node, dict):
        return {"type": value}  # a variant in the place of a plain value: budget=32, then budget.type=linear
    if not isinstance(node, dict | None):
        raise ConfigError(f"{COMMAND_LINE}: {dotted}: {head!r} goes into a section, but there is the value {node!r}")
    section = node or {}
    if head == "type" and not rest and section.get("type") != value:
        section = {}
    return {**section, head: _assigned(section.get(head), rest, value, dotted)}
