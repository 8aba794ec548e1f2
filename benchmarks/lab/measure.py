"""Accuracy and thinking tokens of a model at every budget of a grid, from one generation per sample.

    python benchmarks/lab/measure.py CONFIG.yaml MODEL OUT.json --budgets 10 20 40 --efforts 1.0 --samples 4

Every held-out problem of the config is thought about `samples` times up to the largest budget; the thought is cut
at each budget and answered there once, as in training. OUT holds the verdict on every answer and the length of
every thought, so that tables can be made again without a model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewards.gym import reasoning_gym
from rewards.types import Status
from rl.actors import prompt_format
from rl.config import TrainConfig
from rl.config_file import load
from rl.tasks import load_data
from rollout.types import BudgetPrior, Group, Rollout, Task

SEED = 1 << 41
"""Of the samples: neither training nor the evaluations of a run use it."""


def verdicts(task: Task, rollout: Rollout) -> list[int]:
    """1 or 0 for the answer at each budget [S], by reasoning-gym's own scorer."""
    return [int(reasoning_gym(task, answers_A[0]).status is Status.OK) for answers_A in rollout.answers]


def record(groups: Sequence[Group]) -> dict[str, Any]:
    """`correct[E][N][G][S]` and `thinking[E][N][G]`, tokens of the thought, for E efforts and N problems."""
    efforts = groups[0].prior.efforts
    by_effort = [
        [(group.task, [r for g, r in enumerate(group.rollouts) if group.effort(g) == effort]) for group in groups]
        for effort in efforts
    ]
    return {
        "correct": [[[verdicts(task, r) for r in rollouts] for task, rollouts in part] for part in by_effort],
        "thinking": [[[len(r.token_ids) for r in rollouts] for _, rollouts in part] for part in by_effort],
    }


async def sample(config: TrainConfig, model: str, prior: BudgetPrior, samples: int) -> list[Group]:
    """`samples` rollouts of every held-out problem at each effort of the prior."""
    from transformers import AutoTokenizer

    from rollout.sampler import Sampler
    from rollout.vllm_engine import EngineSettings, VllmEngine

    knobs, (_, held_out) = config.rollout, load_data(config.data, seed=config.run.seed)
    engine = VllmEngine(
        EngineSettings(
            model,
            config.model.dtype,
            config.model.context,
            knobs.max_in_flight,
            temperature=knobs.temperature,
            threads=os.cpu_count() or 1,
        )
    )
    await engine.start()
    sampler = Sampler(engine, AutoTokenizer.from_pretrained(model), prompt_format(config), knobs.answer_tokens)
    size = samples * len(prior.efforts)
    groups = await sampler.groups(held_out, [prior] * len(held_out), size=size, seed=SEED)
    engine.close()
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--budgets", type=int, nargs="+", required=True)
    parser.add_argument("--efforts", type=float, nargs="+", default=[1.0])
    parser.add_argument("--samples", type=int, default=4)
    options = parser.parse_args()
    budgets, efforts = tuple(options.budgets), tuple(options.efforts)
    prior = BudgetPrior(budgets, (1 / len(budgets),) * len(budgets), kind="grid", efforts=efforts)
    os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "VLLM_LOGGING_LEVEL": "ERROR"}
    groups = asyncio.run(sample(load(options.config), options.model, prior, options.samples))
    asked = {"budgets": options.budgets, "efforts": options.efforts, "samples": options.samples}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({**asked, **record(groups)}))


if __name__ == "__main__":
    main()
