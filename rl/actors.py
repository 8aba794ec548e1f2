"""What lives inside the actors: an engine with its sampler, and a rank of the learner. Ray is not known here."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import time
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from rewards.types import ScoredGroup
from rl.batches import Rectangle
from rl.config import EngineSide, TrainConfig
from rl.judging import start_judge
from rl.weight_sender import Receivers, Resumed, send_through_shared_memory
from rollout.engine import Draw
from rollout.prompts import PromptFormat, markers, prompt_ids
from rollout.sampler import Sampler
from rollout.strategies.base import Strategy
from rollout.types import BudgetPrior, Finish, Group, Rollout, Task, WeightVersion

Made = TypeVar("Made")

CANARY_BUDGET = 8
HEARTBEAT_S = 1.0
"""How often an engine that is waited for is asked whether it lives."""
BUCKET_BYTES = 512 << 20
"""Of weights on their way to an engine or a file: what a rank holds beside its own."""


def prompt_format(config: TrainConfig) -> PromptFormat:
    """How this run puts its tasks to the model."""
    knobs = config.rollout
    return PromptFormat(config.data.template, config.data.system, knobs.think_end, knobs.closing, knobs.cue)


class EngineActor:
    """One vLLM engine and the sampler that drives it."""

    def __init__(self, config: EngineSide, model: str, style: PromptFormat, receiver: str | None = None) -> None:
        self._config, self._model, self._style, self._receiver = config, model, style, receiver

    async def start(self, canary: Task, threads: int) -> None:
        """Load the model and prove that a budget binds. Raises RuntimeError when it does not."""
        from transformers import AutoTokenizer

        from rollout.vllm_engine import RECEIVER, EngineSettings, VllmEngine

        knobs = self._config.rollout
        settings = EngineSettings(
            model=self._model,
            dtype=self._config.model.dtype,
            context=self._config.model.context,
            max_in_flight=knobs.max_in_flight,
            temperature=knobs.temperature,
            top_p=knobs.top_p,
            top_k=knobs.top_k,
            tensor_parallel=knobs.tensor_parallel,
            memory_gib=knobs.memory_gib,
            threads=threads,
            memory_fraction=knobs.memory_fraction,
            transfer=self._config.publish.backend,
            receiver=self._receiver or RECEIVER,
        )
        self._engine = VllmEngine(settings)
        await self._engine.start()
        tokenizer = AutoTokenizer.from_pretrained(self._model)
        self._sampler = Sampler(self._engine, tokenizer, self._style, knobs.answer_tokens)
        check_canary(await self._alive(canaries(self._sampler, canary)))

    async def groups(self, asked: Sequence[tuple[Task, BudgetPrior]], *, size: int, seed: int) -> list[Group]:
        tasks, priors = [task for task, _ in asked], [prior for _, prior in asked]
        return await self._alive(self._sampler.groups(tasks, priors, size=size, seed=seed))

    async def attempt(
        self, strategy: Strategy, style: PromptFormat, tasks: Sequence[Task], *, budgets: Sequence[int], **size: int
    ) -> list[list[Group]]:
        """The groups of each task by a test-time strategy: `size` is the number of `samples` and the `seed`."""
        sampler = replace(self._sampler, style=style)
        return await self._alive(asyncio.gather(*(strategy.groups(sampler, task, budgets, **size) for task in tasks)))

    async def _alive(self, work: Awaitable[Made]) -> Made:
        """The result of work that a dead engine would leave waiting for ever, or fail with no word of its death."""
        asked = asyncio.ensure_future(work)
        while not (await asyncio.wait([asked], timeout=HEARTBEAT_S))[0]:
            await self.check()
        if asked.exception():
            await self.check()
        return asked.result()

    async def check(self) -> None:
        """Answers while the engine lives. A dead core never recovers: leave, so that a fresh actor takes this place."""
        try:
            await self._engine.check_health()
        except Exception as error:  # noqa: BLE001  (whatever the reason: this process is of no more use)
            print(f"the engine is dead: {error}", flush=True)
            os._exit(1)

    async def init_weight_transfer_engine(self, init_info: Mapping[str, Any]) -> None:
        await self._alive(self._engine.init_weight_transfer_engine(init_info))

    async def start_weight_update(self) -> None:
        """Freeze what is in flight, and be ready for the weights under which it will go on."""
        self._paused = time.monotonic()
        await self._alive(self._engine.pause())
        await self._alive(self._engine.start_weight_update())

    async def update_weights(self, update_info: Mapping[str, Any]) -> None:
        await self._alive(self._engine.update_weights(update_info))

    async def finish_weight_update(self, version: WeightVersion, probe: Sequence[Sequence[int]]) -> Resumed:
        """Go on under the new weights, and tell what they make of the probe: a paused engine schedules none."""
        await self._alive(self._engine.finish_weight_update())
        await self._alive(self._engine.relabel(version))
        logps = asyncio.gather(*map(self._engine.score, probe))  # in line before what was in flight
        await self._alive(self._engine.resume())
        paused_s = time.monotonic() - self._paused
        return Resumed(paused_s, list(await self._alive(logps)))

    async def close(self) -> None:
        self._engine.close()


class JudgeActor:
    """A judge with worker processes of its own, on whatever host the actor lives."""

    def __init__(self, config: TrainConfig) -> None:
        self._judge = start_judge(config)

    def score(self, groups: Sequence[Group]) -> list[ScoredGroup]:
        return self._judge.score(groups)

    def close(self) -> None:
        self._judge.close()


async def canaries(sampler: Sampler, task: Task) -> list[Rollout]:
    """Thoughts that may not end by themselves, under a budget that must end them."""
    marks = markers(sampler.style, sampler.codec)
    prompt = prompt_ids(task, sampler.style, sampler.codec, budget=CANARY_BUDGET)
    endless = Draw(prompt, 4, CANARY_BUDGET, 0, (marks.think_end,), min_tokens=CANARY_BUDGET)
    prior, thoughts = BudgetPrior.single(CANARY_BUDGET), await sampler.engine.sample(endless)
    return [await sampler.rollout(prompt, thought, prior, 0, marks) for thought in thoughts]


def check_canary(rollouts: Sequence[Rollout]) -> None:
    """Raise RuntimeError unless every thought came to the canary's budget, and was closed there."""
    for rollout in rollouts:
        if len(rollout.token_ids) != CANARY_BUDGET or rollout.finish is not Finish.BUDGET:
            raise RuntimeError(
                f"the engine does not enforce thinking budgets: a thought that may not end by itself took "
                f"{len(rollout.token_ids)} tokens under a budget of {CANARY_BUDGET} ({rollout.finish}); "
                "`ration doctor` says whether this vLLM is one that Ration knows"
            )


