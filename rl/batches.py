"""A batch as arrays: samples to right-padded rectangles, dealt to ranks (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from rl import trees
from rl.aggregation import Weights
from rl.packing import pack
from rl.types import Array, Sample


@dataclass(frozen=True, slots=True)
class Forest:
    """How the tokens of a rectangle hang together where a row of it branches (`rl.trees`).

    The token that predicts each, its position in its own sequence, and the end of its subtree. Padding
    sees itself alone, so that attention over it is a number.
    """

    parent_NT: NDArray[np.int64]
    depth_NT: NDArray[np.int64]
    end_NT: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """One micro-batch of N rows padded on the right to T tokens, `tokens` of them real.

    `mask_NT` marks the K trained tokens; `engine_logp_K`, `advantage_K` and `weight_K` follow them
    row by row. Padding stands behind every real token, so causal attention never sees it; `forest` is
    None where every row is a plain sequence, for which causal attention is all that is needed. `most` is the largest K
    of the micro-batches that the ranks work on at once: what is cut by K is then cut alike everywhere.
    """

    token_ids_NT: NDArray[np.int64]
    mask_NT: NDArray[np.bool_]
    engine_logp_K: Array
    advantage_K: Array
    weight_K: Array
    tokens: int
    forest: Forest | None
    most: int


def rectangle(samples: Sequence[Sample], weight_R: Array) -> Rectangle:
    """Pad samples to one rectangle; no samples give an empty one, with which a rank keeps step.

    `weight_R` is the weight of a trained token of each rollout of the step. Raises ValueError for a sample
    that is not a tree in depth-first order.
    """
    rows, width = max(len(samples), 1), max((len(s.token_ids) for s in samples), default=2)
    tokens = np.zeros((rows, width), np.int64)
    mask = np.zeros((rows, width), np.bool_)
    logp, advantage, weight = (np.zeros((rows, width)) for _ in range(3))
    for row, sample in enumerate(samples):
        length = len(sample.token_ids)
        tokens[row, :length] = sample.token_ids
        mask[row, :length] = sample.loss_mask
        logp[row, :length] = sample.logprobs
        advantage[row, :length] = sample.advantages
        weight[row, :length] = weight_R[list(sample.rollouts)]
    real = sum(len(sample.token_ids) for sample in samples)
    plain = all(trees.is_chain(sample.parents) for sample in samples)
    forest = None if plain else _forest([sample.parents for sample in samples], width)
    return Rectangle(tokens, mask, logp[mask], advantage[mask], weight[mask], real, forest, int(mask.sum()))


def _forest(parents_N: Sequence[Sequence[int]], width: int) -> Forest:
    shape = len(parents_N), width
    parent, depth = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    end = np.tile(np.arange(1, width + 1), (len(parents_N), 1))
    for row, parents_T in enumerate(parents_N):
        trees.check(parents_T)
        length = len(parents_T)
        parent[row, :length] = parents_T
        depth[row, :length] = trees.depths(parents_T)
        end[row, :length] = trees.ends(parents_T)
    return Forest(parent, depth, end)


def batch_of(samples: Sequence[Sample], weights: Weights, *, ranks: int, micro_tokens: int) -> list[list[Rectangle]]:
    """The micro-batches of each rank, weighted so that their losses sum to the loss of the batch."""
    weight_R = weights(trained_tokens(samples))
    lengths = [len(sample.token_ids) for sample in samples]
    dealt = [
        [rectangle([samples[i] for i in micro], weight_R) for micro in micros]
        for micros in pack(lengths, ranks, micro_tokens)
    ]
    most = [max(micro.most for micro in at_once) for at_once in zip(*dealt, strict=True)]
    return [[replace(micro, most=m) for micro, m in zip(micros, most, strict=True)] for micros in dealt]


def trained_tokens(samples: Sequence[Sample]) -> NDArray[np.int64]:
    """How many tokens of each rollout of the step are trained in these samples.

    The rollout is the unit of the loss, N in the papers: however many answers hang from a thought, and
    whether they share it in a tree or repeat it in copies, the denominators are the same.
    """
    rollout_T = np.fromiter(chain.from_iterable(sample.rollouts for sample in samples), np.int64)
    on_T = np.fromiter(chain.from_iterable(sample.loss_mask for sample in samples), np.bool_)
    return np.bincount(rollout_T[on_T], minlength=1 + int(rollout_T.max(initial=0)))


def minibatches(samples: Sequence[Sample], count: int) -> list[Sequence[Sample]]:
    """Cut a batch into `count` consecutive parts for as many optimizer steps, with nearly equal numbers of
    rollouts (of trees, where trees hold several). The copies of a rollout stay together.
    """
    units = [list(unit) for _, unit in groupby(samples, key=lambda sample: max(sample.rollouts))]
    edges = np.linspace(0, len(units), count + 1).round().astype(int).tolist()
    return [list(chain.from_iterable(units[a:b])) for a, b in pairwise(edges) if b > a]
