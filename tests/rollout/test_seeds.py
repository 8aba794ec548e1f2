"""Whole groups: their order, and that a seed belongs to one request and to nothing else."""

from __future__ import annotations

from itertools import product

import pytest
from char_codec import END, by_seed, sample, teller

from rollout.prompts import PromptFormat
from rollout.sampler import seed_of
from rollout.types import BudgetPrior, Task


def test_groups_come_in_the_order_of_the_tasks():
    tasks = [Task(name, name, "4") for name in ("t2", "t0", "t1")]
    groups, engine = sample(lambda prompt, seed: (END, seed % 1000 + 100), [8], tasks=tasks, size=3)
    assert [group.task for group in groups] == tasks
    assert [group.prior for group in groups] == [BudgetPrior.single(8)] * 3
    assert [len(group.rollouts) for group in groups] == [3, 3, 3]
    assert [draw.n for draw in engine.draws] == [3, 3, 3]
    for task, group in zip(tasks, groups, strict=True):
        first = [rollout.answers[0][0].token_ids[0] for rollout in group.rollouts]
        assert first == [(seed_of(0, task.id, 0, 1.0) + g) % 1000 + 100 for g in range(3)]


def test_the_same_arguments_give_the_same_tokens_and_another_seed_others():
    def walk(prompt, seed):
        return [100 + (seed >> shift) % 50 for shift in range(9)]

    one, again, other = (sample(walk, [2, 5], answers=2, size=3, seed=seed)[0] for seed in (7, 7, 8))
    assert one == again
    assert one != other


def test_a_seed_is_the_same_in_every_process():
    assert seed_of(0, "t") == 235491946854725
    assert seed_of(0, "t", 0) == 237543729533508
    assert seed_of(1, "2") != seed_of(12, "") != seed_of("", 12)
    assert all(0 <= seed_of(0, i) < 1 << 48 for i in range(100))


def test_no_two_requests_share_a_seed():
    """Over 3 tasks, 4 rollouts, 3 budgets and 2 answers: 12 thoughts and 72 answers."""
    tasks = [Task(f"t{i}", "2+2", "4") for i in range(3)]
    _, engine = sample(by_seed, [2, 3, 4], answers=2, size=4, tasks=tasks)
    seeds = [draw.seed + i for draw in engine.draws for i in range(draw.n)]
    assert len(seeds) == 12 + 72
    assert len(set(seeds)) == len(seeds)


def test_neighbouring_seeds_of_a_run_share_nothing():
    """A run samples its batches with consecutive seeds, the rollouts of a group with consecutive ones too."""
    seeds = [seed_of(seed, f"t{i}") + g for seed, i, g in product(range(20), range(20), range(20))]
    assert len(set(seeds)) == 20**3


def test_a_bad_tokenizer_is_refused_before_anything_is_sampled():
    with pytest.raises(ValueError, match="does not contain the end marker"):
        sample(teller("a"), [8], style=PromptFormat(closing="enough"))
