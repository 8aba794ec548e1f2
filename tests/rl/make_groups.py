"""Hand-made groups for tests: what an engine and a judge would have returned, in a few tokens."""

from __future__ import annotations

from collections.abc import Sequence

from rewards.types import RewardResult, ScoredGroup, Status
from rollout.types import Answer, BudgetPrior, Finish, Group, Rollout, Task, VersionSpan

PROMPT = (1, 2, 3)


def make_answer(
    budget: int, cut: int, tokens: Sequence[int], *, forced: Sequence[int] = (), version: int = 0
) -> Answer:
    """An answer of the given tokens; the log-probability of token i is -i / 10."""
    spans = (VersionSpan(version, 0, len(tokens)),) if tokens else ()
    logprobs = tuple(-token / 10 for token in tokens)
    return Answer(budget, cut, tuple(forced), tuple(tokens), logprobs, "", Finish.STOP, "", spans)


def make_rollout(
    thought: Sequence[int],
    answers: Sequence[Sequence[Answer]],
    *,
    finish: Finish = Finish.CLOSED,
    prompt: tuple[int, ...] = PROMPT,
    versions: tuple[VersionSpan, ...] | None = None,
) -> Rollout:
    """A thought of the given tokens under version 0; the log-probability of token i is -i / 10."""
    spans = (VersionSpan(0, 0, len(thought)),) if versions is None else versions
    logprobs = tuple(-token / 10 for token in thought)
    return Rollout(prompt, tuple(thought), logprobs, finish, spans, tuple(map(tuple, answers)))


def verdict(value: float | Status) -> RewardResult:
    """A reward, or a status without one."""
    if isinstance(value, Status):
        return RewardResult(value, 1.0)
    return RewardResult(Status.OK if value > 0 else Status.WRONG, value)


def outcome_group(rewards: Sequence[float | Status], *, budget: int = 8) -> ScoredGroup:
    """S = 1 and A = 1: every rollout thinks (10, 11) and answers (20)."""
    rollouts = tuple(make_rollout((10, 11), [[make_answer(budget, 2, (20,))]]) for _ in rewards)
    group = Group(Task("t", "p", "a"), BudgetPrior.single(budget), rollouts)
    return ScoredGroup(group, tuple(((verdict(reward),),) for reward in rewards))
