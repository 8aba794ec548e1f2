import pytest

from rewards import Status
from rewards.exact import exact
from rollout.types import Answer, Task


def status(gold: str, text: str) -> Status:
    result = exact(Task("t", "?", gold), Answer.from_text(text))
    assert result.value == (1.0 if result.status is Status.OK else 0.0)
    return result.status


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("8", "8"),
        ("8", " 8\n"),
        ("8", "so <answer> 8 </answer>"),
        ("8", r"\boxed{3} or \boxed{8}"),
        ("New York", "<answer>New \n York</answer>"),
        ("café", "<answer>cafe\u0301</answer>"),
        ("答え", "<answer>答え</answer>"),
        (" a  b ", "a b"),
    ],
)
def test_right(gold, text):
    assert status(gold, text) is Status.OK


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("8", "8.0"),
        ("8", "The answer is 8"),
        ("Yes", "yes"),
        ("8", "<answer>8</answer><answer>9</answer>"),
        ("8", "88"),
    ],
)
def test_wrong(gold, text):
    assert status(gold, text) is Status.WRONG


@pytest.mark.parametrize("text", ["", "  \n", "<answer></answer>", r"\boxed{}", "<answer>8", r"\boxed{8"])
def test_unparsable(text):
    assert status("8", text) is Status.UNPARSABLE


@pytest.mark.parametrize("text", ["", "8", "<answer></answer>"])
def test_an_empty_gold_answer_is_an_error_of_the_data(text):
    assert status("  ", text) is Status.ERROR


def test_detail_names_both():
    result = exact(Task("t", "?", "8"), Answer.from_text("<answer>9</answer>"))
    assert result.detail == "'9' is not '8'"
