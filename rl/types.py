"""The nouns of learning: credit for a scored group, and the flat record that is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rollout.types import Logprobs, Spans, TokenIds

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Credit:
    """What each stretch of a group is worth against its siblings.

    `thought[G, S]` multiplies the thought tokens between budget s-1 and budget s, `answer[G, S, A]`
    the tokens of one answer. NaN marks what must not be trained (its verdict was excluded).
    """

    thought: Array
    answer: Array


@dataclass(frozen=True, slots=True)
class Sample:
    """The only training record: aligned lists over the T tokens of one sequence.

    `loss_mask` is 1 exactly on sampled tokens that carry credit; prompt and forced tokens are 0 and
    have log-probability 0. `logprobs` are the engine's, `advantages` one number per token.
    `versions` cover the sampled tokens, in positions of this sequence.
    """

    token_ids: TokenIds
    loss_mask: tuple[int, ...]
    logprobs: Logprobs
    advantages: tuple[float, ...]
    versions: Spans