class LearnerActor:
    """One rank of the learner, and its part of a publish."""

    def __init__(self, config: TrainConfig, model: str, rank: int) -> None:
        self._config, self._model, self._rank = config, model, rank

    def endpoint(self) -> tuple[str, int]:
        """Where rank 0 can be met: the address by which Ray knows this host, and a free port."""
        from rl.cluster.calls import own_address  # only here: everything else can live in any process

        with socket.socket() as probe:
            probe.bind(("", 0))
            return own_address(), probe.getsockname()[1]

    def start(self, address: str, port: int, threads: int) -> None:
        import torch

        from rl.deepspeed_learner import DeepSpeedLearner

        torch.set_num_threads(threads)
        world = self._config.learner.ranks
        self._learner = DeepSpeedLearner(
            self._config, model=self._model, rank=self._rank, world=world, address=address, port=port
        )
        gc.collect()
        gc.freeze()  # a full collection would walk all of torch and DeepSpeed in the middle of a step

    def update(self, minibatches: Sequence[Sequence[Rectangle]]) -> dict[str, float]:
        return self._learner.update(minibatches)

    def meet(self, receivers: Receivers | None) -> None:
        """Before the first `send`, and when an engine was replaced; the rank that is given `receivers` will send."""
        self._receivers = receivers
        if self._config.publish.backend != "shm":
            self._native = self._native_sender(receivers)

    def send(self, version: WeightVersion, probe: Sequence[Sequence[int]]) -> list[Resumed]:
        """Take part in handing over the weights; the rank that sends returns what the engines made of the probe."""
        if self._receivers:
            self._receivers.next = version, probe
        if self._config.publish.backend == "shm":
            send_through_shared_memory(self._buckets(), self._receivers)
        else:
            self._native.send_weights()
        return self._receivers.resumed if self._receivers else []

    def _buckets(self) -> Iterator[list[tuple[str, Any]]]:
        return self._learner.buckets(BUCKET_BYTES)

    def _native_sender(self, receivers: Receivers | None) -> Any:
        from rollout.vllm_worker import BucketSource, native_sender

        knobs = self._config.rollout
        return native_sender(
            self._config.publish.backend,
            BucketSource(self._learner.shapes(), self._buckets),
            receivers,
            rank=self._rank,
            where=self.endpoint(),
            workers=knobs.engines * knobs.tensor_parallel,
            copied=self._config.learner.zero_stage == 3,
        )

    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        return [self._learner.logprobs(sequence) for sequence in sequences]

    def save(self, folder: Path) -> None:
        self._learner.save(folder / "learner")
        self._learner.export(folder / "hf", max_bytes=BUCKET_BYTES)
        if self._rank == 0:
            from transformers import AutoTokenizer

            AutoTokenizer.from_pretrained(self._model).save_pretrained(folder / "hf")

    def load(self, folder: Path) -> None:
        self._learner.load(folder / "learner")

    def close(self) -> None:
        self._learner.close()
