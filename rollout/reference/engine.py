# pyright: standard
"""The reference decoder as an engine: a Hugging Face causal model, its cache, and one token a step."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rollout.engine import Completion, Draw, Ended
from rollout.logit_waves import LogitWave
from rollout.reference.predictor import Predictor, load_predictor
from rollout.reference.steps import Choice, Dice, GuidedSteps, PlainSteps, Seen, Steps, WavedSteps
from rollout.reference.switched import SwitchedSteps, plain_tokens
from rollout.reference_steering import Guidance, Switching
from rollout.types import Spans, VersionSpan

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class ReferenceSettings:
    """One decoder. `temperature` 0 is greedy; `device` is torch's name of it."""

    model: str
    dtype: str = "float32"
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    device: str = "cpu"


class ReferenceEngine:
    """Samples one sequence at a time, with every kind of steering. Weights never change: all tokens are version 0."""

    def __init__(self, settings: ReferenceSettings) -> None:
        self._settings = settings
        load: Any = AutoModelForCausalLM.from_pretrained
        self.model: Any = load(settings.model, dtype=DTYPES[settings.dtype]).to(settings.device).eval()
        self._codec: Any = AutoTokenizer.from_pretrained(settings.model)
        self._predictor = cache(self._load_predictor)
        self._plain_tokens = cache(partial(plain_tokens, self._codec))
        self._turn = asyncio.Lock()

    async def sample(self, draw: Draw) -> list[Completion]:
        """The draw's continuations, as the Engine protocol says, in a thread and one after the other."""
        async with self._turn:
            return [await asyncio.to_thread(self._one, draw, draw.seed + index) for index in range(draw.n)]

    async def check_health(self) -> None:
        """There is nothing that could have died."""

    def close(self) -> None:
        del self.model

    def _one(self, draw: Draw, seed: int) -> Completion:
        knobs = self._settings
        generator = torch.Generator(knobs.device).manual_seed(seed)
        dice = Dice(knobs.temperature, knobs.top_p, knobs.top_k, generator)
        with torch.no_grad():
            return decode(self.model, draw, self._steps(draw), dice)

    def _steps(self, draw: Draw) -> Steps:
        match draw.steering:
            case None:
                return PlainSteps()
            case LogitWave():
                return WavedSteps(draw.steering)
            case Guidance():
                return GuidedSteps(draw.steering, self._predictor(draw.steering.predictor), self._codec)
            case Switching():
                table_VH = self.model.get_input_embeddings().weight
                return SwitchedSteps(draw.steering, table_VH, self._plain_tokens(len(table_VH)))

    def _load_predictor(self, folder: str) -> Predictor:
        return load_predictor(Path(folder)).to(self._settings.device)


def ends_of(model: Any) -> frozenset[int]:
    """The tokens with which a model ends a sequence."""
    told = model.generation_config.eos_token_id
    return frozenset() if told is None else frozenset([told] if isinstance(told, int) else told)


class Reader:
    """A model that reads one sequence, and the cache of what it has read."""

    def __init__(self, model: Any, needs_layers: bool) -> None:
        self._model, self._needs_layers = model, needs_layers
        self._cache: Any = None

    def read(self, vectors_TH: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The logits [V] after these inputs, and the hidden states [L, H] of the last one in all layers."""
        told = self._model(
            inputs_embeds=vectors_TH[None],
            past_key_values=self._cache,
            use_cache=True,
            output_hidden_states=self._needs_layers,
            logits_to_keep=1,
        )
        self._cache = told.past_key_values
        layers_LH = torch.stack([layer[0, -1] for layer in told.hidden_states]) if self._needs_layers else None
        return told.logits[0, -1].float(), None if layers_LH is None else layers_LH.float()


def decode(model: Any, draw: Draw, steps: Steps, dice: Dice) -> Completion:
    """One continuation. `steps` decides every token, and what is fed back after it."""
    table_VH, reader, ends = model.get_input_embeddings().weight, Reader(model, steps.needs_layers), ends_of(model)
    barred = [*ends, *draw.stop_ids]
    vectors_TH, choices, ended = table_VH[list(draw.prompt_ids)], list[Choice](), Ended.LENGTH
    while ended is Ended.LENGTH and len(choices) < draw.max_tokens and not (choices and choices[-1].last):
        logits_V, layers_LH = reader.read(vectors_TH)
        may_end = len(choices) >= draw.min_tokens
        if not may_end:
            logits_V[barred] = -torch.inf
        choice = steps.step(Seen([one.token for one in choices], logits_V, layers_LH), dice)
        choices.append(choice)
        if may_end and choice.token in barred:
            ended = Ended.EOS if choice.token in ends else Ended.STOP
        vectors_TH = (table_VH[choice.token] if choice.fed is None else choice.fed)[None]
    tokens = tuple(one.token for one in choices)
    return Completion(tokens, tuple(one.logprob or 0.0 for one in choices), ended, sampled_spans(choices))


def sampled_spans(choices: Sequence[Choice]) -> Spans:
    """Where tokens were sampled; those that were inserted have no version."""
    runs = groupby(range(len(choices)), lambda i: choices[i].logprob is not None)
    places = [list(places) for sampled, places in runs if sampled]
    return tuple(VersionSpan(0, run[0], run[-1] + 1) for run in places)
