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
    the tokens of one answer. NaN marks what must not be trained (its verdict was excluded). `shaped[G]`
    is the reward that was compared where an algorithm adds a term of its own, such as one for length.
    """

    thought: Array
    answer: Array
    shaped: Array | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """The only training record: a tree of T tokens in depth-first order (`rl.trees`), as aligned tuples.

    `parents` says which token stands before each on its path, -1 at the root; a plain sequence is -1, 0, 1, …
    `loss_mask` is 1 exactly on sampled tokens that carry credit; prompt and forced tokens are 0 and have
    log-probability 0. `logprobs` are the engine's, `advantages` one number per token. `rollouts` numbers the
    rollouts of the step, -1 on the prompt. `versions` cover the sampled tokens, in positions of this record.
    """

    token_ids: TokenIds
    parents: tuple[int, ...]
    loss_mask: tuple[int, ...]
    logprobs: Logprobs
    advantages: tuple[float, ...]
    rollouts: tuple[int, ...]
    versions: Spans
