"""Token trees (pure): sequences with common prefixes, each token written once, in depth-first order.

One array is the tree: `parents_T`, the index of the token before each token on its path, -1 at the root. In
depth-first order the tokens below a token stand right behind it, so that one more number for each, the end
of its subtree, says who sees whom: token i attends to token j exactly where j <= i < ends_T[j].
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints: TypeAlias = NDArray[np.int64]


def chain(tokens: int) -> tuple[int, ...]:
    """The parents of one plain sequence."""
    return tuple(range(-1, tokens - 1))


def is_chain(parents_T: ArrayLike) -> bool:
    """Whether every token follows the one before it, so that plain causal attention is right."""
    return not len(_jumps(np.asarray(parents_T)))


def check(parents_T: ArrayLike) -> None:
    """Raise ValueError unless this is one tree in depth-first order: every token hangs on the path before it.

    That is, of the tokens between a token and its parent p, none hangs above p.
    """
    parents = np.asarray(parents_T)
    wrong = [i for i in _jumps(parents) if not 0 <= parents[i] < i or parents[parents[i] + 1 : i].min() < parents[i]]
    if wrong:
        raise ValueError(f"token {wrong[0]} cannot follow token {parents[wrong[0]]}: not a tree in depth-first order")


def depths(parents_T: ArrayLike) -> Ints:
    """How many tokens stand before each on its path: its position in the sequence that it was sampled in."""
    parents = np.asarray(parents_T)
    depth_T = np.arange(len(parents))
    for start, stop in pairwise([*_jumps(parents), len(parents)]):
        depth_T[start:stop] += depth_T[parents[start]] + 1 - start
    return depth_T


def ends(parents_T: ArrayLike) -> Ints:
    """Where the subtree of each token ends (exclusive): with the first later token that hangs above it."""
    parents = np.asarray(parents_T)
    end_T = np.full(len(parents), len(parents))
    for jump in reversed(_jumps(parents)):
        end_T[parents[jump] + 1 : jump] = jump
    return end_T


def deepest_path(parents_T: ArrayLike) -> Ints:
    """Indices of the tokens on the longest way from the root; the first of several."""
    depth_T, end_T = depths(parents_T), ends(parents_T)
    last = int(depth_T.argmax())
    return np.flatnonzero((np.arange(len(end_T)) <= last) & (last < end_T))


def needed(parents_T: ArrayLike, wanted_T: ArrayLike) -> NDArray[np.bool_]:
    """Which tokens are wanted, or stand before a wanted one on its path; the others change nothing."""
    before_T = np.concatenate([[0], np.cumsum(wanted_T)])
    return before_T[ends(parents_T)] > before_T[:-1]


def renumbered(parents_T: ArrayLike, keep_T: NDArray[np.bool_]) -> Ints:
    """The parents of the tokens that are kept, of which every parent is kept, by their new places."""
    place_T = np.cumsum(keep_T) - 1
    parents = np.asarray(parents_T)[keep_T]
    return np.where(parents < 0, -1, place_T[parents])


def _jumps(parents: NDArray[np.int64]) -> list[int]:
    """The tokens that do not follow the one before them: the places where a new branch begins."""
    return np.flatnonzero(parents != np.arange(-1, len(parents) - 1)).tolist()
