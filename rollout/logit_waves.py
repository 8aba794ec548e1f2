"""A bias on the logits of a few tokens that swings while a thought grows: CyclicReflex, and a constant one (TIP).

Source: Fan et al., "CyclicReflex", ICLR 2026, and its released code; TIP is its baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, overload

from rollout.types import TokenIds

if TYPE_CHECKING:
    import torch

    from rollout.engine import Codec


@dataclass(frozen=True, slots=True)
class LogitWave:
    """`triangle` added to the logits of `token_ids`, from the first sampled token until `end_id` was sampled.

    It acts before the temperature T, so that its effective height is amplitude / T. Raises ValueError for a wave
    that cannot be.
    """

    token_ids: TokenIds
    end_id: int
    amplitude: float
    period: float
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not (self.period > 0 and isfinite(self.amplitude) and isfinite(self.shift)):
            raise ValueError(f"a wave needs a period above 0, and a finite amplitude and shift: {self}")
        if not self.token_ids or min(self.token_ids) < 0 or len(set(self.token_ids)) < len(self.token_ids):
            raise ValueError(f"a wave acts on one or more tokens, each named once: {self.token_ids}")

    def at(self, position: float) -> float:
        """The bias when `position` tokens were sampled before."""
        return triangle(position, self.amplitude, self.period, self.shift)


@overload
def triangle(position: float, amplitude: float, period: float, shift: float) -> float: ...
@overload
def triangle(
    position: torch.Tensor, amplitude: torch.Tensor, period: torch.Tensor, shift: torch.Tensor
) -> torch.Tensor: ...
def triangle(position: Any, amplitude: Any, period: Any, shift: Any) -> Any:
    """A triangular wave that starts at 0, rises to `amplitude` after a quarter of a `period`, and falls to minus that.

    `position` counts the tokens sampled before, 0 at the first; `shift` is in periods. Numbers, or tensors with an
    element for each sequence.
    """
    phase = (position / period + shift - 0.25) % 1.0
    return amplitude * (abs(4.0 * phase - 2.0) - 1.0)


def penalty(token_ids: TokenIds, end_id: int, depth: float = 3.0) -> LogitWave:
    """TIP: a constant bias of -depth, as a wave that never leaves its trough."""
    return LogitWave(token_ids, end_id, depth, inf, 0.75)


def wave_from(record: Mapping[str, Any]) -> LogitWave:
    """The wave of which `record` is `dataclasses.asdict`, after a way through JSON or msgpack."""
    end, height = record["end_id"], record["amplitude"]
    return LogitWave(tuple(record["token_ids"]), end, height, record["period"], record["shift"])


def single_tokens(words: Sequence[str], codec: Codec, *, spaced: bool) -> TokenIds:
    """The token of each word, and with `spaced` that of the word behind a space as well, each token once.

    Raises ValueError naming the words that are not one token of this tokenizer.
    """
    forms = [form for word in words for form in ((word, f" {word}") if spaced else (word,))]
    found = {form: codec.encode(form, add_special_tokens=False) for form in forms}
    lacking = [
        form
        for form, ids in found.items()
        if len(ids) != 1 or codec.decode(ids, skip_special_tokens=False).strip() != form.strip()
    ]
    if lacking:
        usable = [form for form in forms if form not in lacking]
        raise ValueError(
            f"not a single token of this tokenizer: {', '.join(map(repr, lacking))}; "
            f"name words that are{f', such as {usable[0]!r}' if usable else ''}"
        )
    return tuple(dict.fromkeys(ids[0] for ids in found.values()))
