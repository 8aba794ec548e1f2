"""Token trees: a case by hand, and every function against the slow definition by sets of ancestors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl.trees import chain, check, deepest_path, depths, ends, is_chain, needed, renumbered

# 0 1 2 ─ 3 4      prompt 0 1, thought 2 5 6, answers 3 4 at its first cut and 7, 8 9 at its end
#       └ 5 6 ─ 7
#             └ 8 9
PARENTS = (-1, 0, 1, 2, 3, 2, 5, 6, 6, 8)


@st.composite
def trees(draw):
    """Each token hangs on some token of the path that ends in the one before it: any depth-first order."""
    parents = [-1]
    for _ in range(draw(st.integers(0, 24))):
        parents.append(draw(st.sampled_from(path(parents, len(parents) - 1))))
    return parents


def path(parents, i):
    """A token, its parent, and so on up to the root."""
    return [i, *path(parents, parents[i])] if i >= 0 else []


def test_by_hand():
    assert depths(PARENTS).tolist() == [0, 1, 2, 3, 4, 3, 4, 5, 5, 6]
    assert ends(PARENTS).tolist() == [10, 10, 10, 5, 5, 10, 10, 8, 10, 10]
    assert deepest_path(PARENTS).tolist() == [0, 1, 2, 5, 6, 8, 9]
    keep = needed(PARENTS, [i in (2, 7) for i in range(10)])
    assert np.flatnonzero(keep).tolist() == [0, 1, 2, 5, 6, 7]
    assert renumbered(PARENTS, keep).tolist() == [-1, 0, 1, 2, 3, 4]


@settings(deadline=None)
@given(trees())
def test_depth_is_the_length_of_the_path(parents):
    assert depths(parents).tolist() == [len(path(parents, i)) - 1 for i in range(len(parents))]


@settings(deadline=None)
@given(trees())
def test_a_token_sees_its_path_and_nothing_else(parents):
    end_T = ends(parents)
    for i in range(len(parents)):
        assert [j for j in range(len(parents)) if j <= i < end_T[j]] == sorted(path(parents, i))


@settings(deadline=None)
@given(trees())
def test_the_deepest_path(parents):
    found = deepest_path(parents).tolist()
    assert found == sorted(path(parents, found[-1]))
    assert len(found) == max(len(path(parents, i)) for i in range(len(parents)))


@settings(deadline=None)
@given(trees(), st.data())
def test_what_is_needed_is_the_union_of_paths_and_stays_a_tree(parents, data):
    wanted = data.draw(st.lists(st.booleans(), min_size=len(parents), max_size=len(parents)))
    keep_T = needed(parents, wanted)
    union = {j for i, on in enumerate(wanted) if on for j in path(parents, i)}
    assert np.flatnonzero(keep_T).tolist() == sorted(union)
    kept, old = renumbered(parents, keep_T).tolist(), sorted(union)
    assert [[old[k] for k in path(kept, i)] for i in range(len(kept))] == [path(parents, i) for i in old]
    check(kept)


@settings(deadline=None)
@given(st.integers(0, 30))
def test_a_chain(tokens):
    parents = chain(tokens)
    assert is_chain(parents)
    assert depths(parents).tolist() == list(range(tokens))
    assert ends(parents).tolist() == [tokens] * tokens


@settings(deadline=None)
@given(trees())
def test_a_tree_is_a_chain_where_no_token_has_two_children(parents):
    assert is_chain(parents) == (len(set(parents)) == len(parents))


@settings(deadline=None)
@given(st.lists(st.integers(-1, 8), min_size=1, max_size=9))
def test_check_refuses_all_but_depth_first_trees(parents):
    rooted = parents[0] == -1 and all(0 <= p < i for i, p in enumerate(parents) if i)
    if rooted and all(parents[i] in path(parents, i - 1) for i in range(1, len(parents))):
        check(parents)
    else:
        with pytest.raises(ValueError, match="not a tree in depth-first order"):
            check(parents)


def test_check_names_the_token():
    with pytest.raises(ValueError, match="token 3 cannot follow token 1: not a tree in depth-first order"):
        check((-1, 0, 0, 1))
