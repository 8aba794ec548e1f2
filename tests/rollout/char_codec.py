"""A tokenizer in a few lines, and engines that tell a story: what sampling is tested with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

from rollout.prompts import PromptFormat
from rollout.sampler import Sampler
from rollout.scripted_engine import ScriptedEngine
from rollout.types import BudgetPrior, Group, Task

EOS, THINK, END = 0, 1, 2
MARKERS = {"<eos>": EOS, "<think>": THINK, "</think>": END}


class CharCodec:
    """One token per character, its code point, and one for each marker that it knows; markers are special."""

    def __init__(self, known: Sequence[str] = tuple(MARKERS)) -> None:
        self._ids = {name: MARKERS[name] for name in known}

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        pieces = re.findall("|".join([*self._ids, r"[\s\S]"]), text)
        ids = [self._ids.get(piece, ord(piece[0])) for piece in pieces]
        return [*ids, EOS] if add_special_tokens else ids

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str:
        names = {token: "" if skip_special_tokens else name for name, token in self._ids.items()}
        return "".join(names[token] if token in names else chr(token) for token in token_ids)

    def convert_tokens_to_ids(self, tokens: str) -> int | None:
        return self._ids.get(tokens)

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: object) -> list[int]:
        assert options == {"add_generation_prompt": True, "tokenize": True, "return_dict": False}
        turns = "".join(f"{turn['role']}:{turn['content']}|" for turn in conversation)
        return self.encode(f"{turns}<think>")


CODEC = CharCodec()
TASK = Task("t", "2+2", "4")
PROMPT = tuple(CODEC.encode("user:2+2|<think>"))
SHUT = PromptFormat(closing="!</think>")
"""A closing that no story tells, so that the teller knows when it was interrupted."""


def ids(text: str) -> tuple[int, ...]:
    return tuple(CODEC.encode(text))


def teller(text: str, forced: str = "FORCED") -> Callable[[tuple[int, ...], int], Sequence[int]]:
    """Goes on with `text` for as long as it is left to itself, and with `forced` once something was inserted."""

    def script(prompt: tuple[int, ...], seed: int) -> Sequence[int]:
        del seed
        said, whole = prompt[len(PROMPT) :], ids(text)
        return whole[len(said) :] if whole[: len(said)] == said else ids(forced)

    return script


def by_seed(prompt: tuple[int, ...], seed: int) -> Sequence[int]:
    """Thinks `abcd</think>`; after a forced closing or a finished thought it answers with its own seed."""
    said, thought = prompt[len(PROMPT) :], ids("abcd</think>")
    return thought[len(said) :] if len(said) < 5 and said == thought[: len(said)] else (100 + seed % 100_000,)


def sample(
    script: Callable[[tuple[int, ...], int], Sequence[int]],
    budgets: Sequence[int],
    *,
    answer_tokens: int = 8,
    answers: int = 1,
    size: int = 1,
    seed: int = 0,
    style: PromptFormat | None = None,
    tasks: Sequence[Task] = (TASK,),
    efforts: tuple[float, ...] = (1.0,),
) -> tuple[list[Group], ScriptedEngine]:
    """The groups that a script gives under a uniform prior, and the engine that was asked."""
    engine = ScriptedEngine(script, EOS, version=3)
    sampler = Sampler(engine, CODEC, style or PromptFormat(), answer_tokens)
    prior = BudgetPrior(tuple(budgets), (1 / len(budgets),) * len(budgets), answers=answers, efforts=efforts)
    return asyncio.run(sampler.groups(tasks, [prior] * len(tasks), size=size, seed=seed)), engine
