"""vLLM as it is: a receiver that leaves a tied head with the weights it was created with."""

from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory

from rollout.vllm_worker import ShmReceiver

BACKEND = "shm-unmended"


class Extension:
    """Names this module to vLLM."""


class UnmendedReceiver(ShmReceiver):
    def _repack_tied_head(self) -> None:
        pass


WeightTransferEngineFactory.register_engine(BACKEND, UnmendedReceiver)
