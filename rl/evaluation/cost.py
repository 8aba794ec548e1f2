"""What answers cost in money (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """A price table, in dollars per million tokens read and written.

    `cached` is the price of tokens that the provider reads again from its cache; None: no discount.
    """

    prompt: float
    completion: float
    cached: float | None = None


def token_cost(prices: Prices, *, prompt: float, completion: float, cached: float = 0) -> float:
    """Dollars for so many tokens; `cached` of the prompt's tokens were in the cache."""
    again = prices.prompt if prices.cached is None else prices.cached
    return ((prompt - cached) * prices.prompt + cached * again + completion * prices.completion) / MILLION


def unified_cost(tokens: float, calls: Mapping[str, int], call_prices: Mapping[str, float]) -> float:
    """Dollars for tokens and tool calls in one number: C = c_token + Σ c_i p_i.

    `tokens` are dollars already (`token_cost`). Each query or address inside one batched call counts as one. Raises
    ValueError naming a tool without a price. BATS (arXiv 2511.17006), where a search or a browse costs $0.001.
    """
    unpriced = sorted(set(calls) - set(call_prices))
    if unpriced:
        raise ValueError(f"no price for calls of {', '.join(unpriced)}; priced are {', '.join(sorted(call_prices))}")
    return tokens + sum(count * call_prices[tool] for tool, count in calls.items())
