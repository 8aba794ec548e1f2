"""What a chat completion says: how a problem is asked for under a budget, and how a reply is read (pure).

A server closes no thought by force. A budget limits thought and answer together: a completion may have so many tokens
and the answer's own allowance. One that ends there before its thought did is no answer, whatever its text looks like.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from rl.config import SamplingConfig
from rl.evaluation.drafts import Draft, DraftTrial
from rl.evaluation.records import Thought
from rollout.prompts import PromptFormat
from rollout.strategies.base import Strategy
from rollout.strategies.stated import WORDINGS, Stated
from rollout.types import Answer, Finish, Task

LENGTH = "length"
"""The finish reason of a completion that had no tokens left."""


class Details(BaseModel):
    reasoning_tokens: int | None = None


class Usage(BaseModel):
    """What a request cost, as the server counts it."""

    prompt_tokens: int = 0
    completion_tokens: int
    completion_tokens_details: Details | None = None

    @property
    def reasoning(self) -> int:
        """Tokens of the thought; 0 where the server does not tell them."""
        return (self.completion_tokens_details and self.completion_tokens_details.reasoning_tokens) or 0


class Message(BaseModel):
    """`reasoning` is a thought that the server parted from the answer; `reasoning_content` was its name before."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class Choice(BaseModel):
    message: Message
    finish_reason: str | None = None


class Completion(BaseModel):
    """The part of a reply that an evaluation reads. A server that counts no tokens cannot be evaluated."""

    choices: Annotated[tuple[Choice, ...], Field(min_length=1)]
    usage: Usage


def template_of(strategy: Strategy, style: PromptFormat) -> str:
    """The user's message: a budget that is stated stands behind the problem, if the template has no place for it."""
    if not isinstance(strategy, Stated) or "{budget}" in style.template:
        return style.template
    return style.template + WORDINGS.get(strategy.wording, strategy.wording)


def messages(task: Task, style: PromptFormat, template: str, budget: int) -> list[dict[str, str]]:
    """What the server is told: the system's message where there is one, and the user's."""
    asked = template.replace("{budget}", str(budget)).replace("{effort}", "1.00")
    system = [{"role": "system", "content": style.system}] if style.system else []
    return [*system, {"role": "user", "content": asked.replace("{prompt}", task.prompt)}]


def most_tokens(strategy: Strategy, budget: int, knobs: SamplingConfig) -> int:
    """Tokens that a completion may have: the budget, or the cap of a stated one, and the answer's allowance."""
    cap = strategy.cap if isinstance(strategy, Stated) else 0
    return (cap or budget) + knobs.answer_tokens


def limit_name(url: str) -> str:
    """The field that limits a completion: every server knows `max_tokens`, but OpenAI's own thinking models do not."""
    return "max_completion_tokens" if urlsplit(url).hostname == "api.openai.com" else "max_tokens"


def sampling(knobs: SamplingConfig) -> dict[str, float]:
    """The sampling fields of a request. `top_k` is none of OpenAI's own, and only sent where it is set."""
    own = {"top_k": knobs.top_k} if knobs.top_k else {}
    return {"temperature": knobs.temperature, "top_p": knobs.top_p, **own}


def parted(completion: Completion, think_end: str) -> tuple[str, str, bool]:
    """Thought, answer, and whether the thought is over.

    A field of its own for the thought is believed; else the first `think_end` parts them. A text with neither is a
    thought if it opens one, or if it was cut: what was cut may have been thinking still. Else it is the answer of a
    model that does not think aloud, as is a cut text behind a thought that the server counts and does not show.
    """
    choice, usage = completion.choices[0], completion.usage
    thought, content = choice.message.reasoning or choice.message.reasoning_content or "", choice.message.content or ""
    if thought:
        return thought, content, bool(content)
    head, mark, tail = content.partition(think_end)
    if mark:
        return head, tail, True
    opened = content.lstrip().startswith(think_end.replace("/", "", 1))
    hidden = bool(content) and 0 < usage.reasoning < usage.completion_tokens
    cut = choice.finish_reason == LENGTH and not hidden
    return (content, "", False) if opened or cut else ("", content, True)


def tokens_of(usage: Usage, thought: str, answer: str) -> tuple[int, int]:
    """Tokens of thought and answer.

    As the server tells them; else its count is apportioned by characters. One that tells more for the thought than for
    all of the completion has counted the answer alone there.
    """
    total = usage.completion_tokens
    if usage.reasoning:
        return usage.reasoning, total - usage.reasoning if usage.reasoning <= total else total
    thinking = round(total * len(thought) / max(1, len(thought) + len(answer)))
    return thinking, total - thinking


def draft_of(completion: Completion, think_end: str, budget: int, place: int) -> tuple[Thought, Draft]:
    """The thought of a completion and its answer at a budget.

    A thought that was cut is `forced` with an empty answer, and so is one in which the model stopped, unforced; an
    answer that was cut is of finish LENGTH.
    """
    cut = completion.choices[0].finish_reason == LENGTH
    thought, text, closed = parted(completion, think_end)
    thinking, answering = tokens_of(completion.usage, thought, text)
    forced = cut and not closed
    ended = Finish.CLOSED if closed else Finish.BUDGET if cut else Finish.EMPTY
    finish = Finish.LENGTH if cut and closed else Finish.STOP if text else Finish.EMPTY
    answer = Answer(budget, thinking, (), (), (), text, finish, thought)
    draft = Draft(answer, place, forced, thinking + answering, thinking, answering)
    return Thought(thought, thinking, ended), draft


def trial_of(completions: Sequence[Completion], think_end: str, budgets: Sequence[int]) -> DraftTrial:
    """One sample of a problem from the completions [S] of its budgets; each has a thought of its own."""
    pairs = [
        draft_of(one, think_end, budget, place)
        for place, (one, budget) in enumerate(zip(completions, budgets, strict=True))
    ]
    thoughts, drafts = zip(*pairs, strict=True)
    return DraftTrial(tuple(thoughts), tuple(drafts), sum(draft.spent for draft in drafts))


def request_of(
    task: Task, style: PromptFormat, strategy: Strategy, budgets: Sequence[int], place: int, knobs: SamplingConfig
) -> dict[str, Any]:
    """Messages and sampling fields of the request for budget number `place`.

    A budget that the template names is the largest, as where one thought serves all; a stated one is its own.
    """
    named = budgets[place] if isinstance(strategy, Stated) else budgets[-1]
    return {"messages": messages(task, style, template_of(strategy, style), named), **sampling(knobs)}
