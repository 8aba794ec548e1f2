"""One word for each answer, and which way it turns along the budgets."""

from __future__ import annotations

import pytest
from make_evaluations import BUDGETS, problem, trial

from rl.evaluation.arrays import gather
from rl.evaluation.outcomes import (
    Outcome,
    at_budget,
    outcome,
    right_early_wrong_late,
    shares,
    wrong_early_right_late,
)
from rl.evaluation.summary import summarize


def test_every_verdict_has_one_outcome() -> None:
    found = [outcome(verdict) for letters in ("cwnx", "ecwn") for verdict in trial(letters, "t").verdicts]
    assert found == [*Outcome, Outcome.CORRECT, Outcome.WRONG, Outcome.NONE]


@pytest.mark.parametrize(
    ("letters", "over", "pays"),
    [
        ("cccc", False, False),
        ("wwww", False, False),
        ("wwcc", False, True),
        ("ccww", True, False),
        ("wcwn", True, True),
        ("ccce", False, False),  # an answer without a verdict turns nothing
        ("cexe", True, False),
        ("eeee", False, False),
    ],
)
def test_which_way_verdicts_turn(letters: str, over: bool, pays: bool) -> None:
    one = trial(letters, "t")
    assert (right_early_wrong_late(one), wrong_early_right_late(one)) == (over, pays)


def test_turns_agree_with_the_numbers_of_the_summary() -> None:
    letters = ("cccc", "wcwn", "wwcc", "ccww", "cexe", "ccce")
    problems = [problem(f"p/{i}", "?", [trial(one, "t")]) for i, one in enumerate(letters)]
    trials = [p.trials[0] for p in problems]
    assert gather(problems).judged_NGS.sum(axis=2).min() >= 2
    found = summarize(problems)
    assert found["overthinking"] == pytest.approx(sum(map(right_early_wrong_late, trials)) / 6)
    assert found["underthinking"] == pytest.approx(sum(map(wrong_early_right_late, trials)) / 6)


def test_shares_of_a_budget() -> None:
    problems = [problem("p", "?", [trial("cwcc", "t"), trial("ccwe", "t")]), problem("q", "?", [trial("nxce", "t")])]
    by_budget = [shares(at_budget(problems, budget)) for budget in BUDGETS]
    assert [found[Outcome.CORRECT] for found in by_budget] == pytest.approx([2 / 3, 1 / 3, 2 / 3, 1 / 3])
    assert by_budget[3] == pytest.approx(dict.fromkeys(Outcome, 0) | {Outcome.CORRECT: 1 / 3, Outcome.EXCLUDED: 2 / 3})
