"""Which weights an evaluation means, and what a training run says about how they are to be asked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl import checkpoint
from rl.config import TrainConfig
from rl.config_file import load
from rl.config_schema import suggest
from rl.errors import BadInput

SERVER = "openai:"
"""A model path that begins with it names an OpenAI-compatible server instead of weights."""

_EDGE = 1 << 16  # bytes at both ends of a weight file that tell it from another


@dataclass(frozen=True, slots=True)
class Model:
    """`weights` is what the engine loads, `name` what people call it, `run` the training run that it came from."""

    weights: str
    name: str
    run: Path | None = None


def locate(path: str) -> Model:
    """The model that a path means: a folder with weights, a checkpoint or the newest one of a run, else a hub id.

    Raises BadInput for a folder that holds none of them.
    """
    folder = Path(path)
    if path.startswith(SERVER) or not folder.exists():
        if path.startswith((".", "/", "~")):
            near = suggest(path, [str(other) for other in folder.parent.glob("*")]) if folder.parent.exists() else ""
            raise BadInput(f"model.path {path!r}: no such folder{near}")
        return Model(path, path.removeprefix(SERVER).rstrip("/").rpartition("/")[2])
    if (folder / "config.json").exists():
        return Model(str(folder.resolve()), folder.name)
    if (folder / "hf" / "config.json").exists():
        run = folder.resolve().parents[1]
        known = (run / "config.yaml").exists()
        return Model(str((folder / "hf").resolve()), f"{run.name}-{folder.name}", run if known else None)
    if (folder / "checkpoints").exists():
        steps = checkpoint.all_of(folder)
        if steps:
            return locate(str(steps[-1]))
        raise BadInput(f"model.path {path!r}: the run has no complete checkpoint yet")
    raise BadInput(f"model.path {path!r}: neither a model (config.json), nor a run or one of its checkpoints")


def fingerprint(model: Model) -> str:
    """Tells these weights from others: names and sizes of the files, and the ends of each. A hub id is its own."""
    folder = Path(model.weights)
    if not folder.is_dir():
        return model.weights
    digest = hashlib.blake2b(digest_size=12)
    for path in sorted(folder.iterdir()):
        if path.suffix in (".safetensors", ".bin", ".json") and path.is_file():
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                digest.update(file.read(_EDGE))
                file.seek(max(0, path.stat().st_size - _EDGE))
                digest.update(file.read(_EDGE))
    return digest.hexdigest()


def longest_context(model: Model) -> int:
    """The positions that a model has, by its config.json; 0 where only a download can tell."""
    path = Path(model.weights) / "config.json"
    if not path.exists():
        return 0
    return int(json.loads(path.read_text(encoding="utf-8")).get("max_position_embeddings", 0))


def from_run(run: Path) -> dict[str, Any]:
    """What a run's own config says of an evaluation: how the model is loaded, asked and judged.

    The task is `held_out`, where the run held problems out.
    """
    trained = load(run / "config.yaml")
    return {
        "model": {"dtype": trained.model.dtype},
        "rollout": trained.rollout.model_dump(mode="json", exclude={"prompts_per_step", "group_size"}),
        "cluster": trained.cluster.model_dump(mode="json", exclude={"placement"}),
        **({"tasks": [held_out(trained)]} if trained.data.held_out else {}),
    }


def held_out(trained: TrainConfig) -> dict[str, Any]:
    """The run's held-out problems, prompt and reward as a task card. Generated ones get the seed that the run gave."""
    from rl.tasks import seeds

    assert trained.data.held_out is not None, "asked of a run that holds problems out"
    source = trained.data.held_out
    if source.source.startswith("reasoning_gym:"):
        _, seed, *_ = seeds(trained.data, trained.run.seed)
        source = source.model_copy(update={"options": {"seed": seed, **source.options}})
    return {
        "name": "held_out",
        "version": 1,
        "data": source.model_dump(mode="json"),
        "prompt": trained.data.template,
        "system": trained.data.system,
        "reward": [term.model_dump(mode="json") for term in trained.reward.terms],
        "deadline_s": trained.reward.deadline_s,
        "about": f"the held-out problems of the run {trained.run.name}",
    }
