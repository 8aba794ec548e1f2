"""From what a strategy sampled to what is judged, and with the verdicts to what is kept (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rewards.extract import final
from rewards.types import RewardResult
from rl.evaluation.records import Problem, Thought, Trial, Verdict
from rl.rollout_records import thought_finish
from rollout.types import Answer, Finish, Group, Rollout, Task


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that is not judged yet: which thought of its trial it follows, and what it costs alone."""

    answer: Answer
    thought: int
    forced: bool
    spent: int
    thinking_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class DraftTrial:
    """One sample of a problem before its verdicts: `drafts` [S] ascend by budget."""

    thoughts: tuple[Thought, ...]
    drafts: tuple[Draft, ...]
    sampled: int


def trials_of(groups: Sequence[Group]) -> list[DraftTrial]:
    """The trials [G] of a problem, whose budgets may be spread over several groups of G rollouts."""
    return [_trial([group.rollouts[g] for group in groups]) for g in range(len(groups[0].rollouts))]


def _trial(rollouts: Sequence[Rollout]) -> DraftTrial:
    drafts = [
        _draft(rollout, answer, place)
        for place, rollout in enumerate(rollouts)
        for answers_A in rollout.answers
        for answer in answers_A
    ]
    in_order = sorted(drafts, key=lambda draft: draft.answer.budget)
    return DraftTrial(tuple(map(_thought, rollouts)), tuple(in_order), sum(map(sampled_tokens, rollouts)))


def _thought(rollout: Rollout) -> Thought:
    longest = max((answer for row in rollout.answers for answer in row), key=lambda answer: answer.prefix_len)
    return Thought(longest.thought, len(rollout.token_ids), rollout.finish)


def _draft(rollout: Rollout, answer: Answer, place: int) -> Draft:
    """A reward may read the tokens of the thought as well."""
    spent = answer.prefix_len + len(answer.forced_ids) + len(answer.token_ids) + rollout.discarded
    return Draft(
        answer=replace(answer, thought_ids=rollout.token_ids[: answer.prefix_len]),
        thought=place,
        forced=thought_finish(rollout, answer) is Finish.BUDGET,
        spent=spent,
        thinking_tokens=answer.prefix_len,
        answer_tokens=len(answer.token_ids),
    )


def sampled_tokens(rollout: Rollout) -> int:
    """What the engine sampled for a rollout: a token of the thought without a weight version was inserted."""
    thought = sum(span.end - span.start for span in rollout.versions)
    answers = sum(len(answer.token_ids) for row in rollout.answers for answer in row)
    return thought + answers + rollout.discarded


def problem_of(
    task: Task,
    level: str,
    trials: Sequence[DraftTrial],
    results: Sequence[RewardResult],
    confidence: Callable[[Task, Answer], float | None],
) -> Problem:
    """The record of a problem, from the verdicts [G × S] on its drafts in their order."""
    verdicts = iter(results)
    kept = tuple(
        Trial(
            trial.thoughts,
            tuple(_verdict(draft, next(verdicts), confidence(task, draft.answer)) for draft in trial.drafts),
            trial.sampled,
        )
        for trial in trials
    )
    return Problem(task.id, task.prompt, task.answer, task.source, level, kept)


def _verdict(draft: Draft, result: RewardResult, confidence: float | None) -> Verdict:
    answer = draft.answer
    return Verdict(
        budget=answer.budget,
        status=result.status,
        value=float(result.value),
        text=answer.text,
        final=final(answer.text),
        thought=draft.thought,
        cut=len(answer.thought),
        thinking_tokens=draft.thinking_tokens,
        forced=draft.forced,
        answer_tokens=draft.answer_tokens,
        finish=answer.finish,
        spent=draft.spent,
        confidence=confidence,
        detail=result.detail,
    )
