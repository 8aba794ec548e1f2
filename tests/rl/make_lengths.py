"""Hand-made groups whose rollouts have the lengths that a test is about."""

from __future__ import annotations

from collections.abc import Sequence

from make_groups import make_answer, make_rollout, verdict

from rewards.types import ScoredGroup, Status
from rollout.types import BudgetPrior, Finish, Group, Task


def length_group(
    lengths: Sequence[int],
    rewards: Sequence[float | Status],
    prior: BudgetPrior,
    *,
    cut: Sequence[int] = (),
    forced: int = 0,
    answer: int = 0,
) -> ScoredGroup:
    """Thoughts of `lengths` tokens; those of the rollouts in `cut` were closed by force.

    Each is followed by `forced` and `answer` tokens: none, unless a test is about what counts as length.
    """
    rollouts = tuple(
        make_rollout(
            (7,) * length,
            [[make_answer(prior.largest, length, (8,) * answer, forced=(9,) * forced)]],
            finish=Finish.BUDGET if g in cut else Finish.CLOSED,
        )
        for g, length in enumerate(lengths)
    )
    results = tuple(((verdict(reward),),) for reward in rewards)
    return ScoredGroup(Group(Task("t", "p", "a"), prior, rollouts), results)
