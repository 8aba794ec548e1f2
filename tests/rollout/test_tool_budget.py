"""Budgets of tool calls: regimes, refusals, and the text that reports them."""

import pytest

from rollout.tool_budget import POLICIES, Regime, ToolBudget, block, reject, tightest, truncate


@pytest.mark.parametrize(
    ("used", "regime"),
    [(2, "HIGH"), (3, "HIGH"), (4, "MEDIUM"), (7, "MEDIUM"), (8, "LOW"), (9, "LOW"), (10, "CRITICAL")],
)
def test_known_answers_of_the_regimes_of_a_budget_of_ten(used: int, regime: str):
    assert ToolBudget(10, used).regime is Regime(regime)


def test_known_answer_of_a_budget_of_a_hundred():
    assert ToolBudget(100, 91).regime is Regime.CRITICAL
    assert ToolBudget(100, 90).regime is Regime.LOW


def test_known_answer_of_a_batch_of_four_when_three_remain():
    before = ToolBudget(10, 7)
    assert before.spend(4, reject) == (before, 0)
    after, granted = before.spend(4, truncate)
    assert (after, granted, after.remaining, after.regime) == (ToolBudget(10, 10), 3, 0, Regime.CRITICAL)


@pytest.mark.parametrize("name", POLICIES)
def test_what_fits_is_granted_whole_under_every_policy(name: str):
    assert ToolBudget(10, 7).spend(3, POLICIES[name]) == (ToolBudget(10, 10), 3)


def test_several_tools_are_as_tight_as_the_tightest():
    assert tightest([ToolBudget(10), ToolBudget(100, 75)]) is Regime.LOW
    assert tightest([ToolBudget(10), ToolBudget(5, 5)]) is Regime.CRITICAL
    assert tightest([ToolBudget(10, 3)]) is Regime.HIGH


def test_a_tool_that_may_not_be_used_is_critical():
    assert ToolBudget(0).regime is Regime.CRITICAL


def test_the_block_names_every_tool():
    assert block({"Query": ToolBudget(10, 4), "URL": ToolBudget(5)}) == (
        "<budget>\nQuery Budget Used: 4, Query Budget Remaining: 6, URL Budget Used: 0, URL Budget Remaining: 5\n"
        "Make the best use of the available resources.\n</budget>"
    )


@pytest.mark.parametrize(("limit", "used"), [(3, 4), (3, -1), (-1, 0)])
def test_impossible_counts_are_refused(limit: int, used: int):
    with pytest.raises(ValueError, match="between 0 and the limit"):
        ToolBudget(limit, used)


def test_a_call_for_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1 unit"):
        ToolBudget(3).spend(0, reject)
