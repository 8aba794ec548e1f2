"""The row of a step, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rewards.types import RewardResult, ScoredGroup, Status
from rl.metrics import shaped_metrics, summarize
from rl.types import Credit
from rollout.types import Answer, BudgetPrior, Finish, Group, Rollout, Task, VersionSpan

STATS = {"loss": 0.25, "grad_norm": 1.5, "policy/entropy": 0.7, "policy/logprob_gap": 1e-5, "publish/gap": 2e-6}
TIMES = {"time/rollout": 2.0, "time/reward": 0.5, "time/learn": 1.0, "time/publish": 0.5, "time/step": 4.0}


def answer(budget: int, prefix: int, length: int, forced: int, finish: Finish, version: int) -> Answer:
    ids = tuple(range(length))
    spans = (VersionSpan(version, 0, length),)
    return Answer(budget, prefix, tuple(range(forced)), ids, (0.0,) * length, "", finish, "", spans)


def result(status: Status, value: float) -> RewardResult:
    return RewardResult(status, value)


@pytest.fixture
def two_budgets() -> ScoredGroup:
    """G=2, S=2 (budgets 4 and 8), A=1. The first thought hits the budget of 8, the second ends after 3 tokens."""
    first = Rollout(
        prompt_ids=(1, 2),
        token_ids=tuple(range(8)),
        logprobs=(0.0,) * 8,
        finish=Finish.BUDGET,
        versions=(VersionSpan(3, 0, 6), VersionSpan(4, 6, 8)),
        answers=((answer(4, 4, 2, 3, Finish.STOP, 4),), (answer(8, 8, 2, 3, Finish.LENGTH, 5),)),
    )
    second = Rollout(
        prompt_ids=(1, 2),
        token_ids=(7, 8, 9),
        logprobs=(0.0,) * 3,
        finish=Finish.CLOSED,
        versions=(VersionSpan(5, 0, 3),),
        answers=((answer(4, 3, 1, 1, Finish.STOP, 5),), (answer(8, 3, 1, 1, Finish.STOP, 5),)),
    )
    group = Group(Task("t", "p", "a"), BudgetPrior((4, 8), (0.5, 0.5)), (first, second))
    results = (
        ((result(Status.WRONG, 0.1),), (result(Status.OK, 1.0),)),
        ((result(Status.UNPARSABLE, 0.0),), (result(Status.TIMEOUT, 9.0),)),
    )
    return ScoredGroup(group, results)


def test_every_number_of_a_row_worked_by_hand(two_budgets: ScoredGroup) -> None:
    row = summarize(7, [two_budgets], STATS, TIMES, sampled_total=117, informative=0.5, version=5)
    lag = (6 * 2 + 2 * 1 + 2 * 1 + 2 * 0 + 3 * 0 + 1 * 0 + 1 * 0) / 17
    assert row == {
        "step": 7,
        **STATS,
        **TIMES,
        "reward/mean": pytest.approx((0.1 + 1.0 + 0.0) / 3),  # the timeout's 9.0 is left out
        "reward/excluded": 0.25,
        "reward/unparsable": 0.25,
        "accuracy/mean": 1.0,  # one judged answer at the largest budget, and it is right
        "accuracy/budget_4": 0.0,
        "accuracy/budget_8": 1.0,
        "tokens/thinking_mean": 5.5,
        "tokens/answer_mean": 1.5,
        "tokens/sampled": 8 + 3 + 2 + 2 + 1 + 1,  # thoughts once, every answer
        "tokens/sampled_total": 117,
        "tokens/forced": 3 + 3 + 1 + 1,
        "budget/largest": 8,
        "budget/asked_mean": 8.0,
        "budget/version": 0,
        "budget/hit_rate": 0.5,
        "answer/length_rate": 0.25,
        "group/informative": 0.5,
        "policy/lag": pytest.approx(lag),
        "throughput/sampled_tokens_per_s": 17 / 4,
        "throughput/samples_per_s": 1.0,
    }


def single(status: Status, budget: int) -> ScoredGroup:
    rollout = Rollout((1,), (2, 3), (0.0, 0.0), Finish.CLOSED, (), ((answer(budget, 2, 1, 0, Finish.STOP, 0),),))
    return ScoredGroup(Group(Task("t", "p", "a"), BudgetPrior.single(budget), (rollout,)), (((result(status, 1.0),),),))


def test_one_budget_per_group_has_no_accuracy_by_budget_and_reports_the_largest() -> None:
    scored = [single(Status.OK, 16), single(Status.WRONG, 32)]
    row = summarize(0, scored, {}, TIMES, sampled_total=0, informative=1.0, version=0)
    assert [key for key in row if key.startswith("accuracy/")] == ["accuracy/mean"]
    assert (row["accuracy/mean"], row["budget/largest"]) == (0.5, 32)


def test_the_reward_that_was_compared_is_averaged_over_its_verdicts() -> None:
    """Of three, one has no verdict; an algorithm without a term of its own says nothing."""
    nothing = np.zeros((3, 1))
    shaped = [Credit(nothing, nothing[..., None], np.array([0.5, np.nan, 0.25])), Credit(nothing, nothing[..., None])]
    assert shaped_metrics(shaped) == {"reward/shaped": 0.375}
    assert shaped_metrics(shaped[1:]) == {}


def test_a_step_without_any_verdict_says_so() -> None:
    row = summarize(0, [single(Status.ERROR, 16)], {}, TIMES, sampled_total=0, informative=0.0, version=0)
    assert (row["reward/excluded"], row["reward/mean"], row["accuracy/mean"]) == (1.0, 0.0, 0.0)


def test_order_of_the_groups_does_not_matter(two_budgets: ScoredGroup) -> None:
    scored = [two_budgets, single(Status.OK, 16), single(Status.WRONG, 2)]
    forward = summarize(0, scored, STATS, TIMES, sampled_total=0, informative=1.0, version=6)
    backward = summarize(0, scored[::-1], STATS, TIMES, sampled_total=0, informative=1.0, version=6)
    assert forward == pytest.approx(backward)
