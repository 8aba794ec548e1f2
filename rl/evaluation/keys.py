"""What the results of an evaluation depend on: two with one key are the same evaluation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rl.evaluation.cards import TaskCard
from rl.evaluation.config import EvalConfig
from rl.evaluation.models import Model, fingerprint
from rollout.types import Task

NO_MATTER = {"engines", "max_in_flight", "memory_gib", "memory_fraction", "tensor_parallel"}
"""Sampling knobs that only change how fast it goes."""


def key_of(config: EvalConfig, model: Model, card: TaskCard, tasks: Sequence[Task]) -> dict[str, Any]:
    """The weights, every setting that samples and verdicts depend on, the problems and the code of the verifier."""
    return {
        "ration": metadata.version("ration"),
        "model": fingerprint(model.weights),
        "dtype": config.model.dtype,
        **config.model_dump(mode="json", include={"budgets", "samples", "limit", "seed", "strategy"}),
        "folders": {knob: fingerprint(value) for knob, value in config.strategy.items() if _is_folder(value)},
        "sampling": config.rollout.model_dump(mode="json", exclude=NO_MATTER),
        "task": card.model_dump(mode="json", exclude={"about", "deadline_s"}),
        "problems": _digest([[task.id, task.prompt, task.answer, dict(task.meta)] for task in tasks]),
        "verifier": {term.name: _source(term.name) for term in card.reward},
    }


def default_folder(config: EvalConfig, model: Model, keys: Sequence[Mapping[str, Any]]) -> Path:
    """evals/ and a name for people, with a mark of the keys."""
    tasks = "+".join(card.name for card in config.tasks[:3])
    strategy = config.strategy["type"].rpartition(":")[2]
    return Path("evals") / f"{model.name}-{tasks}-{strategy}-{_digest(keys)[:6]}"


def _is_folder(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and Path(value).is_dir()


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _source(name: str) -> str:
    """A digest of the file of a reward that is named by file or module; a built-in goes with Ration's version."""
    place, colon, _ = name.rpartition(":")
    if not colon:
        return ""
    path = Path(place) if place.endswith(".py") else Path(((spec := find_spec(place)) and spec.origin) or "")
    return hashlib.blake2b(path.read_bytes(), digest_size=12).hexdigest() if path.is_file() else ""
