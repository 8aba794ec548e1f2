# pyright: standard
"""Logit waves inside vLLM: one class for each of its model runners, both around `rollout.logit_waves.triangle`.

vLLM 0.32 on a CPU uses runner V1, on a GPU V2. A request carries its wave in `extra_args[KEY]`; without one its
logits are not touched, and a step without any wave costs one look at an empty dictionary.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from vllm.config import VllmConfig
from vllm.sampling_params import SamplingParams
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates
from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext, LogitsProcRequestState
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor as LogitsProcessorV2

from rollout.engine import Steering
from rollout.logit_waves import LogitWave, triangle, wave_from

KEY = "logit_wave"


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
