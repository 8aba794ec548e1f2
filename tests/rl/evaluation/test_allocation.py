"""Over- and under-thinking, regret, the smallest budget that is enough, strata."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from make_verdicts import problem_of

from rl.evaluation.allocation import overthinking, regret, smallest_within, strata, underthinking
from rl.evaluation.arrays import gather
from rl.evaluation.outcomes import right_early_wrong_late, wrong_early_right_late

TURNS = [problem_of("a", "wcc", "ccw"), problem_of("b", "cwc", "www"), problem_of("c", "ctw", "wtt")]


def test_verdicts_that_turn_by_hand():
    found = gather(TURNS)
    over = overthinking(found.right_NGS, found.judged_NGS)
    # Five trials are judged at 100 and later; right there and wrong later: ccw, cwc, ctw.
    # Four at 200 and later: ccw.
    assert over.share_S[:2].tolist() == [3 / 5, 1 / 4]
    assert isnan(over.share_S[2])
    assert over.overall == 3 / 5
    under = underthinking(found.right_NGS, found.judged_NGS)
    # At 100: wcc. At 200: cwc. Overall both.
    assert under.share_S[:2].tolist() == [1 / 5, 1 / 4]
    assert under.overall == 2 / 5


def test_the_samples_that_the_browser_filters_are_those_that_are_counted():
    found = gather(TURNS)
    trials = [trial for problem in TURNS for trial in problem.trials]
    compared = 5  # the last one has a single verdict
    assert (
        overthinking(found.right_NGS, found.judged_NGS).overall == sum(map(right_early_wrong_late, trials)) / compared
    )
    assert (
        underthinking(found.right_NGS, found.judged_NGS).overall == sum(map(wrong_early_right_late, trials)) / compared
    )


def test_a_slow_count_of_turns():
    rng = np.random.default_rng(0)
    judged = rng.random((30, 4, 5)) < 0.8
    right = judged & (rng.random(judged.shape) < 0.5)
    fast = overthinking(right, judged)
    for s in range(4):
        rows = [(right[n, g, s:], judged[n, g, s:]) for n in range(30) for g in range(4)]
        among = [(r, j) for r, j in rows if j[0] and j[1:].any()]
        turned = [r[0] and (j[1:] & ~r[1:]).any() for r, j in among]
        assert fast.share_S[s] == sum(turned) / len(among)


def test_one_budget_has_nothing_later():
    found = gather([problem_of("a", "c", "w")])
    over = overthinking(found.right_NGS, found.judged_NGS)
    assert np.isnan(over.share_S).all()
    assert isnan(over.overall)


def test_regret_by_hand():
    # Best: 1 at 100, 1 at 200, 0.5 anywhere. The third problem was not judged at 200 and is left out.
    found = gather(
        [
            problem_of("a", "cw", "cc"),
            problem_of("b", "wc", "wc"),
            problem_of("c", "ct", "ce"),
            problem_of("d", "cw", "wc"),
        ]
    )
    lost = regret(found.right_NS, found.judged_NS)
    assert lost.problems == 3
    assert lost.oracle == pytest.approx(2.5 / 3)
    assert lost.loss_S.tolist() == pytest.approx([1 / 3, 0.5 / 3])


def test_no_regret_where_one_budget_is_best_for_all_and_none_known_without_verdicts():
    found = gather([problem_of("a", "wc"), problem_of("b", "cc")])
    assert regret(found.right_NS, found.judged_NS).loss_S.tolist() == [0.5, 0.0]
    unknown = gather([problem_of("a", "ct"), problem_of("b", "tc")])
    lost = regret(unknown.right_NS, unknown.judged_NS)
    assert lost.problems == 0
    assert isnan(lost.oracle)
    assert np.isnan(lost.loss_S).all()


def test_the_smallest_budget_within_a_point():
    budgets = np.array([64, 128, 256, 512])
    assert smallest_within(budgets, np.array([0.5, 0.79, 0.80, 0.78]), 1.0) == 128  # 0.80 - 0.79 is a point
    assert smallest_within(budgets, np.array([0.5, 0.789, 0.80, 0.78]), 1.0) == 256
    assert smallest_within(budgets, np.array([0.3, 0.3, np.nan, 0.3]), 1.0) == 64
    assert smallest_within(budgets, np.full(4, np.nan), 1.0) is None


def test_strata_by_hand():
    problems = [
        problem_of("a", "cc", "wc", level="10"),
        problem_of("b", "tc", "cc", level="9"),
        problem_of("c", "ww", "wc", level="10"),
    ]
    found = gather(problems)
    nine, ten = strata(found.levels, found.right_NS, found.judged_NS)
    assert (nine.level, nine.problems, nine.accuracy_S.tolist(), nine.judged_S.tolist()) == ("9", 1, [1, 1], [1, 2])
    assert (ten.level, ten.problems, ten.accuracy_S.tolist(), ten.judged_S.tolist()) == ("10", 2, [0.25, 0.75], [4, 4])
    assert strata(["", ""], np.zeros((2, 1)), np.ones((2, 1))) == []
