"""The few verbs that a sampler needs of an engine. Token ids in, token ids out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from rollout.logit_waves import LogitWave
from rollout.reference_steering import Guidance, Switching
from rollout.types import Logprobs, Spans, TokenIds


class Ended(StrEnum):
    """Why an engine stopped sampling a sequence."""

    EOS = "eos"
    STOP = "stop"  # one of the draw's stop tokens, which is the last token
    LENGTH = "length"


Steering: TypeAlias = LogitWave | Guidance | Switching
"""How a thought is sampled otherwise than from the model alone. Every engine may refuse what it cannot do."""


@dataclass(frozen=True, slots=True)
class Draw:
    """`n` continuations of `prompt_ids`, each of at most `max_tokens` tokens.

    Continuation i is sampled with seed `seed + i`: the same draw gives the same tokens. The first
    `min_tokens` tokens are no end: neither of the sequence nor one of `stop_ids`. `steering` acts from the
    first token to the end of the thought.
    """

    prompt_ids: TokenIds
    n: int
    max_tokens: int
    seed: int
    stop_ids: TokenIds = ()
    min_tokens: int = 0
    steering: Steering | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """One continuation: `token_ids[T]` with the log-probability of each as it was sampled.

    `cached` is how many tokens of the prompt the engine found in its prefix cache; of a draw of several
    it is known for one of them only, and counts for all.
    """

    token_ids: TokenIds
    logprobs: Logprobs
    ended: Ended
    versions: Spans
    cached: int = 0


class Engine(Protocol):
    """Samples continuations under fixed sampling parameters."""

    async def sample(self, draw: Draw) -> Sequence[Completion]:
        """The draw's `n` continuations, in order. Raises when the engine cannot serve it."""
        ...


class Codec(Protocol):
    """The tokenizer, as far as sampling needs it (a Hugging Face tokenizer is one)."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str: ...

    def convert_tokens_to_ids(self, tokens: str) -> int | None: ...

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: object) -> list[int]: ...
