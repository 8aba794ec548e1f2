"""How each task of an evaluation is put to the model, and whether prompts and budgets fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rl.config import SamplingConfig
from rl.errors import BadInput
from rl.evaluation.cards import TaskCard
from rl.evaluation.config import EvalConfig
from rl.evaluation.models import SERVER, Model, longest_context
from rl.evaluation.recipes import recipe_of
from rl.launch import load_tokenizer
from rollout.prompts import PromptFormat, markers, prompt_ids
from rollout.strategies.base import Strategy
from rollout.types import Task


@dataclass(frozen=True)
class Asked:
    """The problems of a task, how they are put to the model, and the tokens of each prompt by its problem's id.

    `context` is the longest sequence that any of them can need.
    """

    tasks: tuple[Task, ...]
    style: PromptFormat
    prompt_tokens: Mapping[str, int]
    context: int


def ask(config: EvalConfig, model: Model, strategy: Strategy, tasks: Sequence[Sequence[Task]]) -> list[Asked]:
    """What each task of the config asks of the model.

    Raises BadInput for what a server cannot do, when the tokenizer lacks the end-of-thinking marker, when a prompt
    cannot be rendered, and when the longest prompt with the largest budget is more than the model's context.
    """
    styles = [style_of(card, config.rollout) for card in config.tasks]
    if model.weights.startswith(SERVER):
        from rl.evaluation.openai import check_possible  # brings the client

        check_possible(config)
        return [Asked(tuple(some), style, {}, 0) for style, some in zip(styles, tasks, strict=True)]
    from jinja2 import TemplateError

    codec, asked = load_tokenizer(model.weights), list[Asked]()
    for style, some in zip(styles, tasks, strict=True):
        try:
            marks = markers(style, codec)
            strategy.check(style, codec)
            tokens = {task.id: len(prompt_ids(task, style, codec, budget=config.budgets[-1])) for task in some}
        except (ValueError, TemplateError) as error:
            raise BadInput(f"model.path {config.model.path!r}: {error}") from error
        forced = len(marks.closing) + len(marks.cue) + config.rollout.answer_tokens
        beyond = strategy.room(config.budgets) + forced + 1
        worst = max(tokens, key=tokens.__getitem__)
        check_room(config, model, worst, tokens[worst], beyond)
        asked.append(Asked(tuple(some), style, tokens, tokens[worst] + beyond))
    return asked


def check_room(config: EvalConfig, model: Model, task: str, prompt: int, beyond: int) -> None:
    """Raise BadInput when a prompt of so many tokens and what may follow it exceed the context."""
    limits = {"model.context": config.model.context, "the model's max_position_embeddings": longest_context(model)}
    for name, limit in limits.items():
        if 0 < limit < prompt + beyond:
            raise BadInput(
                f"task {task} needs {prompt + beyond} tokens: {prompt} of prompt, budgets up to {config.budgets[-1]}, "
                f"an answer of {config.rollout.answer_tokens}; {name} is {limit}: lower budgets or "
                "rollout.answer_tokens, or leave that task out"
            )


def style_of(card: TaskCard, knobs: SamplingConfig) -> PromptFormat:
    """The card's wording with the run's marks."""
    recipe = recipe_of(card.prompt)
    system = card.system or recipe.system
    return PromptFormat(recipe.template, system, knobs.think_end, knobs.closing, knobs.cue)
