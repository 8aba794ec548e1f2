"""What anytime rollouts cost: answers at four cuts of a thought, four at each, against one answer at its end.

    python benchmarks/fork_rollouts.py --lengths 256 512 1024

One engine, the same prompts and seeds, alternating in one call: a BRPO step (4 budgets x 4 answers) and a
GRPO step (1 x 1) think the same thoughts. The model is the quickstart's, random, and never ends a thought or
an answer by itself, so every thought is as long as its budget and every answer as its allowance: the worst
case for the forks. Prints seconds of each, their ratio, and the tokens that were read again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch

from rl.priors import even_prior
from rl.tiny import EOS, THINK_END, build_model, build_tokenizer
from rollout.prompts import PromptFormat
from rollout.sampler import Sampler
from rollout.types import BudgetPrior, Group, Task

FOREVER = 6.0
"""A direction of the residual stream that is as large for every token; only the ends look at it, and away."""


def endless_model(folder: Path, context: int) -> None:
    """The tiny model, random, whose ends have a logit far below all others."""
    codec = build_tokenizer()
    model = build_model(codec, context=context, tie_embeddings=False, seed=0)
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 0] = FOREVER
        model.lm_head.weight[:, 0] = 0.0
        for end in codec.convert_tokens_to_ids([EOS, THINK_END]):
            model.lm_head.weight[end] = 0.0
            model.lm_head.weight[end, 0] = -100.0
    model.save_pretrained(folder)
    codec.save_pretrained(folder)


def recomputed(groups: list[Group]) -> int:
    return sum(rollout.recomputed for group in groups for rollout in group.rollouts)


async def measure(model: Path, lengths: list[int], prompts: int, group: int, answer_tokens: int, repeats: int) -> None:
    from transformers import AutoTokenizer

    from rollout.vllm_engine import EngineSettings, VllmEngine

    context = max(lengths) + answer_tokens + 64
    engine = VllmEngine(EngineSettings(str(model), "float32", context, max_in_flight=256, threads=2))
    await engine.start()
    sampler = Sampler(engine, AutoTokenizer.from_pretrained(model), PromptFormat(), answer_tokens)
    tasks = [Task(str(i), f"{i % 10}+{i // 10}-3+5", "0") for i in range(prompts)]
    print(f"{prompts} prompts x {group}, answers of {answer_tokens} tokens, medians of {repeats}")
    heads = ("GRPO s", "BRPO s", "ratio", "read again", "of prefixes")
    print(f"{'thought':>8} " + " ".join(f"{head:>12}" for head in heads) + "   (target ratio: 1.25)")
    for length in lengths:
        brpo = even_prior(length, 4, "uniform")
        brpo = BudgetPrior(brpo.tokens, brpo.probs, answers=4)
        seconds: dict[BudgetPrior, list[float]] = {BudgetPrior.single(length): [], brpo: []}
        again = 0
        for repeat in range(repeats + 1):  # the first is a warm-up
            for prior, times in seconds.items():
                start = time.perf_counter()
                groups = await sampler.groups(tasks, [prior] * prompts, size=group, seed=repeat)
                times.append(time.perf_counter() - start)
                again = recomputed(groups) if prior == brpo else again
        grpo_s, brpo_s = (statistics.median(times[1:]) for times in seconds.values())
        prefixes = prompts * group * 4 * sum(brpo.tokens)
        print(
            f"{length:8} {grpo_s:12.2f} {brpo_s:12.2f} {brpo_s / grpo_s:12.2f} {again:12,} {again / prefixes:12.1%}",
            flush=True,
        )
    engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=[256, 512, 1024], help="tokens of a thought")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--answer-tokens", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    with tempfile.TemporaryDirectory() as folder:
        endless_model(Path(folder), max(options.lengths) + options.answer_tokens + 64)
        asyncio.run(
            measure(
                Path(folder), options.lengths, options.prompts, options.group, options.answer_tokens, options.repeats
            )
        )


if __name__ == "__main__":
    main()
