"""A budget of tool calls: what is left, what the model is told of it, and what happens when it asks for too much.

The counting and the refusing are hard; the regime and the block of text are advice. Source: Liu et al.,
"Budget-Aware Tool-Use Enables Effective Agent Scaling" (Budget Tracker), COLM 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias


class Regime(StrEnum):
    """How freely tools may be called, by the share of the budget that is left."""

    HIGH = "HIGH"  # 70 % or more
    MEDIUM = "MEDIUM"  # 30 % or more
    LOW = "LOW"  # 10 % or more
    CRITICAL = "CRITICAL"  # less, or nothing


FLOORS_PERCENT = {Regime.HIGH: 70, Regime.MEDIUM: 30, Regime.LOW: 10}
"""The least share, in percent and inclusive, with which a regime holds. The paper leaves the borders open."""


@dataclass(frozen=True, slots=True)
class ToolBudget:
    """`used` of `limit` units of one tool. Each query or address within a batched call is one unit, failed or not."""

    limit: int
    used: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.used <= self.limit:
            raise ValueError(f"used must be between 0 and the limit: {self.used} of {self.limit}")

    @property
    def remaining(self) -> int:
        return self.limit - self.used

    @property
    def regime(self) -> Regime:
        held = (at for at, floor in FLOORS_PERCENT.items() if 100 * self.remaining >= floor * self.limit)
        return next(held, Regime.CRITICAL) if self.remaining else Regime.CRITICAL

    def spend(self, units: int, policy: Policy) -> tuple[ToolBudget, int]:
        """The budget after a call that asks for `units`, and how many of them, the first ones, may be run."""
        if units < 1:
            raise ValueError(f"a call asks for at least 1 unit, not {units}")
        granted = policy(units, self.remaining)
        return replace(self, used=self.used + granted), granted


Policy: TypeAlias = Callable[[int, int], int]
"""From the units that are asked for and those that are left to those that are granted."""


def reject(asked: int, left: int) -> int:
    """A call that asks for more than is left is refused as a whole, and costs nothing."""
    return asked if asked <= left else 0


def truncate(asked: int, left: int) -> int:
    """A call that asks for more than is left gets what is left."""
    return min(asked, left)


POLICIES: Mapping[str, Policy] = {"reject": reject, "truncate": truncate}


def tightest(budgets: Collection[ToolBudget]) -> Regime:
    """The regime of several tools together: that of the one with the smallest share left."""
    order = list(Regime)
    return max((budget.regime for budget in budgets), key=order.index)


def block(budgets: Mapping[str, ToolBudget]) -> str:
    """What is appended to a tool's response. `budgets` by the tools' names, such as "Query" and "URL"."""
    counts = ", ".join(
        f"{name} Budget Used: {budget.used}, {name} Budget Remaining: {budget.remaining}"
        for name, budget in budgets.items()
    )
    return f"<budget>\n{counts}\nMake the best use of the available resources.\n</budget>"
