"""A receiver that does to one tensor what RECEIVER_FAULT says: it `skips` or it `changes` it."""

from __future__ import annotations

import os

from safetensors.torch import load_file
from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory

from rollout.vllm_worker import BACKEND, ShmReceiver, ShmUpdate

NORM = "model.norm.weight"


class Extension:
    """Names this module to vLLM."""


class Faulty(ShmReceiver):
    def receive_weights(self, update_info: ShmUpdate) -> None:
        weights = load_file(update_info.path)
        if os.environ["RECEIVER_FAULT"] == "skips":
            del weights[NORM]
        else:
            weights[NORM] *= 1.5
        self._checkpoint_model().load_weights(weights.items())


del WeightTransferEngineFactory._registry[BACKEND]  # the only name of a backend of ours that a config may have
WeightTransferEngineFactory.register_engine(BACKEND, Faulty)
