"""Paired differences of two evaluations."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from make_verdicts import problem_of

from rl.evaluation.comparison import compare
from rl.evaluation.records import Problem
from rl.evaluation.summary import summarize


def test_differences_by_hand():
    a = [problem_of("a", "cc", "wc"), problem_of("b", "cw", "cw"), problem_of("x", "cc", "cc")]
    b = [problem_of("b", "wc"), problem_of("a", "wt"), problem_of("y", "ww"), problem_of("z", "ww")]
    found = compare(a, b)
    assert (found["n_problems"], found["only_a"], found["only_b"]) == (2, 1, 2)
    small, large = found["budgets"]
    assert (small["accuracy_a"], small["accuracy_b"], small["difference"]) == (0.75, 0.0, 0.75)
    assert (large["accuracy_a"], large["accuracy_b"], large["difference"]) == (0.0, 1.0, -1.0)  # a lacks a verdict
    assert (small["ci_low"], small["ci_high"]) == (0.5, 1.0)
    assert found["anytime"]["difference"] == -0.125
    # All tokens: 112 at 100 and 212 at 200; b is best at 200.
    assert small["token_efficiency"] == pytest.approx((0.75 / 112) / (1 / 212))


def ladder(skill: float, seed: int, count: int = 300) -> list[Problem]:
    """Problems that are very easy or very hard for everybody; `skill` moves a few of them."""
    rng = np.random.default_rng(7)
    base = rng.beta(0.3, 0.3, count)
    luck = np.random.default_rng(seed)
    draws = luck.random((count, 8)) < np.clip(base + skill, 0, 1)[:, None]
    return [problem_of(f"p{n}", *("c" if right else "w" for right in draws[n])) for n in range(count)]


def test_what_is_hard_for_both_leaves_the_difference():
    weak, strong = ladder(0.0, 1), ladder(0.05, 2)
    (gain,) = compare(strong, weak)["budgets"]
    assert gain["ci_low"] > 0
    paired_width = gain["ci_high"] - gain["ci_low"]
    alone = [summarize(some)["budgets"][0] for some in (weak, strong)]
    assert all(one["ci_high"] - one["ci_low"] > 2 * paired_width for one in alone)
    assert alone[1]["ci_low"] < alone[0]["ci_high"]  # their own intervals overlap


def test_a_comparison_turned_round():
    one, other = ladder(0.0, 1, 50), ladder(0.05, 2, 50)
    (there,), (back,) = compare(one, other)["budgets"], compare(other, one)["budgets"]
    assert there["difference"] == pytest.approx(-back["difference"])
    assert (there["ci_low"], there["ci_high"]) == (pytest.approx(-back["ci_high"]), pytest.approx(-back["ci_low"]))


def test_paired_intervals_cover_the_true_difference():
    covered = 0
    for seed in range(200):
        (gain,) = compare(ladder(0.0, 2 * seed, 60), ladder(0.0, 2 * seed + 1, 60))["budgets"]
        covered += gain["ci_low"] <= 0 <= gain["ci_high"]
    print(f"paired: {covered / 200:.1%}")
    assert 0.91 <= covered / 200 <= 0.99


def test_a_model_against_itself_differs_by_nothing_but_might_on_other_problems():
    same = [problem_of(f"p{n}", "cw") for n in range(100)]
    found = compare(same, same)
    assert found["anytime"]["difference"] == 0
    assert found["anytime"]["ci_low"] == pytest.approx(-0.037, abs=1e-3)
    assert found["anytime"]["ci_high"] == pytest.approx(0.037, abs=1e-3)


def test_common_budgets_alone_are_compared():
    a = [problem_of("a", "wcc", budgets=(50, 100, 200))]
    b = [problem_of("a", "ww", budgets=(100, 400))]
    (point,) = compare(a, b)["budgets"]
    assert (point["budget"], point["difference"]) == (100, 1.0)


def test_no_verdict_on_one_side_is_no_difference():
    found = compare([problem_of("a", "tc")], [problem_of("a", "cc")])
    blind = found["budgets"][0]
    assert (blind["difference"], blind["ci_low"], blind["ci_high"]) == (None, -1.0, 1.0)
    assert found["anytime"]["difference"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_what_cannot_be_compared():
    one = [problem_of("a", "c")]
    with pytest.raises(ValueError, match="no problem in common"):
        compare(one, [problem_of("b", "c")])
    with pytest.raises(ValueError, match=r"no budget in common: \[100\] and \[300\]"):
        compare(one, [problem_of("a", "c", budgets=(300,))])
    with pytest.raises(ValueError, match="problem a stands twice"):
        compare(one, one * 2)


def test_problems_that_only_share_their_ids_are_not_compared():
    (one,) = ladder(0.5, 0, 1)
    with pytest.raises(ValueError, match="is another one in each of the evaluations"):
        compare([one], [replace(one, gold="elsewhere")])
