# pyright: standard
"""What lives inside vLLM's workers: new weights, and logit waves.

Weights come through vLLM's own transfer protocol, by a backend of ours over shared memory or by its nccl and ipc. vLLM
imports this module inside each worker (`worker_extension_cls`) before it creates the transfer engine, which is how
the backend's name becomes known there; learners import it for `native_sender`.

Waves have one class for each of vLLM's model runners, both around `rollout.logit_waves.triangle`: 0.32 on a CPU uses
V1, on a GPU V2. A request carries its wave in `extra_args[KEY]`; without one its logits are not touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from safetensors.torch import load_file
from vllm.config import VllmConfig
from vllm.distributed.weight_transfer.base import (
    ParamMeta,
    TrainerInitInfo,
    TrainerWeightTransferEngine,
    WeightSource,
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory, WeightTransferTrainerFactory
from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo
from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo
from vllm.distributed.weight_transfer.packed_tensor import DEFAULT_PACKED_BUFFER_SIZE_BYTES
from vllm.model_executor.layers.attention import is_deferred_attention_layer
from vllm.model_executor.layers.utils import dispatch_cpu_unquantized_gemm
from vllm.model_executor.layers.vocab_parallel_embedding import VocabParallelEmbedding
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload
from vllm.model_executor.model_loader.reload.layerwise import get_layerwise_info
from vllm.sampling_params import SamplingParams
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates
from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext, LogitsProcRequestState
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor as LogitsProcessorV2

from rollout.engine import Steering
from rollout.logit_waves import LogitWave, triangle, wave_from

BACKEND = "shm"
KEY = "logit_wave"


class Extension:
    """Names this module to vLLM."""


@dataclass
class ShmInit(WeightTransferInitInfo):
    """Nothing to agree on: both sides see the same files."""


@dataclass
class ShmUpdate(WeightTransferUpdateInfo):
    """One bucket of tensors: the path of a safetensors file in shared memory."""

    path: str


class ShmReceiver(WeightTransferEngine[ShmInit, ShmUpdate]):
    """Loads buckets of weights, in checkpoint names and layout, into the running model."""

    init_info_cls = ShmInit
    update_info_cls = ShmUpdate

    def init_transfer_engine(self, init_info: ShmInit) -> None:
        del init_info

    def start_weight_update(self) -> None:
        initialize_layerwise_reload(self.model)

    def update_weights(self, update_info: dict[str, Any]) -> None:
        # The base class would synchronise an accelerator, which a CPU worker does not have.
        self.receive_weights(self.parse_update_info(update_info))

    def receive_weights(self, update_info: ShmUpdate) -> None:
        self._checkpoint_model().load_weights(load_file(update_info.path, device=str(self.device)).items())

    def finish_weight_update(self) -> None:
        missing = self._missing()
        finalize_layerwise_reload(self.model, self.model_config)
        self._repack_tied_head()
        if missing:
            raise RuntimeError(f"a publish left {len(missing)} layers without their weights: {', '.join(missing[:4])}")

    def shutdown(self) -> None:
        pass

    def _checkpoint_model(self) -> Any:
        """The model, whose `load_weights` takes checkpoint names; its class is the architecture's."""
        return self.model

    def _missing(self) -> list[str]:
        """Layers that got nothing, or only part of what they hold, since the update began."""
        tied = self._tied_head()
        found: list[str] = []
        for name, layer in self.model.named_modules():
            info = get_layerwise_info(layer)
            # Buffers (rotary tables) and an attention's scales are computed, not published.
            published = next(layer.parameters(recurse=False), None) is not None and not is_deferred_attention_layer(
                layer
            )
            if layer is tied or not published or not info.can_load():
                continue
            # A vocabulary is padded to a multiple of 64 rows, which no checkpoint fills.
            padded = isinstance(layer, VocabParallelEmbedding)
            if info.load_numel == 0 or (info.load_numel < (info.load_numel_total or 0) and not padded):
                found.append(name)
        return found

    def _tied_head(self) -> torch.nn.Module | None:
        return self._checkpoint_model().lm_head if self.model_config.hf_text_config.tie_word_embeddings else None

    def _repack_tied_head(self) -> None:
        """On CPU a tied head keeps the packed copy of the weights that it was created with.

        vLLM re-packs a linear layer when its own weights arrive, and a tied head's never do.
        """
        head = self._tied_head()
        if head is not None and self.device.type == "cpu":
            head.weight = self._checkpoint_model().model.embed_tokens.weight
            dispatch_cpu_unquantized_gemm(head, remove_weight=False)


WeightTransferEngineFactory.register_engine(BACKEND, ShmReceiver)


class BucketSource(WeightSource):
    """A learner's parameters for vLLM's senders: declared once, gathered bucket by bucket at every publish."""

    def __init__(
        self,
        shapes: Sequence[tuple[str, torch.dtype, tuple[int, ...]]],
        buckets: Callable[[], Iterable[list[tuple[str, torch.Tensor]]]],
    ) -> None:
        self._declared, self._buckets = [ParamMeta(*shape) for shape in shapes], buckets

    def metadata(self) -> list[ParamMeta]:
        return self._declared

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        for bucket in self._buckets():
            yield from bucket


