"""The same tiny model on the same prompts with TRL's GRPOTrainer and with Ration, in alternating blocks.

    python benchmarks/vs_trl.py --blocks 4 --steps 5

Ration trains twice: strictly on-policy, as TRL does, and with one batch sampled ahead of the learner.
Prints samples/s and sampled tokens/s of each, their ratios, where Ration's time goes, and what share of
the tokens/s of a bare vLLM (the same requests, nothing around it) its on-policy rollout phase reaches.
Both train in float32 on the CPU: batch, group, lengths, learning rate and reward are the same. TRL
generates with `transformers`: its colocated vLLM fails on a CPU at the first weight update.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ray

from rewards.judge import PoolJudge
from rl import controller
from rl.actors import prompt_format
from rl.algorithms import build
from rl.cluster import Cluster, gather, named
from rl.config import TrainConfig
from rl.config_file import load
from rl.launch import prepare_model, start_judge
from rl.placement import threads_each
from rl.tasks import TaskStream, load_data
from rl.triggers import Trigger
from rollout.prompts import prompt_ids
from rollout.types import Task

PHASES = ("rollout", "reward", "learn", "publish")
MODES = {"Ration, on-policy": 0, "Ration, one ahead": 1}
"""What Ration is measured with: `run.lookahead`."""


@dataclasses.dataclass
class Block:
    """What one system did in one block of steps."""

    seconds: float
    samples: int
    tokens: int


def ration_blocks(config: TrainConfig, cluster: Cluster, judge: PoolJudge, tasks: Sequence[Task]) -> Any:
    """A function that trains some more steps, so many batches ahead, with the product's own loop: their rows."""
    rows: list[dict[str, float]] = []
    run = controller.Run(
        algorithm=build(config.algorithm),
        trigger=Trigger(None),
        tasks=TaskStream(tasks, config.run.seed),
        engines=cluster.engines,
        judge=judge,
        learner=cluster.learner,
        steps=0,
        lookahead=0,
        prompts=config.rollout.prompts_per_step,
        group_size=config.rollout.group_size,
        drop_zero_signal=config.learner.drop_zero_signal,
        share=config.learner.share,
        seed=config.run.seed,
        sampled_total=0,
        max_sampled_tokens=0,
        save_every=0,
        check=lambda scored: None,
        evaluate=lambda done, anyway: dict,
        log=lambda row, scored: rows.append(row),
        moved=lambda step, cause: None,
        save=lambda done, row: None,
        stopping=lambda: False,
    )

    def more(steps: int, lookahead: int) -> list[dict[str, float]]:
        rows.clear()
        controller.train(dataclasses.replace(run, steps=cluster.learner.version + steps, lookahead=lookahead))
        return list(rows)

    return more


class BareEngine:
    """vLLM with nothing around it, in an actor of its own like Ration's engines."""

    async def start(self, config: TrainConfig, model: str, threads: int) -> None:
        from rollout.vllm_engine import EngineSettings, VllmEngine

        knobs = config.rollout
        settings = EngineSettings(model, config.model.dtype, config.model.context, knobs.max_in_flight, threads=threads)
        self.llm = VllmEngine(settings)._llm

    async def generate(self, prompts: Sequence[Sequence[int]], n: int, max_tokens: int, seed: int) -> int:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        async def one(index: int) -> int:
            params = SamplingParams(
                n=n, temperature=1.0, max_tokens=max_tokens, seed=seed + index * n, logprobs=0, detokenize=False,
                output_kind=RequestOutputKind.FINAL_ONLY,
            )  # fmt: skip
            count = 0
            prompt = {"prompt_token_ids": list(prompts[index])}
            async for output in self.llm.generate(prompt, params, request_id=f"{seed}-{index}"):
                count = sum(len(completion.token_ids) for completion in output.outputs)
            return count

        return sum(await asyncio.gather(*(one(index) for index in range(len(prompts)))))


def bare_speed(config: TrainConfig, model: str, prompts: list[tuple[int, ...]], repeats: int) -> Callable[[], float]:
    """A function that gives the tokens/s of bare vLLM engines, as many as Ration has, on one step's requests."""
    count = config.rollout.engines
    actor: Any = ray.remote(BareEngine).options(num_cpus=0)
    engines = [actor.remote() for _ in range(count)]
    threads = threads_each(config, count)
    gather("bare engines", named("engine", [e.start.remote(config, model, threads) for e in engines]), 300)
    budget, size = build(config.algorithm).budgets(0).largest, config.rollout.group_size

    def measure() -> float:
        speeds = []
        for repeat in range(repeats):
            start = time.perf_counter()
            refs = [e.generate.remote(prompts[i::count], size, budget, repeat << 16) for i, e in enumerate(engines)]
            tokens = sum(ray.get(refs))
            speeds.append(tokens / (time.perf_counter() - start))
        return statistics.median(speeds[1:])

    return measure


