"""Reading chat completions: thoughts in a field or in the text, cut or whole, and whose tokens are whose."""

from __future__ import annotations

from typing import Any

import pytest

from rl.evaluation.completions import Completion, Usage, draft_of, messages, parted, template_of, tokens_of, trial_of
from rollout.prompts import PromptFormat
from rollout.strategies.hard import Hard
from rollout.strategies.stated import Stated
from rollout.types import Finish, Task

END = "</think>"


def completion(
    content: str | None, reason: str, tokens: int = 10, told: int | None = None, **fields: Any
) -> Completion:
    """`fields` are further ones of the message; `told` is the server's count of the thought's tokens."""
    details = None if told is None else {"reasoning_tokens": told}
    usage = {"prompt_tokens": 3, "completion_tokens": tokens, "completion_tokens_details": details, "total_tokens": 99}
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **fields}, "finish_reason": reason}
    return Completion.model_validate({"id": "x", "choices": [choice], "usage": usage})


@pytest.mark.parametrize(
    ("content", "reason", "told", "fields", "expected"),
    [
        ("8", "stop", None, {"reasoning_content": "5+3"}, ("5+3", "8", True)),
        ("8", "stop", 4, {"reasoning": "5+3"}, ("5+3", "8", True)),
        ("8", "stop", None, {"reasoning": None, "reasoning_content": "5+3"}, ("5+3", "8", True)),
        ("8 </think> 9", "stop", None, {"reasoning": "5+3"}, ("5+3", "8 </think> 9", True)),
        (None, "length", None, {"reasoning": "5+3 is \\boxed{8}"}, ("5+3 is \\boxed{8}", "", False)),
        ("", "stop", None, {"reasoning": "5+3"}, ("5+3", "", False)),
        ("<think>5+3</think>8", "stop", None, {}, ("<think>5+3", "8", True)),
        ("5+3</think>8 </think>", "length", None, {}, ("5+3", "8 </think>", True)),
        ("5+3 is \\boxed{8}", "length", None, {}, ("5+3 is \\boxed{8}", "", False)),
        (" <think>5+3 is 8", "stop", None, {}, (" <think>5+3 is 8", "", False)),
        ("The sum is 8", "stop", None, {}, ("", "The sum is 8", True)),
        ("The sum is", "length", 6, {}, ("", "The sum is", True)),  # the thought is counted and not shown
        ("<think>5+3 is 8", "length", 6, {}, ("<think>5+3 is 8", "", False)),
        ("5+3 is 8", "length", 10, {}, ("5+3 is 8", "", False)),  # counted, not parted, and all of it
        ("", "length", 10, {}, ("", "", False)),
        (None, "content_filter", None, {}, ("", "", True)),
    ],
)
def test_a_thought_and_an_answer_are_told_apart(content, reason, told, fields, expected):
    assert parted(completion(content, reason, told=told, **fields), END) == expected


def test_tokens_are_the_servers_where_it_tells_them():
    usage = completion("8", "stop", tokens=10, told=7).usage
    assert tokens_of(usage, "a very long thought that is not counted by characters", "8") == (7, 3)
    apart = completion("8", "stop", tokens=4, told=300).usage  # the completion counts the answer alone
    assert tokens_of(apart, "", "8") == (300, 4)


def test_tokens_are_apportioned_by_characters_where_it_does_not():
    assert tokens_of(Usage(completion_tokens=10), "x" * 30, "y" * 10) == (8, 2)
    assert tokens_of(completion("", "stop", tokens=10, told=0).usage, "x" * 30, "y" * 10) == (8, 2)
    assert tokens_of(Usage(completion_tokens=10), "", "y") == (0, 10)
    assert tokens_of(Usage(completion_tokens=10), "x", "") == (10, 0)
    assert tokens_of(Usage(completion_tokens=0), "", "") == (0, 0)


@pytest.mark.parametrize(
    ("content", "reason", "thought_ended", "finish", "forced", "text"),
    [
        ("5+3</think>8", "stop", Finish.CLOSED, Finish.STOP, False, "8"),
        ("5+3</think>8 because", "length", Finish.CLOSED, Finish.LENGTH, False, "8 because"),
        ("5+3</think>", "length", Finish.CLOSED, Finish.LENGTH, False, ""),
        ("5+3 is \\boxed{8}", "length", Finish.BUDGET, Finish.EMPTY, True, ""),
        ("<think>5+3 is \\boxed{8}", "stop", Finish.EMPTY, Finish.EMPTY, False, ""),
        ("5+3</think>", "stop", Finish.CLOSED, Finish.EMPTY, False, ""),
    ],
)
def test_how_thought_and_answer_ended(content, reason, thought_ended, finish, forced, text):
    thought, draft = draft_of(completion(content, reason), END, 16, 2)
    assert (thought.finish, draft.answer.finish, draft.forced, draft.answer.text) == (
        thought_ended,
        finish,
        forced,
        text,
    )
    assert (draft.answer.budget, draft.thought, draft.answer.token_ids, draft.answer.thought_ids) == (16, 2, (), ())
    assert draft.spent == draft.thinking_tokens + draft.answer_tokens == 10
    assert draft.answer.thought == thought.text


def test_a_trial_has_a_thought_for_each_budget():
    short = completion("is it 7?", "length", tokens=6)
    long = completion("is it 7? no:</think>8", "stop", tokens=13)
    trial = trial_of([short, long], END, [4, 8])
    assert [draft.answer.budget for draft in trial.drafts] == [4, 8]
    assert [thought.text for thought in trial.thoughts] == ["is it 7?", "is it 7? no:"]
    assert [(draft.thinking_tokens, draft.answer_tokens) for draft in trial.drafts] == [(6, 0), (12, 1)]
    assert trial.sampled == 19


def test_a_reply_without_tokens_or_choices_is_none():
    for broken in ({"choices": [{"message": {"content": "8"}}]}, {"choices": [], "usage": {"completion_tokens": 1}}):
        with pytest.raises(ValueError, match="1 validation error"):
            Completion.model_validate(broken)


def test_what_the_model_reads():
    task, style = Task("t", "Is {budget} a brace?", "yes"), PromptFormat("{prompt} Go.", "Be brief.")
    assert messages(task, style, template_of(Hard(), style), 64) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Is {budget} a brace? Go."},
    ]
    own = PromptFormat("{prompt} Think for {budget}.")
    for strategy, form, said in (
        (Stated(), style, " Go. Think for maximum 64 tokens."),
        (Stated("l1_exact"), style, " Go. Think for 64 tokens."),
        (Stated(" At most {budget}!"), style, " Go. At most 64!"),
        (Stated(), own, " Think for 64."),
        (Hard(), own, " Think for 64."),
    ):
        assert messages(task, form, template_of(strategy, form), 64)[-1]["content"] == "Is {budget} a brace?" + said
