"""What traps cost a judge: 10,000 answers of which 1 % hang, 1 % kill their worker and 1 % allocate without limit.

    python -m benchmarks.judge_traps --workers 2

Judges the clean 97 % and then all, each from fresh workers, and prints the ratio of the two throughputs without the
time that workers spend waiting for deadlines. As many workers as cores: then nothing else uses that time.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from pathlib import Path

from rewards.pool import WorkerPool
from rollout.types import Answer, Task

REWARD = Path(__file__).parents[1] / "tests/rewards/bad_rewards.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--deadline", type=float, default=0.25, help="seconds for one answer")
    parser.add_argument("--memory-mib", type=int, default=64, help="what an answer may allocate, and a trap will")
    options = parser.parse_args()
    rng, share = random.Random(0), options.answers // 100
    traps = dict(zip(rng.sample(range(options.answers), 3 * share), ["hang", "exit", "hoard"] * share, strict=True))
    texts = [traps.get(i, f"\\boxed{{{i} + {rng.randint(1, 9)}}}") for i in range(options.answers)]
    pairs = [(Task(str(i), "?", str(i)), Answer.from_text(text)) for i, text in enumerate(texts)]
    clean = [pair for i, pair in enumerate(pairs) if i not in traps]
    rates = list[float]()
    for batch, waiting in ((clean, 0.0), (pairs, share * options.deadline / options.workers)):
        with WorkerPool(
            f"{REWARD}:planted",
            workers=options.workers,
            timeout_s=options.deadline,
            memory_mib=options.memory_mib,
        ) as pool:
            start = time.monotonic()
            results = pool.judge(batch)
            seconds = time.monotonic() - start
        rates.append(len(batch) / (seconds - waiting))
        counts = dict(Counter(result.status.value for result in results))
        print(f"{len(batch):6} answers  {seconds:6.1f} s, {waiting:.1f} s of deadlines  {rates[-1]:6.0f}/s  {counts}")
    print(f"ratio {rates[1] / rates[0]:.2f}   (target: 0.8)")


if __name__ == "__main__":
    main()
