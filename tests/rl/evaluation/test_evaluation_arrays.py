"""Records to arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from make_verdicts import problem_of, trial_of, verdict

from rl.evaluation.arrays import gather
from rl.evaluation.records import Problem
from rollout.types import Finish


def test_every_answer_has_its_place():
    found = gather([problem_of("b", "wc", "tu", level="2", sampled=7), problem_of("a", "cc", "we", length=150)])
    assert found.ids == ("a", "b")
    assert found.levels == ("", "2")
    assert found.budgets_S.tolist() == [100, 200]
    assert found.right_NGS.tolist() == [[[True, True], [False, False]], [[False, True], [False, False]]]
    assert found.judged_NGS.tolist() == [[[True, True], [True, False]], [[True, True], [False, True]]]
    assert found.unparsable_NGS.tolist() == [[[False, False]] * 2, [[False, False], [False, True]]]
    assert found.forced_NGS.tolist() == [[[True, False]] * 2, [[True, True]] * 2]
    assert found.thinking_NGS.tolist() == [[[100, 150]] * 2, [[100, 200]] * 2]
    assert found.spent_NGS.tolist() == [[[112, 160]] * 2, [[112, 212]] * 2]
    assert found.final_NGS.tolist() == [[["4", "4"], ["5", ""]], [["5", "4"], ["", ""]]]
    assert found.sampled_NG.tolist() == [[100, 100], [7, 7]]
    assert found.right_NS.tolist() == [[1, 1], [0, 1]]
    assert found.judged_NS.tolist() == [[2, 1], [1, 2]]


def test_how_an_answer_ended_and_how_sure_it_was():
    one = replace(verdict("w", 100), finish=Finish.LENGTH, value=0.25, confidence=0.5)
    other = replace(verdict("u", 200), finish=Finish.EMPTY)
    found = gather([Problem("a", "?", "4", "", "", (trial_of([one, other]),))])
    assert found.truncated_NGS.tolist() == [[[True, False]]]
    assert found.empty_NGS.tolist() == [[[False, True]]]
    assert found.value_NGS.tolist() == [[[0.25, 0.0]]]
    assert found.confidence_NGS[0, 0, 0] == 0.5
    assert np.isnan(found.confidence_NGS[0, 0, 1])


def test_problems_that_disagree_are_named():
    with pytest.raises(ValueError, match="problem b has 1 samples, a has 2"):
        gather([problem_of("a", "cc", "cc"), problem_of("b", "cc")])
    with pytest.raises(ValueError, match=r"problem b was judged at budgets \(100, 300\), a at \(100, 200\)"):
        gather([problem_of("a", "cc"), problem_of("b", "cc", budgets=(100, 300))])
    with pytest.raises(ValueError, match="problem b was judged at budgets"):
        gather([problem_of("a", "cc"), problem_of("b", "c")])


def test_what_no_evaluation_looks_like():
    with pytest.raises(ValueError, match="at least one problem"):
        gather([])
    with pytest.raises(ValueError, match="with at least one sample"):
        gather([problem_of("a", budgets=(1,))])
    for budgets in ((200, 100), (100, 100), (0, 100)):
        with pytest.raises(ValueError, match="budgets must ascend from 1 or more"):
            gather([problem_of("a", "cc", budgets=budgets)])
