"""A batch as arrays: samples to right-padded rectangles, dealt to ranks (pure)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rl.packing import pack
from rl.types import Array, Sample


@dataclass(frozen=True, slots=True)
class Rectangle:
    """One micro-batch of N rows padded on the right to T tokens.

    `mask_NT` marks the K trained tokens; `engine_logp_K`, `advantage_K` and `weight_K` follow them
    row by row. Padding stands behind every real token, so causal attention never sees it.
    """

    token_ids_NT: NDArray[np.int64]
    mask_NT: NDArray[np.bool_]
    engine_logp_K: Array
    advantage_K: Array
    weight_K: Array


def rectangle(samples: Sequence[Sample], weight_N: Sequence[float]) -> Rectangle:
    """Pad samples to one rectangle; no samples give an empty one, with which a rank keeps step."""
    rows, width = max(len(samples), 1), max((len(s.token_ids) for s in samples), default=2)
    tokens = np.zeros((rows, width), np.int64)
    mask = np.zeros((rows, width), np.bool_)
    logp, advantage, weight = (np.zeros((rows, width)) for _ in range(3))
    for row, (sample, of_token) in enumerate(zip(samples, weight_N, strict=True)):
        length = len(sample.token_ids)
        tokens[row, :length] = sample.token_ids
        mask[row, :length] = sample.loss_mask
        logp[row, :length] = sample.logprobs
        advantage[row, :length] = sample.advantages
        weight[row, :length] = of_token
    return Rectangle(tokens, mask, logp[mask], advantage[mask], weight[mask])


def batch_of(
    samples: Sequence[Sample], weights: Callable[[Sequence[int]], Array], *, ranks: int, micro_tokens: int
) -> list[list[Rectangle]]:
    """The micro-batches of each rank, weighted so that their losses sum to the loss of the batch."""
    weight_N = weights([sum(sample.loss_mask) for sample in samples])
    lengths = [len(sample.token_ids) for sample in samples]
    return [
        [rectangle([samples[i] for i in micro], [float(weight_N[i]) for i in micro]) for micro in micros]
        for micros in pack(lengths, ranks, micro_tokens)
    ]


def minibatches(samples: Sequence[Sample], count: int) -> list[Sequence[Sample]]:
    """Cut a batch into `count` consecutive parts of nearly equal size, for as many optimizer steps."""
    edges = np.linspace(0, len(samples), count + 1).round().astype(int).tolist()
    return [samples[a:b] for a, b in itertools.pairwise(edges) if b > a]
