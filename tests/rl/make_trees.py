"""Random groups with everything that a tree can have: early ends, cuts without forced tokens, gaps in the credit."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
from make_groups import make_answer, make_rollout

from rl.types import Credit
from rollout.types import BudgetPrior, Finish, Group, Rollout, Task

BUDGETS, ANSWERS, ROLLOUTS = (3, 6, 9, 14), 3, 4
FORCED = (60, 61)


def random_group(seed: int, *, prompts: int = 1) -> tuple[Group, Credit]:
    """Four thoughts of 0 to 14 tokens, cut at four budgets, three answers of 0 to 5 tokens at each cut.

    A thought that closed itself is answered without forced tokens. No two sampled tokens have the same
    log-probability. The rollouts take turns with `prompts` different prompts.
    """
    rng = random.Random(seed)
    rollouts = tuple(_rollout(rng, tuple(range(7, 11 + g % prompts))) for g in range(ROLLOUTS))
    prior = BudgetPrior(BUDGETS, (0.25,) * 4, answers=ANSWERS)
    numbers = np.random.default_rng(seed)
    thought, answer = numbers.normal(size=(4, 4)), numbers.normal(size=(4, 4, 3))
    thought[numbers.random(thought.shape) < 0.1] = np.nan
    answer[numbers.random(answer.shape) < 0.2] = np.nan
    return Group(Task(f"t{seed}", "p", "a"), prior, rollouts), Credit(thought, answer)


def _rollout(rng: random.Random, prompt: tuple[int, ...]) -> Rollout:
    length = rng.choice((0, 2, 3, 5, 8, 11, 14, 14))
    closed = rng.random() < 0.5
    answers = [[_answer(rng, b, min(b, length), closed and b >= length) for _ in range(ANSWERS)] for b in BUDGETS]
    finish = Finish.CLOSED if closed else Finish.BUDGET
    rollout = make_rollout([rng.randrange(7, 90) for _ in range(length)], answers, finish=finish, prompt=prompt)
    return _told(rng, rollout)


def _answer(rng: random.Random, budget: int, cut: int, closed: bool):
    tokens = [rng.randrange(7, 90) for _ in range(rng.choice((0, 1, 2, 3, 5)))]
    return _told(rng, make_answer(budget, cut, tokens, forced=() if closed else FORCED))


def _told(rng: random.Random, record):
    """A rollout or an answer with log-probabilities of its own."""
    return replace(record, logprobs=tuple(rng.uniform(-6, -4) for _ in record.token_ids))
