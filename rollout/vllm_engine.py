# pyright: standard
"""The home of vLLM: an in-process AsyncLLM that samples, scores, and takes new weights."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vllm import SamplingParams
from vllm.config import WeightTransferConfig
from vllm.distributed.weight_transfer.base import WeightTransferInitRequest, WeightTransferUpdateRequest
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.inputs import tokens_input
from vllm.logprobs import FlatLogprobs
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM

from rollout.engine import Completion, Draw, Ended
from rollout.types import VersionSpan, WeightVersion
from rollout.vllm_worker import extra_args, processor_of

RECEIVER = "rollout.vllm_worker.Extension"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """One engine. `memory_gib` and `threads` are its KV cache and its threads on CPU, `memory_fraction` its share
    of a GPU's memory.
    """

    model: str
    dtype: str
    context: int
    max_in_flight: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    tensor_parallel: int = 1
    memory_gib: int = 1
    threads: int = 1
    memory_fraction: float = 0.85
    transfer: str = "shm"
    receiver: str = RECEIVER


def _engine_args(settings: EngineSettings) -> AsyncEngineArgs:
    cpu = current_platform.is_cpu()
    device: dict[str, Any] = {"gpu_memory_utilization": settings.memory_fraction}
    if cpu:
        # The CPU attention wants blocks in multiples of 32; a smaller block wastes less of a shared prefix.
        # Chunked prefill of a seeded request crashes vLLM 0.32 on CPU ("CPU Generator does not use offset").
        device = {"enforce_eager": True, "block_size": 32, "enable_chunked_prefill": False}
        device["max_num_batched_tokens"] = max(8192, settings.context)
        if settings.tensor_parallel == 1:
            device["distributed_executor_backend"] = "uni"
    return AsyncEngineArgs(
        model=settings.model,
        dtype=settings.dtype,  # pyright: ignore[reportArgumentType]
        max_model_len=settings.context,
        max_num_seqs=settings.max_in_flight,
        tensor_parallel_size=settings.tensor_parallel,
        enable_prefix_caching=True,
        scheduling_policy="priority",  # all draws have the same: first come, first served
        logprobs_mode="processed_logprobs",
        generation_config="vllm",
        worker_extension_cls=settings.receiver,
        weight_transfer_config=WeightTransferConfig(backend=settings.transfer),
        **device,
    )


def _cpu_environment(settings: EngineSettings) -> dict[str, str]:
    """What vLLM reads from the environment on CPU.

    A worker inside the engine core saves a hop per step and a process that spins for work when there is
    none: measured 1.5 instead of 2.2 CPU seconds per 10,000 tokens of a 0.8 M model. vLLM allows it only
    with its multiprocessing switched off and threads that it does not bind itself.
    """
    environment = {"VLLM_CPU_KVCACHE_SPACE": str(settings.memory_gib)}
    if settings.tensor_parallel == 1:
        environment |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
        environment |= {"OMP_NUM_THREADS": str(settings.threads)}
    return environment


def _completion(output: CompletionOutput, cached: int) -> Completion:
    if output.finish_reason not in ("stop", "length"):
        raise RuntimeError(f"the engine gave up a request: finish_reason={output.finish_reason}")
    ended = Ended.LENGTH
    if output.finish_reason == "stop":
        ended = Ended.EOS if output.stop_reason is None else Ended.STOP
    logprobs = output.logprobs
    assert isinstance(logprobs, FlatLogprobs), "log-probabilities were asked for, flat"
    tokens = tuple(output.token_ids)
    if logprobs.token_ids != list(tokens):
        raise RuntimeError("the engine's log-probabilities are not those of the tokens that it sampled")
    spans = tuple(VersionSpan(int(s.version), s.start, s.end) for s in output.weight_versions or ())
    return Completion(tokens, tuple(logprobs.logprobs), ended, spans, cached)


class VllmEngine:
    """An engine with a lifetime: `start` it inside an event loop, `close` it before the loop ends."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._names = itertools.count()
        if current_platform.is_cpu():
            os.environ |= _cpu_environment(settings)
        if settings.transfer == "ipc":
            # A handle names torch's classes, which pass from an engine to its core only pickled.
            os.environ["VLLM_ALLOW_INSECURE_SERIALIZATION"] = "1"
        config = _engine_args(settings).create_engine_config(UsageContext.ENGINE_CONTEXT)
        # Only now is it known which model runner this will be, and the two want different classes.
        config.model_config.logits_processors = [processor_of(config)]
        self._llm = AsyncLLM.from_vllm_config(config, disable_log_stats=True)

    async def start(self) -> None:
        """Label the weights that were loaded from disk as version 0."""
        await self._llm.update_weight_version("0")
        gc.collect()
        gc.freeze()  # else each full collection walks all of torch and vLLM: half a second, measured

    async def sample(self, draw: Draw) -> list[Completion]:
        """The draw's continuations, as the Engine protocol says. Raises ValueError for a steering it cannot follow."""
        params = SamplingParams(
            n=draw.n,
            temperature=self._settings.temperature,
            top_p=self._settings.top_p,
            top_k=self._settings.top_k,
            max_tokens=draw.max_tokens,
            min_tokens=draw.min_tokens,
            seed=draw.seed,
            stop_token_ids=list(draw.stop_ids),
            logprobs=0,
            flat_logprobs=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
            extra_args=extra_args(draw.steering),
        )
        output = await self._run(draw.prompt_ids, params)
        cached = output.num_cached_tokens or 0
        return [_completion(one, cached) for one in sorted(output.outputs, key=lambda one: one.index)]

    async def score(self, token_ids: Sequence[int]) -> list[float]:
        """Log-probability of each token but the first, given those before it, at temperature 1."""
        params = SamplingParams(max_tokens=1, prompt_logprobs=0, detokenize=False)
        output = await self._run(token_ids, params, priority=-1)  # whoever asks waits, draws in line do not matter
        positions = output.prompt_logprobs
        assert positions is not None, "prompt log-probabilities were asked for"
        return [
            (position or {})[token].logprob for position, token in zip(positions[1:], list(token_ids)[1:], strict=True)
        ]

    async def _run(self, token_ids: Sequence[int], params: SamplingParams, priority: int = 0) -> RequestOutput:
        # A prompt that is not yet an engine input goes through a thread: 50 ms for 32 of them, measured.
        prompt = tokens_input(list(token_ids))
        final: RequestOutput | None = None
        async for output in self._llm.generate(prompt, params, str(next(self._names)), priority=priority):
            final = output
        if final is None:
            raise RuntimeError("the engine ended a request without an output")
        return final

    async def pause(self) -> None:
        """Freeze what is in flight; it goes on under the next weights."""
        # AsyncLLM.pause_generation does the same and then sleeps 20 ms, which is "not required for correctness".
        await self._llm.engine_core.pause_scheduler_async(mode="keep", clear_cache=False)

    async def init_weight_transfer_engine(self, init_info: Mapping[str, Any]) -> None:
        await self._llm.init_weight_transfer_engine(WeightTransferInitRequest(dict(init_info)))

    async def start_weight_update(self) -> None:
        await self._llm.start_weight_update()

    async def update_weights(self, update_info: Mapping[str, Any]) -> None:
        await self._llm.update_weights(WeightTransferUpdateRequest(dict(update_info)))

    async def finish_weight_update(self) -> None:
        await self._llm.finish_weight_update()

    async def relabel(self, version: WeightVersion) -> None:
        """Label the new weights, and forget every cached prefix of the old ones.

        Raises RuntimeError when the cache was not reset: vLLM only says so by returning False.
        """
        relabel = self._llm.update_weight_version(str(version))
        reset = self._llm.reset_prefix_cache(reset_running_requests=True)
        if not (await asyncio.gather(relabel, reset))[1]:  # the core does them in this order, and while it is paused
            raise RuntimeError("vLLM did not reset its prefix cache: it would mix weights of two versions")

    async def resume(self) -> None:
        """Go on, with what was asked for meanwhile and what was in flight."""
        await self._llm.resume_generation()

    async def check_health(self) -> None:
        await self._llm.check_health()

    def close(self) -> None:
        self._llm.shutdown()
        del self._llm  # its destructor fails if it runs when the interpreter ends
