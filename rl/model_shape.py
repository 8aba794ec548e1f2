"""The sizes of a policy, read from its config.json without loading anything."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.errors import BadInput

_QKV_BIAS = {"qwen2"}
_QK_NORM = {"qwen3"}
_KNOWN = {"llama", "mistral", "qwen2", "qwen3"}


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a decoder of the Llama family; `biases` and `qk_norm` are those of its attention."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    tied: bool
    biases: bool = False
    qk_norm: bool = False

    @property
    def parameters(self) -> int:
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        attention = (
            2 * self.hidden * (queries + keys) + self.biases * (queries + 2 * keys) + self.qk_norm * 2 * self.head
        )
        layer = attention + 3 * self.hidden * self.intermediate + 2 * self.hidden
        return self.layers * layer + self.hidden + self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def cached_values(self) -> int:
        """Numbers that the KV cache holds for one token."""
        return 2 * self.layers * self.kv_heads * self.head


def tiny(*, tied: bool) -> ModelShape:
    """The quickstart's own model, `path: tiny`, which `rl.tiny` builds."""
    return ModelShape(4, 128, 384, 4, 2, 32, 103, tied, biases=True)


def describe(path: str, *, tied: bool = True) -> ModelShape | int | None:
    """The shape of a model, or only its number of parameters as its name tells it, or None.

    Looks for config.json in the folder and in the local Hugging Face cache; `tied` concerns `tiny` alone.
    Raises BadInput when that file is damaged.
    """
    if path == "tiny":
        return tiny(tied=tied)
    for file in _config_files(path):
        try:
            return read_shape(json.loads(file.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, KeyError) as error:
            raise BadInput(f"{file}: no model config: {error!r}") from None
    billions = re.search(r"(\d+(?:\.\d+)?)B\b", Path(path).name, re.IGNORECASE)
    return round(float(billions[1]) * 1e9) if billions else None


def read_shape(config: Mapping[str, Any]) -> ModelShape | None:
    """The shape in a config.json, None for a family whose parameters this file does not count."""
    family = config.get("model_type")
    if family not in _KNOWN:
        return None
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    return ModelShape(
        layers=config["num_hidden_layers"],
        hidden=hidden,
        intermediate=config["intermediate_size"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head=config.get("head_dim") or hidden // heads,
        vocabulary=config["vocab_size"],
        tied=config.get("tie_word_embeddings", False),
        biases=family in _QKV_BIAS,
        qk_norm=family in _QK_NORM,
    )


def _config_files(path: str) -> list[Path]:
    local = Path(path) / "config.json"
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    cached = home / "hub" / f"models--{path.replace('/', '--')}" / "snapshots"
    return [local] if local.is_file() else sorted(cached.glob("*/config.json"))
