"""What accuracy at eight budgets costs from one generation, and whether it is the accuracy of separate runs.

    python -m benchmarks.eval_forks --run runs/quickstart

First the cost, on one engine, the same prompts, alternating in one call: thoughts of the largest budget alone, the
same thoughts cut and answered at eight budgets, and a generation of its own for each budget. The model is the
quickstart's, random, and never ends a thought or an answer by itself (see fork_rollouts.py): the worst case for the
forks. Then, with `--run`, the agreement: the trained model of a quickstart run on its held-out problems, forked and
separate, with 95 % intervals of the paired difference over problems.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fork_rollouts import endless_model
from rl.evaluation.drafts import sampled_tokens
from rollout.prompts import PromptFormat
from rollout.sampler import Sampler
from rollout.strategies.base import Strategy
from rollout.strategies.hard import Hard, Separate
from rollout.types import Group, Task


@dataclass(frozen=True)
class Way:
    """One way to spend an evaluation: a strategy on budgets."""

    name: str
    strategy: Strategy
    budgets: tuple[int, ...]


def ways(largest: int, count: int) -> list[Way]:
    budgets = tuple(largest * (i + 1) // count for i in range(count))
    return [
        Way("largest alone", Hard(), (largest,)),
        Way(f"{count} budgets, forked", Hard(), budgets),
        Way(f"{count} separate runs", Separate(), budgets),
    ]


async def spend(sampler: Sampler, way: Way, tasks: Sequence[Task], samples: int, seed: int) -> tuple[float, int]:
    """Seconds, and tokens that the engine sampled."""
    start = time.perf_counter()
    asked = (way.strategy.groups(sampler, task, way.budgets, samples, seed) for task in tasks)
    groups: list[Group] = [group for found in await asyncio.gather(*asked) for group in found]
    seconds = time.perf_counter() - start
    return seconds, sum(sampled_tokens(rollout) for group in groups for rollout in group.rollouts)


async def cost(model: Path, options: argparse.Namespace) -> None:
    from transformers import AutoTokenizer

    from rollout.vllm_engine import EngineSettings, VllmEngine

    context = options.largest + options.answer_tokens + 64
    engine = VllmEngine(EngineSettings(str(model), "float32", context, max_in_flight=256, threads=2))
    await engine.start()
    sampler = Sampler(engine, AutoTokenizer.from_pretrained(model), PromptFormat(), options.answer_tokens)
    tasks = [Task(str(i), f"{i % 10}+{i // 10}-3+5", "0") for i in range(options.problems)]
    compared = ways(options.largest, options.budgets)
    seconds: dict[str, list[float]] = {way.name: [] for way in compared}
    tokens: dict[str, int] = {}
    for repeat in range(options.repeats + 1):  # the first is a warm-up
        for way in compared:
            taken, tokens[way.name] = await spend(sampler, way, tasks, options.samples, repeat << 20)
            seconds[way.name].append(taken)
    engine.close()
    print(
        f"{options.problems} problems x {options.samples} thoughts of {options.largest} tokens, "
        f"answers of {options.answer_tokens}, medians of {options.repeats}"
    )
    print(f"{'':<22} {'seconds':>8} {'of alone':>9} {'tokens':>9} {'of alone':>9}")
    alone_s, alone = statistics.median(seconds["largest alone"][1:]), tokens["largest alone"]
    for name, times in seconds.items():
        took = statistics.median(times[1:])
        print(f"{name:<22} {took:8.2f} {took / alone_s:8.2f}x {tokens[name]:9,} {tokens[name] / alone:8.2f}x")
    print("targets: forked at most 1.5x the seconds and 1.15x the tokens, separate at least 4x")


def agreement(run: Path, samples: int) -> None:
    from rl.evaluation.command import assemble
    from rl.evaluation.run import evaluate

    with tempfile.TemporaryDirectory() as folder:
        words = [f"out={folder}/forks", "check_forks=1000000", "budgets=[8,16,20,24,28,32,40,48]"]
        evaluate(assemble(words, [f"model.path={run}", f"samples={samples}"]))
        found = json.loads((Path(folder) / "forks" / "eval.json").read_text())["forks"]
    print(f"\n{found['n_problems']} held-out problems x {samples}: accuracy at each budget")
    print(f"{'budget':>7} {'forked':>8} {'separate':>9} {'difference':>11} {'95 % interval':>17}")
    for point in found["budgets"]:
        numbers = (100 * point[key] for key in ("accuracy_a", "accuracy_b", "difference", "ci_low", "ci_high"))
        a, b, gap, low, high = numbers
        print(f"{point['budget']:>7} {a:7.1f}% {b:8.1f}% {gap:+10.1f}% {low:+8.1f} to {high:+5.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=1024, help="tokens of a thought")
    parser.add_argument("--budgets", type=int, default=8)
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--answer-tokens", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--run", type=Path, help="folder of a finished quickstart run")
    options = parser.parse_args()
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    with tempfile.TemporaryDirectory() as folder:
        endless_model(Path(folder), options.largest + options.answer_tokens + 64)
        asyncio.run(cost(Path(folder), options))
    if options.run:
        agreement(options.run, options.samples)


if __name__ == "__main__":
    main()