def run_trl(
    config: TrainConfig, model: str, tasks: Sequence[Task], blocks: int, steps: int, between: Callable[[], None]
) -> list[Block]:
    """TRL's trainer for `blocks` blocks; `between` is called after each, outside its clock."""
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datasets import Dataset
        from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
        from trl import GRPOConfig, GRPOTrainer

    from rewards.gym import reasoning_gym
    from rewards.types import Status
    from rollout.types import Answer

    by_prompt = {task.prompt: task for task in tasks}
    tokenizer = AutoTokenizer.from_pretrained(model)
    found: list[Block] = []
    knobs, budget = config.rollout, build(config.algorithm).budgets(0).largest
    batch = knobs.prompts_per_step * knobs.group_size

    def reward(prompts: Any, completion_ids: Any, **_: Any) -> list[float]:
        texts = tokenizer.batch_decode(completion_ids, skip_special_tokens=True)
        asked = [by_prompt[prompt[0]["content"]] for prompt in prompts]
        results = [reasoning_gym(task, Answer.from_text(text)) for task, text in zip(asked, texts, strict=True)]
        clock["tokens"] += sum(map(len, completion_ids))
        return [float(result.status is Status.OK) for result in results]

    clock = {"start": 0.0, "tokens": 0}

    class Blocks(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % steps == 0:
                clock.update(start=time.perf_counter(), tokens=0)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % steps == 0:
                found.append(Block(time.perf_counter() - clock["start"], batch * steps, int(clock["tokens"])))
                between()

    with tempfile.TemporaryDirectory() as scratch:
        settings = GRPOConfig(
            output_dir=scratch, use_cpu=True, bf16=False, fp16=False, report_to="none", save_strategy="no",
            per_device_train_batch_size=batch, num_generations=knobs.group_size, max_steps=blocks * steps,
            max_completion_length=budget + knobs.answer_tokens, temperature=1.0, learning_rate=config.learner.lr,
            beta=0.0, adam_beta2=config.learner.betas[1], lr_scheduler_type="constant", logging_steps=10**6,
            disable_tqdm=True, gradient_checkpointing=False, dataloader_pin_memory=False, seed=config.run.seed,
        )  # fmt: skip
        rows = [{"prompt": [{"role": "user", "content": task.prompt}]} for task in tasks]
        trainer = GRPOTrainer(
            AutoModelForCausalLM.from_pretrained(model), reward, settings, Dataset.from_list(rows),
            processing_class=tokenizer, callbacks=[Blocks()],
        )  # fmt: skip
        trainer.train()
    return found


def block_of(rows: Sequence[dict[str, float]]) -> Block:
    """What Ration did in some steps."""
    return Block(
        sum(row["time/step"] for row in rows),
        round(sum(row["throughput/samples_per_s"] * row["time/step"] for row in rows)),
        int(sum(row["tokens/sampled"] for row in rows)),
    )


def summed(blocks: Sequence[Block]) -> Block:
    return Block(*(sum(getattr(block, name) for block in blocks) for name in ("seconds", "samples", "tokens")))


def report(trl: Sequence[Block], ours: dict[str, list[list[dict[str, float]]]], bare: Sequence[float]) -> Iterator[str]:
    """The table; the first block of each system is its warm-up and left out."""
    blocks = {"TRL": trl[1:], **{name: [block_of(rows) for rows in blocks[1:]] for name, blocks in ours.items()}}
    yield f"{'':18} {'samples/s':>10} {'tokens/s':>10} {'tokens/sample':>14} {'x TRL':>7}   by block (target: 2)"
    for name, each in blocks.items():
        total, ratios = summed(each), [speed(mine) / speed(theirs) for mine, theirs in zip(each, trl[1:], strict=True)]
        yield (
            f"{name:18} {speed(total):10.1f} {total.tokens / total.seconds:10.0f} {total.tokens / total.samples:14.1f} "
            f"{speed(total) / speed(summed(trl[1:])):7.2f}   {' '.join(f'{ratio:.2f}' for ratio in ratios)}"
        )
    for name, each in ours.items():
        flat = [row for rows in each[1:] for row in rows]
        total = block_of(flat).seconds
        shares = {phase: sum(row[f"time/{phase}"] for row in flat) / total for phase in PHASES}
        yield f"{name}: " + ", ".join(f"{phase} {share:.1%}" for phase, share in shares.items())
    flat = [row for rows in ours["Ration, on-policy"][1:] for row in rows]
    rollout = sum(row["tokens/sampled"] for row in flat) / sum(row["time/rollout"] for row in flat)
    yield f"on-policy rollout phase {rollout:.0f} tokens/s, bare vLLM {statistics.median(bare):.0f}: " + (
        f"{rollout / statistics.median(bare):.1%}   (target: 90 %)"
    )


def speed(block: Block) -> float:
    """Samples per second."""
    return block.samples / block.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/quickstart.yaml")
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5, help="steps of a block")
    parser.add_argument("--prompts", type=int, default=64, help="prompts of a step")
    parser.add_argument("overrides", nargs="*", help="of the config, as of `ration train`")
    options = parser.parse_args()
    config = load(Path(options.config), [f"rollout.prompts_per_step={options.prompts}", *options.overrides])
    tasks, held_out = load_data(config.data, seed=config.run.seed)
    model = prepare_model(config, held_out)

    from transformers import AutoTokenizer

    codec, style = AutoTokenizer.from_pretrained(model), prompt_format(config)
    ours: dict[str, list[list[dict[str, float]]]] = {name: [] for name in MODES}
    bare: list[float] = []
    with start_judge(config) as judge, Cluster(config, model, tasks[0]) as cluster:
        more = ration_blocks(config, cluster, judge, tasks)
        prompts = [prompt_ids(task, style, codec, budget=1) for task in tasks[: options.prompts]]
        measure = bare_speed(config, model, prompts, repeats=options.steps)

        def between() -> None:
            for name, lookahead in MODES.items():
                ours[name].append(more(options.steps, lookahead))
            bare.append(measure())

        trl = run_trl(config, model, tasks, options.blocks, options.steps, between)
    print("\n".join(report(trl, ours, bare[1:])))


if __name__ == "__main__":
    main()
