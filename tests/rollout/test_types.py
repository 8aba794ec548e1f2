"""The nouns: what they refuse, and that nobody can change them afterwards."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from rollout import types
from rollout.types import Answer, BudgetPrior, Finish, Rollout, Task, VersionSpan


def test_a_single_budget_has_all_the_mass():
    assert BudgetPrior.single(32) == BudgetPrior((32,), (1.0,), kind="constant", version=0)
    assert BudgetPrior((4, 8, 16), (0.5, 0.25, 0.25)).largest == 16
    assert BudgetPrior((4, 8), (0.0, 1.0)).probs == (0.0, 1.0)


@pytest.mark.parametrize(
    ("tokens", "probs", "complaint"),
    [
        ((), (), "a budget prior needs at least one budget"),
        ((0,), (1.0,), "a budget must be at least 1 token, not 0"),
        ((-4, 8), (0.5, 0.5), "a budget must be at least 1 token, not -4"),
        ((8, 4), (0.5, 0.5), "budgets must ascend without repetition: (8, 4)"),
        ((4, 4), (0.5, 0.5), "budgets must ascend without repetition: (4, 4)"),
        ((4, 8), (1.0,), "2 budgets but 1 probabilities"),
        ((4, 8), (), "2 budgets but 0 probabilities"),
        ((4, 8), (-0.5, 1.5), "probabilities must be non-negative and sum to 1: (-0.5, 1.5)"),
        ((4, 8), (0.5, 0.4), "probabilities must be non-negative and sum to 1: (0.5, 0.4)"),
        ((4, 8), (float("nan"), 1.0), "probabilities must be non-negative and sum to 1: (nan, 1.0)"),
        ((4, 8), (1.0, float("nan")), "probabilities must be non-negative and sum to 1: (1.0, nan)"),
        ((4,), (float("inf"),), "probabilities must be non-negative and sum to 1: (inf,)"),
    ],
)
def test_what_is_no_distribution_over_budgets_is_refused(tokens, probs, complaint):
    with pytest.raises(ValueError) as refused:
        BudgetPrior(tokens, probs)
    assert str(refused.value) == complaint


def test_thirds_count_as_a_distribution():
    assert BudgetPrior((1, 2, 3), (1 / 3,) * 3).tokens == (1, 2, 3)


def test_an_answer_by_hand_was_not_sampled():
    answer = Answer.from_text("\\boxed{4}", thought="2+2", budget=8, prefix_len=3)
    assert (answer.text, answer.thought, answer.finish) == ("\\boxed{4}", "2+2", Finish.STOP)
    assert (answer.budget, answer.prefix_len) == (8, 3)
    assert answer.forced_ids == answer.token_ids == answer.logprobs == answer.versions == ()
    assert Answer.from_text("4") == Answer(0, 0, (), (), (), "4", Finish.STOP, "", ())


def test_a_finish_is_written_as_its_name():
    assert [f"{finish}" for finish in Finish] == ["closed", "budget", "stop", "length", "empty"]


@pytest.mark.parametrize("efforts", [(), (0.0,), (-0.5,), (0.5, 1.5), (float("nan"),)])
def test_an_effort_is_a_share_above_0_and_up_to_1(efforts):
    with pytest.raises(ValueError, match=r"an effort is a share in \(0, 1\]"):
        BudgetPrior((4,), (1.0,), efforts=efforts)
    assert BudgetPrior((4,), (1.0,), efforts=(0.01, 1.0)).efforts == (0.01, 1.0)


@pytest.mark.parametrize(
    "record",
    [
        Task("t", "p", "a"),
        BudgetPrior.single(4),
        VersionSpan(0, 0, 4),
        Answer.from_text("4"),
        Rollout((1,), (2,), (-0.5,), Finish.CLOSED, (), ()),
    ],
    ids=lambda record: type(record).__name__,
)
def test_records_are_frozen_and_have_no_room_for_more(record):
    name = fields(record)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(record, name, None)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        record.remark = "hello"
    assert not any(field.name == "remark" for field in fields(record))


def test_every_record_of_this_file_is_frozen_with_slots():
    records = [thing for thing in vars(types).values() if isinstance(thing, type) and is_dataclass(thing)]
    assert {record.__name__ for record in records} == {
        *("Task", "BudgetPrior", "VersionSpan", "Answer", "Rollout", "Group")
    }
    assert all(vars(record)["__dataclass_params__"].frozen and "__slots__" in vars(record) for record in records)
