"""Evaluations on an engine that says what it is told to: a lossless tokenizer, a config, a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from rl.evaluation.config import EvalConfig
from rl.evaluation.sampling import LocalSource
from rollout.scripted_engine import ScriptedEngine

TEMPLATE = "{%- for message in messages -%}{{- message.content -}}{%- endfor -%}<think>"
Script = Callable[[tuple[int, ...], int], Sequence[int]]


def make_model(folder: Path) -> Path:
    """A folder with a tokenizer of one token per byte, and nothing that could be loaded as weights."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({letter: place for place, letter in enumerate(letters)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(name, special=True) for name in ("<eos>", "<think>", "</think>")])
    folder.mkdir(parents=True)
    PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", chat_template=TEMPLATE).save_pretrained(folder)
    (folder / "config.json").write_text('{"max_position_embeddings": 100000, "model_type": "qwen2"}')
    return folder


def config_of(folder: Path, out: Path, /, **knobs: Any) -> EvalConfig:
    """An evaluation of the folder that `make_model` made."""
    values = {"model": {"path": str(folder)}, "out": str(out), "workers": 1} | knobs
    return EvalConfig.model_validate(values)


class Told:
    """`Told(script)` is a start of a source for `evaluate`: `asked` counts the problems that were sampled."""

    def __init__(self, model: Path, script: Script) -> None:
        self.codec = AutoTokenizer.from_pretrained(model)
        self.engine = ScriptedEngine(script, self.codec.eos_token_id)
        self.starts = 0

    @contextmanager
    def __call__(self, config: EvalConfig, *_: object) -> Iterator[LocalSource]:
        self.starts += 1
        with LocalSource(config, self.engine, self.codec) as source:
            yield source

    def ids(self, text: str) -> list[int]:
        return self.codec.encode(text, add_special_tokens=False)

    def text(self, ids: Sequence[int]) -> str:
        return self.codec.decode(list(ids), skip_special_tokens=False)
