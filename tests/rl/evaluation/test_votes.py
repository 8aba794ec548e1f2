"""One answer out of several samples."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest
from make_verdicts import ballot_problem, problem_of

from rl.evaluation.arrays import gather
from rl.evaluation.votes import (
    Ballot,
    by_min_max,
    by_sum,
    confidence_vote_values,
    majority,
    surest,
    vote_values,
)


def value(letters: str, finals: list[str]) -> float:
    """Of a majority vote on one problem at one budget, beside another problem that has final answers."""
    found = vote_values(
        gather([ballot_problem("a", letters, finals), ballot_problem("z", "c" * len(finals), ["4"] * len(finals))]),
        majority,
    )
    assert found[1, 0] == 1.0
    return float(found[0, 0])


def test_T3_of_crew():
    crew = Ballot(("12", "12", "15"), (False, False, True), (0.60, 0.58, 0.95))
    assert (majority(crew), by_sum(crew), by_min_max(crew), surest(crew)) == (0.0, 0.0, 1.0, 1.0)
    other = Ballot(crew.answers, (True, True, False), crew.confidence)
    assert (majority(other), by_sum(other), by_min_max(other), surest(other)) == (1.0, 1.0, 0.0, 0.0)


def test_the_most_frequent_answer_wins_without_having_half():
    assert value("ccwww", ["4", "4", "5", "6", "7"]) == 1.0
    assert value("cwwww", ["4", "5", "5", "6", "7"]) == 0.0


def test_of_equally_frequent_answers_each_is_taken_as_often():
    assert value("cw", ["4", "5"]) == 0.5
    assert value("cwwu", ["4", "5", "6", ""]) == pytest.approx(1 / 3)
    assert value("ccwwww", ["4", "4", "5", "5", "6", "6"]) == pytest.approx(1 / 3)


def test_a_judge_that_contradicts_itself_counts_by_its_share():
    assert value("ccw", ["4", "4", "4"]) == pytest.approx(2 / 3)


def test_excluded_and_unreadable_answers_do_not_vote():
    assert value("cte", ["4", "5", "5"]) == 1.0
    assert value("cuu", ["4", "", ""]) == 1.0
    assert value("uuu", ["", "", ""]) == 0.0
    assert value("uwt", ["", "", "4"]) == 0.0


def test_no_vote_where_nothing_was_judged_or_nothing_can_be_counted():
    assert isnan(value("tte", ["4", "4", "4"]))
    assert isnan(value("cww", ["", "5", "5"]))  # a program, say: right, and no final answer to vote for
    programs = gather([ballot_problem("a", "cw", ["", ""]), ballot_problem("b", "ww", ["", ""])])
    assert np.isnan(vote_values(programs, majority)).all()


def test_majority_of_one_is_accuracy():
    problems = [problem_of("a", "cw"), problem_of("b", "uc"), problem_of("c", "wc")]
    assert vote_values(gather(problems), majority).tolist() == [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]


def test_a_confidence_vote_needs_every_confidence():
    known = ballot_problem("a", "wwcu", ["12", "12", "15", ""], [0.60, 0.58, 0.95, None])
    partly = ballot_problem("b", "wwct", ["12", "12", "15", "12"], [0.60, None, 0.95, 0.5])
    mute = ballot_problem("c", "uuuu", ["", "", "", ""])
    found = gather([known, partly, mute])
    for count, expected in ((by_sum, [0.0, nan, 0.0]), (by_min_max, [1.0, nan, 0.0]), (surest, [1.0, nan, 0.0])):
        np.testing.assert_array_equal(confidence_vote_values(found, count)[:, 0], expected)
    np.testing.assert_array_equal(vote_values(found, majority)[:, 0], [0.0, 0.0, 0.0])
