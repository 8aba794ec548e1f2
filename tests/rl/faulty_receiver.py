"""A receiver that changes one tensor in the first publish, and skips it in the second; each must be one bucket."""

from __future__ import annotations

import itertools

from safetensors.torch import load_file
from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory

from rollout.vllm_worker import BACKEND, ShmReceiver, ShmUpdate

NORM = "model.norm.weight"
_publishes = itertools.count()


class Extension:
    """Names this module to vLLM."""


class Faulty(ShmReceiver):
    def receive_weights(self, update_info: ShmUpdate) -> None:
        weights = load_file(update_info.path)
        if next(_publishes) == 0:
            weights[NORM] *= 1.5
        else:
            del weights[NORM]
        self._checkpoint_model().load_weights(weights.items())


del WeightTransferEngineFactory._registry[BACKEND]  # the only name of a backend of ours that a config may have
WeightTransferEngineFactory.register_engine(BACKEND, Faulty)
