"""Sequences to micro-batches (pure): balanced over ranks, little padding, the same number on every rank.

A token tree is a sequence as well, as long as it has tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MicroBatch = tuple[int, ...]
"""Indices of the sequences that are padded to one rectangle; empty where a rank only keeps step."""


def deal(lengths_N: Sequence[int], ranks: int) -> list[NDArray[np.intp]]:
    """The sequences of each rank, longest first.

    Dealt like cards, from the longest down and back and forth along the ranks: their token counts
    differ by no more than the longest sequence, their numbers of sequences by no more than one.
    """
    order_N = np.argsort(-np.asarray(lengths_N, dtype=np.int64), kind="stable")
    position_N = np.arange(len(order_N))
    forth_N = position_N % ranks
    rank_N = np.where(position_N // ranks % 2 == 0, forth_N, ranks - 1 - forth_N)
    return [order_N[rank_N == rank] for rank in range(ranks)]


def pack(lengths_N: Sequence[int], ranks: int, micro_tokens: int) -> list[list[MicroBatch]]:
    """Micro-batches of each rank: every index exactly once, every rank the same number of them.

    A micro-batch is a rectangle, rows * longest row, of at most `micro_tokens` padded tokens; a
    sequence that is longer alone gets one to itself. Neighbours in length share a rectangle, which
    keeps the padding small. A rank that runs out gets empty micro-batches, because sharded learners
    (ZeRO-3) must run forward and backward in lockstep.
    """
    by_rank = [_rectangles(lengths_N, order_K, micro_tokens) for order_K in deal(lengths_N, ranks)]
    most = max(map(len, by_rank), default=0)
    return [batches + [()] * (most - len(batches)) for batches in by_rank]


def _rectangles(lengths_N: Sequence[int], order_K: NDArray[np.intp], micro_tokens: int) -> list[MicroBatch]:
    """Cut a longest-first order into rectangles; the first row of each is its longest."""
    batches: list[list[int]] = []
    for index in map(int, order_K):
        if batches and (len(batches[-1]) + 1) * lengths_N[batches[-1][0]] <= micro_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return [tuple(batch) for batch in batches]
