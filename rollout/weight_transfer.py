# pyright: standard
"""vLLM's weight-transfer protocol: a backend of our own over shared memory, and the way into its own backends.

vLLM imports this module inside each worker (`worker_extension_cls`) before it creates the transfer
engine, which is how the backend's name becomes known there. Learners import it for `native_sender`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file
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
from vllm.model_executor.layers.attention import is_deferred_attention_layer
from vllm.model_executor.layers.utils import dispatch_cpu_unquantized_gemm
from vllm.model_executor.layers.vocab_parallel_embedding import VocabParallelEmbedding
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload
from vllm.model_executor.model_loader.reload.layerwise import get_layerwise_info

BACKEND = "shm"


class Extension:
    """Names this module to vLLM; it adds no methods to the worker."""


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
    backend: str, source: BucketSource, receivers: Any, *, rank: int, address: str, port: int, workers: int
) -> TrainerWeightTransferEngine[Any]:
    """vLLM's own sender for `nccl` or `ipc`, in rendezvous with `workers` engine workers.

    Called on every rank of the learner; rank 0 sends, through `receivers` (vLLM's four client verbs).
    """
    info: TrainerInitInfo = IPCTrainerInitInfo(rank=rank)
    if backend == "nccl":
        info = NCCLTrainerInitInfo(master_address=address, master_port=port, world_size=1 + workers, rank=rank)
    return WeightTransferTrainerFactory.trainer_init(info, client=receivers, source=source)
