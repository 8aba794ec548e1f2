import pytest

from rewards import Status
from rewards.math_answer import math
from rollout.types import Answer, Task


def status(gold: str, text: str) -> Status:
    result = math(Task("t", "?", gold), Answer.from_text(text))
    assert result.value == (1.0 if result.status is Status.OK else 0.0)
    return result.status


@pytest.mark.parametrize(
    "text",
    [
        "8",
        "8.",
        "**8**",
        "<answer>8</answer>",
        "<answer>\n8\n</answer>",
        r"\boxed{8}",
        r"<answer>\boxed{8}</answer>",
        "#### 8",
        "First 3 + 5 = <<3+5=8>>8.\n#### 8",
        "The answer is 8",
        "The answer is 8.",
        "A: 8",
        "3 + 5 = 8 eggs\nA: 8",
        r"The final answer is $\boxed{8}$.",
        r"\boxed{3} is wrong, it is \boxed{8}",
        r"\boxed{8} and \boxed{",
        r"\boxed{x = 8}",
        "<answer>8 dollars</answer>",
        "<answer>$8.00</answer>",
        r"\boxed{8 \text{ apples}}",
        r"\boxed{2^3}",
        "8</answer>",
    ],
)
def test_eight_in_many_spellings(text):
    assert status("8", text) is Status.OK


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        (r"\frac{1}{2}", r"\boxed{0.5}"),
        ("1/2", "<answer>50%</answer>"),
        ("1,234", "#### 1234"),
        ("-5", r"\boxed{−5}"),
        ("x^2+2x+1", r"\boxed{(x+1)^2}"),
        (r"2\pi", r"2\pi"),
        (r"\{1, 2\}", r"\boxed{\{2, 1\}}"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", "\\boxed{\\begin{pmatrix}\n1\\\\\n2\n\\end{pmatrix}}"),
        (r"\text{Evelyn}", r"\boxed{Evelyn}"),
        (r"\text{(B)}", r"\boxed{B}"),
        ("She sold 48/2 = 24.\n#### 72", r"\boxed{72}"),
        (r"It is \boxed{8}", "8"),
        (r"7\text{ hours}.", r"<answer>\boxed{7\text{ hours}.}</answer>"),
    ],
)
def test_equal_in_value(gold, text):
    assert status(gold, text) is Status.OK


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("8", "9"),
        ("8", r"\boxed{8} no, \boxed{3}"),
        ("8", "-8"),
        ("5", r"\boxed{5, 6}"),
        ("5", r"<answer>5 or 6</answer>"),
        ("2", r"2\pi"),
        ("1/3", "0.33"),
        ("(1, 2)", r"\boxed{(2, 1)}"),
        ("8", r"\boxed{" + "18" * 3000 + "}"),
    ],
)
def test_wrong(gold, text):
    assert status(gold, text) is Status.WRONG


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "??",
        r"\boxed{}",
        r"\boxed{",
        r"\boxed{8",
        "<answer>8",
        "no idea",
        "答案",
        "(" * 5000,
        r"\boxed{" * 900,
    ],
)
def test_unparsable(text):
    assert status("8", text) is Status.UNPARSABLE


@pytest.mark.parametrize("gold", ["", "  ", "???", r"\frac{1}{", r"\boxed{}", "####"])
def test_a_gold_answer_that_cannot_be_read_never_gives_a_reward(gold):
    for text in (gold, "8", rf"\boxed{{{gold}}}", f"<answer>{gold}</answer>", ""):
        result = math(Task("t17", "?", gold), Answer.from_text(text))
        assert result.status is Status.ERROR
        assert result.value == 0.0
        assert result.detail.startswith("task t17: cannot read the gold answer")
