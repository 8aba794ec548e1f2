"""What sharing prefixes saves in training: tokens computed, and seconds of forward and backward.

    python benchmarks/tree_training.py --rollouts 3 --repeats 3

The quickstart's model on made-up rollouts. BRPO: thoughts of 1,024 tokens, cut at four budgets, four answers of 16 to
118 tokens at each cut. GRPO: eight rollouts of one prompt, short and long. The ways of sharing take turns in every
repeat; seconds are medians.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rl.aggregation import token_mean
from rl.batches import Rectangle, batch_of
from rl.model import Policy
from rl.samples import flatten
from rl.tiny import build_model, build_tokenizer
from rl.types import Credit
from rollout.types import Answer, BudgetPrior, Finish, Group, Rollout, Task, VersionSpan

FORCED = tuple(range(20, 28))  # a closing string and a cue


def tokens(rng: random.Random, count: int) -> tuple[int, ...]:
    return tuple(rng.randrange(7, 90) for _ in range(count))


def answer(rng: random.Random, budget: int, longest: int) -> Answer:
    ids = tokens(rng, rng.randint(16, longest))
    spans = (VersionSpan(0, 0, len(ids)),)
    return Answer(budget, budget, FORCED, ids, (-4.0,) * len(ids), "", Finish.STOP, versions=spans)


def group_of(
    rng: random.Random, *, prompt: int, budgets: tuple[int, ...], answers: int, rollouts: int, longest: int
) -> tuple[Group, Credit]:
    """Thoughts as long as the largest budget, with random credit everywhere."""
    shape = (rollouts, len(budgets), answers)
    asked, thinking = tokens(rng, prompt), budgets[-1]
    made = tuple(
        Rollout(
            prompt_ids=asked,
            token_ids=tokens(rng, thinking),
            logprobs=(-4.0,) * thinking,
            finish=Finish.BUDGET,
            versions=(VersionSpan(0, 0, thinking),),
            answers=tuple(tuple(answer(rng, budget, longest) for _ in range(answers)) for budget in budgets),
        )
        for _ in range(rollouts)
    )
    numbers = np.random.default_rng(rng.randrange(1 << 30))
    prior = BudgetPrior(budgets, (1 / len(budgets),) * len(budgets))
    return Group(Task("t", "p", "a"), prior, made), Credit(numbers.normal(size=shape[:2]), numbers.normal(size=shape))


def once(group: Group) -> int:
    """Tokens of one pass over prompt and thought of each rollout, and of its answers alone."""
    return sum(
        len(rollout.prompt_ids)
        + len(rollout.token_ids)
        + sum(len(one.forced_ids) + len(one.token_ids) for at_cut in rollout.answers for one in at_cut)
        for rollout in group.rollouts
    )


def seconds(policy: Policy, micros: Sequence[Rectangle]) -> float:
    """Forward and backward of one step's micro-batches, as the learner does them."""
    start = time.perf_counter()
    for micro in micros:
        forest = micro.forest
        how = () if forest is None else (forest.parent_NT, forest.depth_NT, forest.end_NT)
        logp_K, _ = policy(*(torch.from_numpy(array) for array in (micro.token_ids_NT, micro.mask_NT, *how)))
        (logp_K * torch.from_numpy(micro.advantage_K * micro.weight_K).float()).sum().backward()
    policy.zero_grad()
    return time.perf_counter() - start


def compare(title: str, policy: Policy, made: tuple[Group, Credit], shares: Sequence[str], options: Any) -> None:
    """Print a row for each way of sharing, copies first, and what the others save of them."""
    group, credit = made
    steps = {
        share: batch_of(flatten(group, credit, share), token_mean, ranks=1, micro_tokens=options.micro_tokens)[0]
        for share in shares
    }
    times: dict[str, list[float]] = {share: [] for share in shares}
    for _ in range(options.repeats + 1):
        for share, micros in steps.items():
            times[share].append(seconds(policy, micros))
    took = {share: statistics.median(taken[1:]) for share, taken in times.items()}  # the first warms up
    computed = {share: sum(micro.tokens for micro in micros) for share, micros in steps.items()}
    print(
        f"\n{title}\n{'share':9} {'tokens':>8} {'padded':>8} {'seconds':>8} {'fewer':>7} {'faster':>7} {'of once':>8}"
    )
    for share, micros in steps.items():
        padded = sum(micro.token_ids_NT.size for micro in micros)
        fewer, faster = computed["none"] / computed[share], took["none"] / took[share]
        print(
            f"{share:9} {computed[share]:8,} {padded:8,} {took[share]:8.2f} {fewer:6.2f}x {faster:6.2f}x "
            f"{computed[share] / once(group):7.2f}x"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=3, help="of the BRPO step")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--micro-tokens", type=int, default=16_384)
    options = parser.parse_args()
    rng = random.Random(0)
    policy = Policy(build_model(build_tokenizer(), context=4096, tie_embeddings=True, seed=0), 1.0, "sdpa")
    brpo = {"budgets": (256, 512, 768, 1024), "answers": 4, "longest": 118, "rollouts": options.rollouts}
    title = (
        f"BRPO, {options.rollouts} thoughts of 1,024 tokens, 4 cuts x 4 answers (targets: of once <= 1.1, faster >= 2)"
    )
    compare(title, policy, group_of(rng, prompt=64, **brpo), ("none", "rollout"), options)
    for prompt in (11, 512):
        grpo = {"budgets": (48,), "answers": 1, "longest": 17, "rollouts": 8}
        title = f"GRPO, 8 rollouts of about 73 tokens below a prompt of {prompt}"
        compare(title, policy, group_of(rng, prompt=prompt, **grpo), ("none", "group"), options)
    print('\n"of once" is against one pass over each prompt and thought, and over each answer alone.')


if __name__ == "__main__":
    main()
