"""From a task to token ids: the chat template, the budget's wording, the forced strings. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.engine import Codec
from rollout.types import Task


@dataclass(frozen=True, slots=True)
class PromptFormat:
    """How a task is put to the model.

    `template` is the user's message, in which {prompt}, {budget} and {effort} (two decimals) are replaced;
    `think_end` closes a thought; `closing` is forced when a thought reaches its budget, `cue` after every
    closed thought.
    """

    template: str = "{prompt}"
    system: str = ""
    think_end: str = "</think>"
    closing: str = "</think>"
    cue: str = ""


@dataclass(frozen=True, slots=True)
class Markers:
    """The forced strings of a `PromptFormat`, tokenised once."""

    think_end: int
    closing: tuple[int, ...]
    cue: tuple[int, ...]


def markers(style: PromptFormat, codec: Codec) -> Markers:
    """Tokenise the forced strings.

    Raises ValueError when `think_end` is not one token of the tokenizer, or `closing` lacks it: a
    budget could then not be told from a thought that closed itself.
    """
    closing = tuple(codec.encode(style.closing, add_special_tokens=False))
    end = codec.encode(style.think_end, add_special_tokens=False)
    if len(end) != 1 or codec.decode(end, skip_special_tokens=False).strip() != style.think_end.strip():
        raise ValueError(
            f"the tokenizer has no single token for rollout.think_end={style.think_end!r}: "
            "name the token with which this model ends its thoughts, or add it to the tokenizer"
        )
    if end[0] not in closing:
        raise ValueError(f"rollout.closing={style.closing!r} does not contain the end marker {style.think_end!r}")
    return Markers(end[0], closing, tuple(codec.encode(style.cue, add_special_tokens=False)) if style.cue else ())


def prompt_ids(task: Task, style: PromptFormat, codec: Codec, *, budget: int, effort: float = 1.0) -> tuple[int, ...]:
    """The token ids that the model reads, up to and including its opening of the thought."""
    asked = style.template.replace("{budget}", str(budget)).replace("{effort}", f"{effort:.2f}")
    message = asked.replace("{prompt}", task.prompt)  # last: a problem may hold braces of its own
    chat = [{"role": "system", "content": style.system}] if style.system else []
    chat.append({"role": "user", "content": message})
    return tuple(codec.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=False))
