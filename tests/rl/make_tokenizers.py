"""Tokenizer folders for tests: a good one, and each way in which a model's can be of no use."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config

from rl.tiny import CHARACTERS, build_tokenizer


def good(folder: Path) -> Path:
    """One token per character, `</think>` among them: renders "1 + 2" as `1+2=<think>`, five tokens."""
    build_tokenizer().save_pretrained(folder)
    return folder


def without_marker(folder: Path) -> Path:
    """Characters and nothing else; whatever it does not know is `?`."""
    core = Tokenizer(models.WordLevel({name: i for i, name in enumerate(CHARACTERS)}, unk_token="?"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    template = "{%- for message in messages -%}{{- message.content -}}{%- endfor -%}"
    PreTrainedTokenizerFast(tokenizer_object=core, unk_token="?", chat_template=template).save_pretrained(folder)
    return folder


def with_template(folder: Path, template: str | None) -> Path:
    """The good one with another chat template, or none."""
    tokenizer = build_tokenizer()
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder


def config_alone(folder: Path) -> Path:
    """A model folder into which nobody copied a tokenizer."""
    Qwen2Config().save_pretrained(folder)
    return folder


def truncated(folder: Path) -> Path:
    """A copy that was interrupted."""
    path = good(folder) / "tokenizer.json"
    path.write_text(path.read_text()[:1000])
    return folder
