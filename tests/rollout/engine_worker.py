"""One real engine, in a process of its own: `python engine_worker.py PLAN.json SEEN.json`.

The plan names the engine's settings and the verbs to call, in order; what each gave is written down.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers import AutoTokenizer

from rl.weight_sender import send_through_shared_memory
from rollout.engine import Draw
from rollout.logit_waves import wave_from
from rollout.prompts import PromptFormat
from rollout.sampler import Sampler
from rollout.types import BudgetPrior, Task
from rollout.vllm_engine import EngineSettings, VllmEngine


class Blocking:
    """An engine as the learner's side of a publish sees it: every verb returns when it is done."""

    def __init__(self, engine: VllmEngine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine, self._loop = engine, loop

    def _wait(self, call: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(call, self._loop).result()

    def init_weight_transfer_engine(self, init_info: Mapping[str, Any]) -> None:
        self._wait(self._engine.init_weight_transfer_engine(init_info))

    def start_weight_update(self) -> None:
        self._wait(self._engine.start_weight_update())

    def update_weights(self, update_info: Mapping[str, Any]) -> None:
        self._wait(self._engine.update_weights(update_info))

    def finish_weight_update(self) -> None:
        self._wait(self._engine.finish_weight_update())


def draw_of(record: dict[str, Any]) -> Draw:
    """A draw as it was written down; its steering is a wave."""
    return Draw(**{**record, "steering": wave_from(record["steering"])}) if "steering" in record else Draw(**record)


async def sample(engine: VllmEngine, draws: list[dict[str, Any]]) -> list[Any]:
    """All draws at once."""
    done = await asyncio.gather(*(engine.sample(draw_of(one)) for one in draws))
    return [asdict(one) for each in done for one in each]


async def score(engine: VllmEngine, token_ids: list[int]) -> list[float]:
    return await engine.score(token_ids)


async def overtake(engine: VllmEngine, draws: list[dict[str, Any]], token_ids: list[int]) -> int:
    """How many of many draws are done when a score, asked for after the first of them, is."""
    flight = [asyncio.create_task(engine.sample(draw_of(draw))) for draw in draws]
    await flight[0]
    await engine.score(token_ids)
    done = sum(task.done() for task in flight)
    await asyncio.gather(*flight)
    return done


async def groups(engine: VllmEngine, tokenizer: str, budgets: list[int], answers: int, cue: str) -> list[Any]:
    codec = AutoTokenizer.from_pretrained(tokenizer)
    sampler = Sampler(engine, codec, PromptFormat(cue=cue), answer_tokens=5)
    prior = BudgetPrior(tuple(budgets), (1 / len(budgets),) * len(budgets), answers=answers)
    tasks = [Task(str(i), f"{i % 10}+{i // 10}-3", "0") for i in range(12)]
    return [asdict(group) for group in await sampler.groups(tasks, [prior] * len(tasks), size=4, seed=1)]


async def publish(engine: VllmEngine, weights: str, version: int, flying: list[dict[str, Any]]) -> Any:
    """Hand over a safetensors file in three buckets while `flying` draws are under way.

    The first draw is the shortest: when it is done, the others are in the middle.
    """
    flight = [asyncio.create_task(engine.sample(draw_of(draw))) for draw in flying]
    if flight:
        await flight[0]
    await engine.pause()
    items = sorted(load_file(weights).items())
    folder = Path(weights).with_name(f"sent-{os.getpid()}-{version}")
    folder.mkdir()
    buckets = [items[i::3] for i in range(3)]
    receivers = Blocking(engine, asyncio.get_running_loop())
    sent = await asyncio.to_thread(send_through_shared_memory, buckets, receivers, folder=folder)
    await engine.relabel(version)
    await engine.resume()
    landed = [one for each in await asyncio.gather(*flight) for one in each]
    return {"sent": sent, "landed": [asdict(one) for one in landed], "left": len(list(folder.iterdir()))}


VERBS: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {
    "sample": sample,
    "score": score,
    "overtake": overtake,
    "groups": groups,
    "publish": publish,
}


async def run(plan: dict[str, Any]) -> list[Any]:
    engine = VllmEngine(EngineSettings(**plan["settings"]))
    try:
        await engine.start()
        await engine.init_weight_transfer_engine({})
        seen: list[Any] = []
        for verb, arguments in plan["calls"]:
            [given] = await asyncio.gather(VERBS[verb](engine, **arguments), return_exceptions=True)
            seen.append({"error": str(given)} if isinstance(given, BaseException) else given)
        return seen
    finally:
        engine.close()


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(asyncio.run(run(json.loads(Path(sys.argv[1]).read_text())))))
