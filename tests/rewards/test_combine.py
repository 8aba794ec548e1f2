from decimal import Decimal
from math import inf, nan

import numpy as np
import pytest

from rewards import RewardResult, Status
from rewards.combine import Combined, as_result
from rewards.forms import ABSENT
from rewards.terms import Term
from rollout.types import Answer, Task

TASK, ANSWER = Task("t", "?", "8", source="sums"), Answer.from_text("8")


def judged(*terms):
    """The verdict of (label, what the reward returns, weight, sources) terms on one answer."""
    batches = [
        (Term(f"m:{label}", weight, sources=tuple(sources)), lambda tasks, answers, r=r: [r] * len(tasks))
        for label, r, weight, *sources in terms
    ]
    return Combined(batches).together([TASK], [ANSWER])[0]


def test_weighted_sum_keeps_each_value_and_the_verifiers_status():
    wrong = RewardResult(Status.WRONG, 0.25, {"digits": 0.5}, "'9' is not '8'")
    result = judged(("math", wrong, 2.0), ("short", 1.0, -0.5))
    assert result == RewardResult(Status.WRONG, 0.0, {"math": 0.25, "math/digits": 0.5, "short": 1.0}, "'9' is not '8'")


def test_the_first_term_says_whether_it_was_right():
    terms = [("a", 1.0, 1.0), ("b", 0.0, 1.0)]
    assert judged(*terms).status is Status.OK
    assert judged(*terms[::-1]).status is Status.WRONG


@pytest.mark.parametrize("status", [Status.TIMEOUT, Status.ERROR])
def test_a_term_without_a_verdict_leaves_none(status):
    late = RewardResult(status, 0.0, detail="the server is down")
    result = judged(("math", 1.0, 1.0), ("server", late, 0.1))
    assert (result.status, result.value, result.detail) == (status, 0.0, "the server is down")
    assert result.parts == {"math": 1.0, "server": 0.0}


def test_what_a_term_is_absent_from_is_neither_added_nor_failed():
    assert judged(("math", 1.0, 2.0), ("style", ABSENT, 0.5)) == RewardResult(Status.OK, 2.0, {"math": 1.0})
    assert judged(("style", 0.5, 1.0, "words")).detail == "task t: no reward judges source 'sums'"


SILENT = "task t: math returned None, and no other term with `sources` says whether it is right"


@pytest.mark.parametrize("sources", [(), ("sums",)])
def test_no_shaping_term_says_what_a_silent_verifier_left_open(sources):
    result = judged(("math", ABSENT, 1.0, *sources), ("style", 1.0, 0.5))
    assert result == RewardResult(Status.ERROR, 0.0, {"style": 1.0}, SILENT)
    assert judged(("math", ABSENT, 1.0, *sources)) == RewardResult(Status.ERROR, 0.0, {}, SILENT)


def test_the_next_term_of_the_source_speaks_for_a_silent_one():
    terms = [("style", 1.0, 0.5), ("math", ABSENT, 1.0, "sums"), ("numeric", 0.0, 1.0, "sums")]
    assert judged(*terms) == RewardResult(Status.WRONG, 0.5, {"style": 1.0, "numeric": 0.0})


def test_a_term_of_the_source_is_its_verifier_wherever_it_stands():
    assert judged(("style", 1.0, 1.0), ("math", 0.0, 1.0, "sums")).status is Status.WRONG
    assert judged(("style", 1.0, 1.0), ("words", 0.0, 1.0, "words")).status is Status.OK


@pytest.mark.parametrize(
    ("returned", "status", "value"),
    [
        (1.0, Status.OK, 1.0),
        (1, Status.OK, 1.0),
        (True, Status.OK, 1.0),
        (2.5, Status.OK, 2.5),
        (0.99, Status.WRONG, 0.99),
        (False, Status.WRONG, 0.0),
        (-3, Status.WRONG, -3.0),
        (np.float32(0.5), Status.WRONG, 0.5),
        (np.int64(1), Status.OK, 1.0),
    ],
)
def test_a_bare_number_is_right_from_one_upwards(returned, status, value):
    assert as_result(returned) == RewardResult(status, value)


@pytest.mark.parametrize(
    "returned",
    [
        None,
        "1",
        nan,
        inf,
        np.float64("nan"),
        [1.0],
        Decimal(1),
        RewardResult(Status.OK, nan),
        RewardResult(Status.OK, 1.0, {"part": -inf}),
        RewardResult(Status.OK, None),
    ],
)
def test_anything_else_is_an_error(returned):
    result = as_result(returned)
    assert (result.status, result.value) == (Status.ERROR, 0.0)
    assert "not a finite number" in result.detail


def test_a_result_comes_out_in_plain_types():
    result = as_result(RewardResult("ok", np.float32(0.5), {"a": np.int32(2)}))
    assert result == RewardResult(Status.OK, 0.5, {"a": 2.0})
    assert type(result.value) is float
    assert type(result.parts["a"]) is float
