"""From a task to token ids, and which tokenizers and closings cannot enforce a budget."""

from __future__ import annotations

import pytest
from char_codec import CODEC, END, CharCodec, ids

from rollout.prompts import Markers, PromptFormat, markers, prompt_ids
from rollout.types import Task


def text(token_ids):
    return CODEC.decode(list(token_ids), skip_special_tokens=False)


def read(task, style, budget=32):
    """What the model reads, as text."""
    return text(prompt_ids(task, style, CODEC, budget=budget))


def test_the_plain_prompt_opens_the_thought():
    assert prompt_ids(Task("t", "2+2", "4"), PromptFormat(), CODEC, budget=32) == ids("user:2+2|<think>")


def test_template_system_and_budget_are_put_in_place():
    style = PromptFormat(template="Think at most {budget} tokens.\n{prompt}\n({budget})", system="Be brief.")
    assert read(Task("t", "2+2", "4"), style, 64) == (
        "system:Be brief.|user:Think at most 64 tokens.\n2+2\n(64)|<think>"
    )


def test_braces_of_a_problem_are_its_own():
    """LaTeX is full of them, and a problem may speak of {budget} or {prompt} itself."""
    style = PromptFormat(template="{prompt} within {budget}")
    problem = r"\frac{1}{2} of the {budget}, {prompt} {0} {}"
    assert read(Task("t", problem, "4"), style, 8) == f"user:{problem} within 8|<think>"


def test_markers_are_tokenised_once():
    assert markers(PromptFormat(), CODEC) == Markers(END, (END,), ())
    style = PromptFormat(closing="\nTime is up.</think>\n", cue="Answer: ")
    assert markers(style, CODEC) == Markers(END, ids("\nTime is up.</think>\n"), ids("Answer: "))


def test_another_end_marker():
    style = PromptFormat(think_end="|", closing="stop|")
    assert markers(style, CODEC) == Markers(ord("|"), ids("stop|"), ())


def test_a_tokenizer_without_the_marker_is_refused():
    with pytest.raises(ValueError, match=r"no single token for rollout.think_end='</think>': name the token"):
        markers(PromptFormat(), CharCodec(["<eos>", "<think>"]))


class UnknownWords(CharCodec):
    """A tokenizer that has one token for every marker that it does not know, as a WordLevel model has."""

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        return [ord("?")] if text == "</think>" else super().encode(text, add_special_tokens=add_special_tokens)


def test_an_unknown_token_is_no_marker():
    with pytest.raises(ValueError, match=r"no single token for rollout.think_end='</think>'"):
        markers(PromptFormat(), UnknownWords(["<eos>", "<think>"]))


def test_an_empty_end_marker_is_refused():
    with pytest.raises(ValueError, match=r"no single token for rollout.think_end=''"):
        markers(PromptFormat(think_end=""), CODEC)


@pytest.mark.parametrize("closing", ["", "Time is up.", "<think>"])
def test_a_closing_that_does_not_close_is_refused(closing):
    with pytest.raises(ValueError) as refused:
        markers(PromptFormat(closing=closing), CODEC)
    assert str(refused.value) == f"rollout.closing={closing!r} does not contain the end marker '</think>'"
