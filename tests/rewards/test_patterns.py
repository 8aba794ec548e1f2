import pytest

from rewards import Status, score
from rewards.patterns import regex
from rewards.terms import Term
from rollout.types import Answer, Task


def judged(text: str, gold: str = "", **knobs):
    return regex(Task("t5", "?", gold), Answer.from_text(text), **knobs)


def test_the_whole_final_answer_matches():
    date = r"\d{4}-\d{2}-\d{2}"
    assert judged(" 2026-11-21\n", pattern=date).value == 1.0
    assert judged("on <answer>2026-11-21</answer>", pattern=date).status is Status.OK
    assert judged(r"on \boxed{2026-11-21}", gold=date).status is Status.OK
    wrong = judged("on 2026-11-21", pattern=date)
    assert (wrong.status, wrong.value) == (Status.WRONG, 0.0)
    assert wrong.detail == r"'on 2026-11-21' does not match '\\d{4}-\\d{2}-\\d{2}'"


def test_the_pattern_in_params_goes_before_the_gold():
    assert judged("b", gold="a", pattern="b").status is Status.OK
    assert judged("a", gold="a", pattern="b").status is Status.WRONG


def test_case():
    assert judged("YES", gold="yes|no").status is Status.WRONG
    assert judged("YES", gold="yes|no", ignore_case=True).status is Status.OK


@pytest.mark.parametrize("text", ["", " \n", "<answer></answer>", "<answer>a", r"\boxed{a"])
def test_unparsable(text):
    assert judged(text, pattern=".*").status is Status.UNPARSABLE


def test_a_bad_pattern_says_whose_fault_it_is():
    result = judged("a", gold="(a")
    assert (result.status, result.value) == (Status.ERROR, 0.0)
    assert result.detail.startswith("task t5: the gold '(a' is not a regular expression: missing ), unterminated")
    assert judged("a", gold=" ").detail == "task t5: no pattern, neither in params nor as the gold answer"
    with pytest.raises(ValueError, match=r"'\(a' is not a regular expression"):
        judged("a", pattern="(a")


def test_a_pattern_that_hangs_is_a_timeout_on_a_worker():
    term = Term("rewards.patterns:regex", params={"pattern": "(a|a)+b"})
    answers = [Answer.from_text(text) for text in ("aab", "a" * 60, "c", "ab")]
    results = score(term, [Task("t", "?", "")] * 4, answers, timeout_s=3.0, workers=1)
    assert [result.status for result in results] == [Status.OK, Status.TIMEOUT, Status.WRONG, Status.OK]
