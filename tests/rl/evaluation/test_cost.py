"""Money."""

from __future__ import annotations

import pytest

from rl.evaluation.cost import Prices, token_cost, unified_cost

SEARCH = {"search": 0.001, "browse": 0.001}


def test_T1_of_bats():
    tokens = token_cost(Prices(prompt=1.25, completion=10), prompt=2000, completion=500)
    assert tokens == pytest.approx(0.0075)
    assert unified_cost(tokens, {"search": 8, "browse": 1}, SEARCH) == pytest.approx(0.0165)


def test_cached_tokens_have_their_own_price():
    assert token_cost(Prices(2, 8, cached=0.5), prompt=1_000_000, completion=0, cached=400_000) == pytest.approx(1.4)
    assert token_cost(Prices(2, 8), prompt=1_000_000, completion=0, cached=400_000) == pytest.approx(2.0)
    assert token_cost(Prices(2, 8, cached=0.0), prompt=1_000_000, completion=0, cached=1_000_000) == 0.0


def test_a_tool_without_a_price_is_named():
    with pytest.raises(ValueError, match="no price for calls of python; priced are browse, search"):
        unified_cost(0.0, {"python": 1, "search": 2}, SEARCH)
    assert unified_cost(0.25, {}, {}) == 0.25
