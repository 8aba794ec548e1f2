"""What eval.json says: one evaluation worked by hand, invariances, honesty without verdicts, speed."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace

import numpy as np
import pytest
from make_verdicts import ballot_problem, problem_of, trial_of, verdict

from rl.evaluation.cost import Prices
from rl.evaluation.records import Problem
from rl.evaluation.summary import summarize
from rollout.types import Finish

INTERFACE = {"n_problems", "samples", "budgets", "anytime_accuracy", "final_accuracy", "e3", "control", "scaling"}
POINT = {
    *("budget", "accuracy", "ci_low", "ci_high", "pass_at_k", "majority", "thinking_tokens", "answer_tokens"),
    *("forced_rate", "truncated_rate", "unparsable_rate", "excluded"),
}
HAND = [
    problem_of("a", "wc", "cc", level="1"),
    problem_of("b", "uw", "wc", level="2", length=150),
    problem_of("c", "tc", "cw", level="2", length=50, sampled=60),
]
"""Right / judged: 2 of 5 at budget 100, 4 of 6 at 200. Thoughts: two of 10,000 tokens, of 150, of 50."""


def test_the_promised_keys():
    found = summarize(HAND)
    assert set(found) >= INTERFACE
    assert all(set(point) >= POINT for point in found["budgets"])


def test_every_budget_by_hand():
    small, large = summarize(HAND)["budgets"]
    assert (small["budget"], large["budget"]) == (100, 200)
    assert (small["accuracy"], large["accuracy"]) == (2 / 5, 4 / 6)
    assert (small["judged"], small["excluded"], large["judged"], large["excluded"]) == (5, 1, 6, 0)
    assert (small["unparsable_rate"], large["unparsable_rate"]) == (1 / 5, 0)
    assert (small["accuracy_lower"], small["accuracy_upper"]) == (2 / 6, 4 / 6)  # the unparsable and the excluded one
    assert (large["accuracy_lower"], large["accuracy_upper"]) == (4 / 6, 4 / 6)
    assert small["value"] == 2 / 5
    assert (small["forced_rate"], large["forced_rate"]) == (4 / 6, 2 / 6)
    assert (small["thinking_tokens"], large["thinking_tokens"]) == (pytest.approx(500 / 6), pytest.approx(800 / 6))
    assert small["answer_tokens"] == 10
    assert (small["spent_tokens"], large["spent_tokens"]) == (pytest.approx(568 / 6), pytest.approx(864 / 6))
    assert small["e3"] == pytest.approx(40**2 / (568 / 6))
    # pass@1 is the mean over problems: 1/2, 0, 1 of one. pass@2 leaves out c, which has one verdict.
    assert small["pass_at_k"] == {"1": pytest.approx(0.5), "2": 0.5}
    assert small["pass_at_k_left_out"] == {"1": 0, "2": 1}
    assert large["pass_at_k"] == {"1": pytest.approx(4 / 6), "2": 1.0}
    # Votes at 100: a is torn between 4 and 5, b says 5 alone, c 4 alone. At 200: a 4, b and c are torn.
    assert (small["majority"], large["majority"]) == (0.5, pytest.approx(2 / 3))
    assert small["confidence_sum"] is None
    assert small["adherence"]["mean_error"] == pytest.approx(-1 / 6)
    assert small["adherence"]["hard_violation"] == 0
    assert small["overthinking"] == pytest.approx(1 / 5)  # the second trial of c
    assert small["underthinking"] == pytest.approx(2 / 5)  # the first of a, the second of b
    assert large["overthinking"] is None
    assert small["dollars"] is None


def test_over_all_budgets_by_hand():
    found = summarize(HAND)
    assert (found["n_problems"], found["samples"]) == (3, 2)
    assert found["anytime_accuracy"] == pytest.approx((2 / 5 + 4 / 6) / 2)
    assert found["area_log_tokens"] == pytest.approx((2 / 5 + 4 / 6) / 2)
    assert found["final_accuracy"] == 4 / 6
    assert found["e3"] == pytest.approx((400 / 6) ** 2 / (864 / 6))
    assert found["control"] == 1.0
    assert found["scaling"] == pytest.approx((400 / 6 - 40) / 50 * 1000)
    assert found["performance"] == pytest.approx(400 / 6)
    assert found["smallest_within_1_point"] == 200
    assert (found["overthinking"], found["underthinking"]) == (pytest.approx(1 / 5), pytest.approx(2 / 5))
    # Means of a problem: a 1/2 and 1, b 0 and 1/2, c 1 and 1/2. The best of each: 1, 1/2, 1.
    regret = {"oracle_accuracy": 2.5 / 3, "best_budget": 200, "at_best_budget": 0.5 / 3, "problems": 3}
    assert found["regret"] == pytest.approx(regret)
    assert found["sampled_tokens"] == 4 * 100 + 2 * 60
    assert found["strata"] == [
        {"level": "1", "problems": 1, "accuracy_S": [0.5, 1.0], "judged_S": [2, 2]},
        {"level": "2", "problems": 2, "accuracy_S": [pytest.approx(1 / 3), 0.5], "judged_S": [3, 4]},
    ]


def test_how_answers_end():
    cut = replace(verdict("w", 100), finish=Finish.LENGTH)
    cut_and_right = replace(verdict("c", 100), finish=Finish.LENGTH)
    empty = replace(verdict("u", 100), finish=Finish.EMPTY)
    trials = tuple(trial_of([one]) for one in (cut, cut_and_right, empty, verdict("w", 100)))
    (point,) = summarize([Problem("a", "?", "4", "", "", trials)])["budgets"]
    assert (point["truncated_rate"], point["empty_rate"], point["unparsable_rate"]) == (0.5, 0.25, 0.25)
    assert (point["accuracy"], point["accuracy_upper"]) == (0.25, 0.75)


def test_confidence_votes_are_named():
    (point,) = summarize([ballot_problem("a", "wwc", ["12", "12", "15"], [0.60, 0.58, 0.95])])["budgets"]
    named = ("majority", "confidence_sum", "confidence_min_max", "confidence_best_of_n")
    assert [point[name] for name in named] == [0.0, 0.0, 1.0, 1.0]


def test_dollars_are_those_of_an_answer_given_alone():
    prompts = {"a": 100, "b": 200, "c": 300}
    small, large = summarize(HAND, prices=Prices(1.25, 10), prompt_tokens=prompts)["budgets"]
    assert small["dollars"] == pytest.approx((200 * 1.25 + 568 / 6 * 10) / 1e6)
    assert large["dollars"] == pytest.approx((200 * 1.25 + 864 / 6 * 10) / 1e6)
    with pytest.raises(ValueError, match="the prompt of problem b has to be paid for"):
        summarize(HAND, prices=Prices(1.25, 10), prompt_tokens={"a": 100})


def test_nothing_judged_is_not_zero():
    found = summarize([problem_of("a", "tc", "ec"), problem_of("b", "tw", "tw")])
    blind, seen = found["budgets"]
    assert (blind["judged"], blind["excluded"], seen["excluded"]) == (0, 4, 0)
    assert (blind["accuracy"], blind["ci_low"], blind["ci_high"]) == (0.0, 0.0, 1.0)
    assert (blind["accuracy_lower"], blind["accuracy_upper"]) == (0.0, 1.0)
    silent = ("unparsable_rate", "value", "majority", "overthinking", "underthinking", "regret", "e3")
    assert [blind[name] for name in silent] == [None] * 7
    assert blind["pass_at_k"] == {"1": None, "2": None}
    assert blind["pass_at_k_left_out"] == {"1": 2, "2": 2}
    assert (found["anytime_accuracy"], found["area_log_tokens"], found["final_accuracy"]) == (None, None, 0.5)
    assert (found["scaling"], found["performance"], found["regret"]["best_budget"]) == (None, 50.0, None)
    assert (found["smallest_within_1_point"], found["overthinking"]) == (200, None)


def test_one_problem_one_sample_one_budget():
    found = summarize([problem_of("a", "c")])
    (point,) = found["budgets"]
    assert (point["accuracy"], point["ci_high"], point["pass_at_k"], point["majority"]) == (1.0, 1.0, {"1": 1.0}, 1.0)
    assert point["ci_low"] == pytest.approx(0.2065, abs=1e-4)
    assert (found["area_log_tokens"], found["anytime_accuracy"], found["scaling"]) == (1.0, 1.0, None)


def chance(problems: int, samples: int, budgets: int, seed: int = 0) -> list[Problem]:
    """Problems whose letters are drawn, with an eighth of each kind of trouble."""
    rng = random.Random(seed)
    at = [32 << s for s in range(budgets)]
    return [
        problem_of(
            f"p{n}",
            *("".join(rng.choices("cccwwwut", k=budgets)) for _ in range(samples)),
            budgets=at,
            level=str(n % 5),
            length=rng.randrange(20, 5000),
        )
        for n in range(problems)
    ]


def test_the_order_of_problems_does_not_matter():
    problems = chance(40, 3, 4)
    assert summarize(problems) == summarize(random.Random(1).sample(problems, 40))


def test_it_is_plain_json_and_intervals_hold_their_number():
    found = summarize(chance(60, 4, 3))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for point in found["budgets"]:
        assert point["ci_low"] <= point["accuracy"] <= point["ci_high"]
        assert point["accuracy_lower"] <= point["accuracy"] <= point["accuracy_upper"]
        values = list(point["pass_at_k"].values())
        assert values == sorted(values)
    assert found["anytime_ci_low"] <= found["anytime_accuracy"] <= found["anytime_ci_high"]
    assert found["interval"] == {"over": "problems", "level": 0.95, "resamples": 2000, "seed": 0}


def test_gsm8k_at_eight_budgets_with_eight_samples_takes_two_seconds():
    problems = chance(1319, 8, 8)
    best = np.inf
    for _ in range(2):
        start = time.process_time()
        summarize(problems)
        best = min(best, time.process_time() - start)
    print(f"1,319 × 8 × 8: {best:.2f} s")
    assert best < 2