def native_sender(
    backend: str, source: BucketSource, receivers: Any, *, rank: int, where: tuple[str, int], workers: int, copied: bool
) -> TrainerWeightTransferEngine[Any]:
    """vLLM's own sender for `nccl` or `ipc`, for each rank of a learner, in rendezvous with `workers` workers.

    Rank 0 sends, through `receivers` (vLLM's four client verbs); by `ipc` either the parameters themselves or, where
    they are whole only for a moment (ZeRO-3), `copied` in chunks, each with room for the largest.
    """
    largest = max(math.prod(one.shape) * one.dtype.itemsize for one in source.metadata())
    room = {"packed_buffer_size_bytes": max(DEFAULT_PACKED_BUFFER_SIZE_BYTES, largest)}
    info: TrainerInitInfo = IPCTrainerInitInfo(rank=rank, packed=copied, **room)
    if backend == "nccl":
        info = NCCLTrainerInitInfo(master_address=where[0], master_port=where[1], world_size=1 + workers, rank=rank)
    return WeightTransferTrainerFactory.trainer_init(info, client=receivers, source=source)


def processor_of(config: VllmConfig) -> str:
    """The name, as vLLM wants it, of the class for the model runner that this configuration uses."""
    return f"{__name__}:{'WavesV2' if config.use_v2_model_runner else 'WavesV1'}"


def extra_args(steering: Steering | None) -> dict[str, Any] | None:
    """How a request tells its wave. Raises ValueError for what no logits processor can do."""
    if steering is None:
        return None
    if isinstance(steering, LogitWave):
        return {KEY: asdict(steering)}
    raise ValueError(
        f"vLLM cannot follow {type(steering).__name__}, which needs hidden states or soft embeddings at every step: "
        "use the reference decoder (rollout.reference), which is slow and meant for small studies"
    )


def wave_of(params: SamplingParams) -> LogitWave | None:
    """The wave of a request. Raises KeyError, TypeError or ValueError for one that is none."""
    told = (params.extra_args or {}).get(KEY)
    return None if told is None else wave_from(told)


class Ride:
    """A wave, and how far its request has come: `output_ids` is the request's own list, which vLLM goes on filling."""

    def __init__(self, wave: LogitWave, output_ids: list[int]) -> None:
        self._wave, self._output_ids = wave, output_ids
        self._seen, self._ended = 0, False

    def bias(self) -> float:
        """What to add now; 0 once the thought has ended."""
        sampled = len(self._output_ids)
        self._ended |= self._wave.end_id in self._output_ids[self._seen :]
        self._seen = sampled
        return 0.0 if self._ended else self._wave.at(sampled)

    def add_to(self, logits_V: torch.Tensor) -> None:
        if bias := self.bias():
            logits_V[list(self._wave.token_ids)] += bias


class WavesV1(LogitsProcessor):
    """For model runner V1. vLLM tells which requests come, go and move; the ones with a wave are kept by row."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self._rides: dict[int, Ride] = {}

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        wave_of(sampling_params)

    def is_argmax_invariant(self) -> bool:
        return False  # a wave may make another token the likeliest, so it acts on greedy requests too

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        process_dict_updates(self._rides, batch_update, _ride)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        # Not in update_state: only now has asynchronous scheduling put the last token into the output.
        for row, ride in self._rides.items():
            ride.add_to(logits[row])
        return logits


def _ride(params: SamplingParams, prompt_ids: list[int] | None, output_ids: list[int]) -> Ride | None:
    wave = wave_of(params)
    return None if wave is None else Ride(wave, output_ids)


class WavesV2(LogitsProcessorV2):
    """For model runner V2: waves by slot, on the device, so that a step waits for nothing. Not with speculation."""

    def __init__(self, vllm_config: VllmConfig, req_states: LogitsProcRequestState) -> None:
        if vllm_config.speculative_config is not None:
            raise ValueError("logit waves count sampled tokens one by one: leave speculative decoding off")
        self._states = req_states
        self._waves: dict[int, LogitWave] = {}
        self._new: set[int] = set()
        slots, device = req_states.max_num_reqs, req_states.device
        self._numbers = torch.zeros((3, slots), dtype=torch.float32, device=device)
        self._end = torch.full((slots,), -1, dtype=torch.int64, device=device)
        self._riding = torch.zeros(slots, dtype=torch.bool, device=device)

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        wave_of(sampling_params)

    def add_request(self, req_idx: int, sampling_params: SamplingParams) -> bool:
        wave = wave_of(sampling_params)
        if wave is None:
            self._waves.pop(req_idx, None)
            return False
        self._waves[req_idx] = wave
        self._new.add(req_idx)
        return True

    def apply_staged_writes(self) -> None:
        """Fill the slots of new requests; one that was preempted comes back with the tokens it has sampled."""
        for slot in self._new & self._waves.keys():
            wave = self._waves[slot]
            numbers = (wave.amplitude, wave.period, wave.shift)
            start, stop = self._states.prompt_len.np[slot], self._states.prefill_len.np[slot]
            before = self._states.all_token_ids.gpu[slot, start:stop]
            self._numbers[:, slot] = torch.tensor(numbers, device=self._numbers.device)
            self._end[slot] = wave.end_id
            self._riding[slot] = ~(before == wave.end_id).any()
        self._new.clear()

    def apply(self, logits: torch.Tensor, ctx: LogitsContext) -> torch.Tensor:
        here = [(row, slot) for row, slot in enumerate(ctx.idx_mapping_np.tolist()) if slot in self._waves]
        if not here:
            return logits
        rows = torch.tensor([row for row, _ in here], device=logits.device)
        slots = ctx.expanded_idx_mapping[rows].long()
        sampled = ctx.pos[rows] + 1 - self._states.prompt_len.gpu[slots]
        self._riding[slots] &= (ctx.input_ids[rows] != self._end[slots]) | (sampled <= 0)
        amplitude, period, shift = self._numbers[:, slots]
        bias = triangle(sampled, amplitude, period, shift) * self._riding[slots]
        cells = [(i, row, token) for i, (row, slot) in enumerate(here) for token in self._waves[slot].token_ids]
        which, at, tokens = torch.tensor(cells, device=logits.device).T
        logits[at, tokens] += bias[which]
        return logits
