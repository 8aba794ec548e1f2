"""Which weights an evaluation means, and what a training run says about how they are to be asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rl import checkpoint
from rl.config import SamplingConfig, TrainConfig
from rl.config_file import drafted
from rl.config_schema import suggest
from rl.errors import BadInput
from rl.sources import GENERATED
from rl.tasks import seeds

SERVER = "openai:"
"""A model path `openai:URL#NAME` names a model on an OpenAI-compatible server instead of weights."""

_EDGE = 1 << 16  # bytes at both ends of a weight file that tell it from another


@dataclass(frozen=True, slots=True)
class Model:
    """`weights` is what the engine loads, `name` what people call it, `run` the training run that it came from."""

    weights: str
    name: str
    run: Path | None = None


def locate(path: str) -> Model:
    """The model that a path means: a folder with weights, a checkpoint or the newest one of a run, else a hub id.

    A server is asked for the name of its model where the path does not say it, so that results of one model are not
    taken for another's. Raises BadInput for a folder that holds none of them, and as `rl.evaluation.openai.only` does.
    """
    if path.startswith(SERVER):
        url, name = address(path)
        if not name:
            from rl.evaluation.openai import only

            name = only(url)
        return Model(f"{SERVER}{url}#{name}", name.rpartition("/")[2])
    folder = Path(path)
    if not folder.exists():
        if path.startswith((".", "/", "~")):
            near = suggest(path, [str(other) for other in folder.parent.glob("*")]) if folder.parent.exists() else ""
            raise BadInput(f"model.path {path!r}: no such folder{near}")
        return Model(path, path.rstrip("/").rpartition("/")[2])
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


def address(path: str) -> tuple[str, str]:
    """URL and model name, empty where it is not said, of `openai:URL#NAME`. Raises BadInput for what is no URL."""
    url, _, name = path.removeprefix(SERVER).partition("#")
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise BadInput(f"model.path {path!r}: no URL: write openai:http://HOST:PORT/v1, or openai:URL#NAME")
    return url.rstrip("/"), name


def fingerprint(path: str) -> str:
    """Tells a folder from others by names, sizes and both ends of its files. What is no folder is its own."""
    folder = Path(path)
    if not folder.is_dir():
        return path
    digest = hashlib.blake2b(digest_size=12)
    for file in sorted(file for file in folder.iterdir() if file.is_file()):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as content:
            digest.update(content.read(_EDGE))
            content.seek(max(0, file.stat().st_size - _EDGE))
            digest.update(content.read(_EDGE))
    return digest.hexdigest()


def longest_context(model: Model) -> int:
    """The positions that a model has, by its config.json; 0 where only a download can tell."""
    path = Path(model.weights) / "config.json"
    if not path.exists():
        return 0
    return int(json.loads(path.read_text(encoding="utf-8")).get("max_position_embeddings", 0))


def from_run(run: Path) -> dict[str, Any]:
    """What a run's own config says of an evaluation: how the model is loaded, asked and judged.

    The task is `held_out`, where the run held problems out. Only these knobs are read, so that a run of an earlier
    version with other ones can still be evaluated. Raises BadInput when one of them is missing.
    """
    path = run / "config.yaml"
    trained = drafted(TrainConfig, path).values
    try:
        return {
            "model": {"dtype": trained["model"]["dtype"]},
            "rollout": {name: trained["rollout"][name] for name in SamplingConfig.model_fields},
            "cluster": {name: trained["cluster"][name] for name in ("address", "deadline_s")},
            **({"tasks": [held_out(trained)]} if trained["data"]["held_out"] else {}),
        }
    except KeyError as error:
        raise BadInput(
            f"{path} does not say {error}: name the tasks, and `model.path={run}/checkpoints/.../hf`"
        ) from None


def held_out(trained: Mapping[str, Any]) -> dict[str, Any]:
    """The run's held-out problems, prompt and reward as a task card. Generated ones get the seed that the run gave."""
    data, reward = trained["data"], trained["reward"]
    source = dict(data["held_out"])
    if source["source"].startswith(GENERATED):
        _, seed, *_ = seeds(len(data["train"]) if isinstance(data["train"], list) else 1, trained["run"]["seed"])
        source["options"] = {"seed": seed, **source["options"]}
    return {
        "name": "held_out",
        "version": 1,
        "data": source,
        "prompt": data["template"],
        "system": data["system"],
        "reward": reward["terms"],
        "deadline_s": reward["deadline_s"],
        "about": f"the held-out problems of the run {trained['run']['name']}",
    }
