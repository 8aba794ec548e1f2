"""Algorithms: which budgets at this step, and what credit for this scored group.

An algorithm is a frozen dataclass whose fields are its knobs. A config names one of `ALGORITHMS`, or
`module:Class` for one that lives anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from pydantic import TypeAdapter, ValidationError

from rewards.types import ScoredGroup
from rl.algorithms.brpo import BRPO
from rl.algorithms.effort import Effort
from rl.algorithms.grpo import GRPO, RLOO, DrGRPO
from rl.algorithms.length import Curriculum, DifficultyLength, KimiLength, LcpoExact, LcpoMax, Overlong, ThinkPrune
from rl.config_schema import suggest
from rl.types import Credit
from rollout.types import BudgetPrior


@runtime_checkable
class Algorithm(Protocol):
    """The two questions."""

    def budgets(self, step: int, *, moves: tuple[int, ...] = (), draw: float = 0.0) -> BudgetPrior:
        """What the rollouts of a prompt are asked for at this step.

        `moves` are the steps at which a triggered schedule has moved so far, `draw` is a number in [0, 1)
        of the prompt's own, for an algorithm that draws one budget per prompt.
        """
        ...

    def credit(self, scored: ScoredGroup) -> Credit:
        """What each stretch of the group is worth against its siblings; NaN where there is no verdict."""
        ...


ALGORITHMS: dict[str, type] = {
    "grpo": GRPO,
    "dr_grpo": DrGRPO,
    "rloo": RLOO,
    "brpo": BRPO,
    "curriculum": Curriculum,
    "lcpo_exact": LcpoExact,
    "lcpo_max": LcpoMax,
    "think_prune": ThinkPrune,
    "overlong": Overlong,
    "kimi_length": KimiLength,
    "difficulty_length": DifficultyLength,
    "effort": Effort,
}


def build(value: Mapping[str, Any]) -> Algorithm:
    """The algorithm that a config section describes: `{"type": "grpo", "budget": 32}`.

    Raises ValueError with one line for an unknown type or knob (and the nearest known one), a missing
    knob, and a value that does not fit.
    """
    name = value.get("type")
    if not isinstance(name, str):
        raise ValueError(f"type: which algorithm? One of {', '.join(ALGORITHMS)}, or module:Class")
    algorithm = _class_named(name)
    knobs = {key: knob for key, knob in value.items() if key != "type"}
    known = [field.name for field in fields(algorithm) if field.init]
    for key in knobs:
        if key not in known:
            raise ValueError(f"unknown key {key!r} of {name}{_nearest(key, known)}")
    try:
        built = TypeAdapter(algorithm).validate_python(knobs)
    except ValidationError as error:
        raise ValueError(_first_line(name, error)) from None
    if not isinstance(built, Algorithm):
        raise ValueError(f"{name} is no algorithm: it needs budgets(step) and credit(scored)")
    return built


def resolve(value: Mapping[str, Any]) -> dict[str, Any]:
    """The same section with every knob explicit, in values that YAML can hold. Raises as `build` does."""
    built = build(value)
    return {"type": value["type"], **TypeAdapter(type(built)).dump_python(built, mode="json")}


def _class_named(name: str) -> Any:
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    module_name, colon, class_name = name.partition(":")
    if not colon:
        raise ValueError(f"unknown algorithm {name!r}{_nearest(name, [*ALGORITHMS, 'module:Class'])}")
    try:
        module = vars(import_module(module_name))
    except (ImportError, ValueError) as error:
        raise ValueError(f"algorithm {name!r}: {error}") from error
    found = module.get(class_name)
    if not (isinstance(found, type) and is_dataclass(found)):
        choices = [key for key, thing in module.items() if isinstance(thing, type) and is_dataclass(thing)]
        raise ValueError(
            f"algorithm {name!r}: no dataclass {class_name!r} in {module_name}{suggest(class_name, choices)}"
        )
    return found


def _nearest(name: str, choices: list[str]) -> str:
    return suggest(name, choices) or f"; known here: {', '.join(choices)}"


def _first_line(name: str, error: ValidationError) -> str:
    details = error.errors(include_url=False)[0]
    key = ".".join(map(str, details["loc"]))
    if details["type"] == "value_error":
        message = str(details.get("ctx", {}).get("error", details["msg"]))
    elif details["type"] == "missing":
        message = "missing: it has no default"
    else:
        message = f"{details['msg'].replace('Input should', 'must')}, got {details['input']!r}"
    return ": ".join(part for part in (name, key, message) if part)
