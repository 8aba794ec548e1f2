"""What an evaluation asks: a card names data, prompt and verifier of a task, and a version of the three.

The cards that come with Ration are the files of the folder `tasks` beside this one; docs/eval-tasks.md lists them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field, ValidationError, field_validator

from rl.config import TermConfig
from rl.config_data import Section, SourceConfig
from rl.config_file import load_as
from rl.config_schema import explain, suggest
from rl.errors import BadInput, ConfigError
from rl.evaluation.recipes import recipe_of
from rl.sources import GENERATED

_FOLDER = Path(__file__).parent / "tasks"
_DATA_FILES = (".json", ".jsonl", ".parquet")
_NO_GOLD = ("boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour")
"""Data sets of reasoning_gym whose scorers take any valid answer: their entries have none."""


class Options(Section):
    """Multiple choice: the options are listed under the problem, and the gold answer becomes a letter."""

    columns: tuple[str, ...] = Field(min_length=1, description="one that holds a list, or one for each option")
    gold: Literal["letter", "text"] = Field(description="whether data.answer holds the letter or the option itself")
    shuffle: bool = Field(default=False, description="into an order that depends on problem and options alone")


class TaskCard(Section):
    """A task to evaluate on. `rl.evaluation.card_tasks` makes problems of it.

    `version` counts the changes after which numbers cannot be compared. With an empty `data.answer` a problem has no
    gold answer: the verifier then judges by other columns, such as tests.
    """

    name: str = Field(pattern=r"^\w[\w.-]*$", description="letters, digits, `_`, `.` and `-`")
    version: int = Field(ge=1)
    data: SourceConfig
    problem: str = Field(default="", description="what {prompt} stands for, columns in braces; empty: data.prompt")
    options: Options | None = None
    meta: dict[str, str] = Field(
        default_factory=dict[str, str], description="what the verifier reads, and the column that holds it"
    )
    without: dict[str, str] = Field(
        default_factory=dict[str, str], description="column and value of the rows to leave out"
    )
    prompt: str = Field(description="a recipe of `rl.evaluation.recipes`, or a template with {prompt} in it")
    system: str = Field(default="", description="the system's message; empty: the recipe's")
    reward: Annotated[tuple[TermConfig, ...], Field(min_length=1)] = Field(description="the verifier")
    deadline_s: float = Field(default=10.0, gt=0, description="of the verifier, for one answer")
    level: str = Field(default="", description="column of the stratum, such as the difficulty; empty: none")
    about: str = Field(default="", description="how many problems, whose, and their licence")

    @field_validator("reward", mode="before")
    @classmethod
    def _one_by_name(cls, value: Any) -> Any:
        return ({"name": value},) if isinstance(value, str) else value

    @field_validator("prompt")
    @classmethod
    def _known_recipe(cls, value: str) -> str:
        recipe_of(value)
        return value


def card(spec: str | Mapping[str, Any]) -> TaskCard:
    """The card that a name stands for, or a mapping, as it is read from YAML.

    A name is that of a built-in card, of a card's file (`.yaml`), `reasoning_gym:NAME`, or that of a data file with
    the columns `prompt` and `answer`. A mapping with a `version` and no `base` is a whole card. Any other has changes
    to the card that its `base`, else its `name`, names: `{name: gsm8k, data: {source: test.jsonl}}`. A new source
    drops the old one's `data.options`, and keeps its columns.
    Raises BadInput with the nearest valid choice for an unknown name, file, key or value.
    """
    if isinstance(spec, str):
        return _named(spec)
    changes = dict(spec)
    base = changes.pop("base", None)
    if base is None and "version" in changes:
        return _validated(changes, "task")
    if base is None:
        base = changes.pop("name", None)
    if not isinstance(base, str):
        raise BadInput(f"task: say with `name` which task is meant, not {base!r}")
    return _changed(_named(base), changes)


def names() -> list[str]:
    """The names of the built-in cards."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def all_cards() -> tuple[TaskCard, ...]:
    """The built-in cards, by name."""
    return tuple(map(_named, names()))


def of_file(path: str, *, prompt: str = "prompt", answer: str = "answer", reward: str = "math") -> TaskCard:
    """A card of a local .json, .jsonl or .parquet file, with the columns of problem and gold answer."""
    return TaskCard(
        name=re.sub(r"^\W+|[^\w.-]", "_", Path(path).stem),
        version=1,
        data=SourceConfig(source=path, prompt=prompt, answer=answer),
        prompt="boxed",
        reward=(TermConfig(name=reward),),
        about=f"the rows of {path}",
    )


def of_gym(dataset: str, *, limit: int = 256) -> TaskCard:
    """A card of a data set of reasoning_gym, of which `limit` problems are generated, judged by its own scorer."""
    answer = "" if dataset in _NO_GOLD else "answer"
    return TaskCard(
        name=dataset,
        version=1,
        data=SourceConfig(source=GENERATED + dataset, prompt="question", answer=answer, limit=limit),
        prompt="answer_tags",
        reward=(TermConfig(name="reasoning_gym"),),
        about=f"{limit} generated problems of reasoning_gym's {dataset}, Apache-2.0",
    )


def _named(name: str) -> TaskCard:
    suffix = Path(name).suffix
    if name in names():
        return load_as(TaskCard, _FOLDER / f"{name}.yaml")
    if name.startswith(GENERATED):
        return of_gym(name.removeprefix(GENERATED))
    if suffix in (".yaml", ".yml"):
        return load_as(TaskCard, name)
    if suffix in _DATA_FILES:
        return of_file(name)
    hint = suggest(name, names()) or f"; there are {', '.join(names())}"
    raise BadInput(f"no task is named {name!r}{hint}; or {GENERATED}NAME, a card's .yaml, a data file")


def _changed(old: TaskCard, changes: Mapping[str, Any]) -> TaskCard:
    before = old.model_dump()
    new = {key: _section(changes.get(key)) for key in ("data", "options")}
    if new["data"].get("source", old.data.source) != old.data.source:
        before["data"]["options"] = {}  # how the old source was loaded
    merged = {key: {**before[key], **section} for key, section in new.items() if section and before[key]}
    return _validated({**before, **changes, **merged}, f"task {old.name}")


def _section(value: Any) -> Mapping[str, Any]:
    """A section of keys, empty where something else was written: the schema complains of that."""
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _validated(values: Mapping[str, Any], place: str) -> TaskCard:
    try:
        return TaskCard.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(TaskCard, error, {}, place))) from None
