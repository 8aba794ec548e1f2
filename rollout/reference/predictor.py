# pyright: standard
"""The network that predicts how long a thought still goes on, and how it is trained on finished thoughts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import softplus
from transformers import BertConfig, BertModel

from rollout.reference.gamma import negative_log_likelihood
from rollout.types import TokenIds

_SHAPE, _WEIGHTS = "predictor.json", "predictor.safetensors"


@dataclass(frozen=True, slots=True)
class PredictorShape:
    """`hidden` and `vocabulary` are the language model's, the others the encoder's, as published."""

    hidden: int
    vocabulary: int
    width: int = 768
    blocks: int = 12
    heads: int = 12


@dataclass(frozen=True, slots=True)
class Thought:
    """A finished thought to learn from, its end marker included, behind the prompt that led to it."""

    prompt_ids: TokenIds
    token_ids: TokenIds


class Predictor(torch.nn.Module):
    """From one position's hidden states in all layers to a Gamma law of the log length for every next token."""

    def __init__(self, shape: PredictorShape) -> None:
        super().__init__()
        self.shape = shape
        # One word: it reads vectors, and an embedding table would only be carried along.
        config = BertConfig(
            vocab_size=1,
            hidden_size=shape.width,
            num_hidden_layers=shape.blocks,
            num_attention_heads=shape.heads,
            intermediate_size=4 * shape.width,
        )
        self.summary = torch.nn.Parameter(torch.zeros(1, 1, shape.hidden))
        self.project = torch.nn.Linear(shape.hidden, shape.width)
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.shape_head = torch.nn.Linear(shape.width, shape.vocabulary, bias=False)
        self.rate_head = torch.nn.Linear(shape.width, shape.vocabulary, bias=False)

    def forward(self, layers_NLH: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Shapes and rates, both [N, V] and positive, of N positions with L layers of width H."""
        summary_N1H = self.summary.expand(len(layers_NLH), 1, -1)
        vectors = self.project(torch.cat([summary_N1H, layers_NLH], dim=1))
        read_NW = self.encoder(inputs_embeds=vectors).last_hidden_state[:, 0]
        return softplus(self.shape_head(read_NW)), softplus(self.rate_head(read_NW))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), folder / _WEIGHTS)
        (folder / _SHAPE).write_text(json.dumps(asdict(self.shape)), encoding="utf-8")


def load_predictor(folder: Path) -> Predictor:
    """What `Predictor.save` wrote. Raises ValueError when the folder holds none."""
    if not (folder / _SHAPE).is_file():
        raise ValueError(f"{folder} holds no predictor ({_SHAPE}): train one with rollout.reference.predictor.fit")
    predictor = Predictor(PredictorShape(**json.loads((folder / _SHAPE).read_text(encoding="utf-8"))))
    predictor.load_state_dict(load_file(folder / _WEIGHTS))
    return predictor.eval()


def states_before(model: Any, thought: Thought) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of each token of a thought: the hidden states before it [T, L, H], its id [T], and the tokens left with it [T].

    The first token is one of them, because guidance acts on it; the released code leaves it out.
    """
    ids = torch.tensor([thought.prompt_ids + thought.token_ids])
    with torch.no_grad():
        states = model(ids, output_hidden_states=True).hidden_states
    layers_TLH = torch.stack([layer[0, len(thought.prompt_ids) - 1 : -1] for layer in states], dim=1)
    left_T = torch.arange(len(thought.token_ids), 0, -1, dtype=torch.float32)
    return layers_TLH.float(), torch.tensor(thought.token_ids), left_T


def loss_of(predictor: Predictor, layers_TLH: torch.Tensor, next_T: torch.Tensor, left_T: torch.Tensor) -> torch.Tensor:
    """The mean negative log-likelihood of the lengths, each under the law of the token that did come next."""
    shape_TV, rate_TV = predictor(layers_TLH)
    shape_T, rate_T = (table.gather(1, next_T[:, None])[:, 0] for table in (shape_TV, rate_TV))
    return negative_log_likelihood(left_T, shape_T, rate_T).mean()


def fit(
    predictor: Predictor,
    model: Any,
    thoughts: Sequence[Thought],
    *,
    epochs: int = 1,
    lr: float = 1e-4,
    warmup: float = 0.05,
    positions: int = 512,
    seed: int = 0,
) -> list[float]:
    """Train on finished thoughts, one a step, and return the loss of each step. The language model stays as it is.

    Of a long thought `positions` random ones are taken. The learning rate rises over the share `warmup` of the steps.
    """
    torch.manual_seed(seed)
    steps = epochs * len(thoughts)
    optimizer = torch.optim.AdamW(predictor.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / max(1.0, warmup * steps))
    )
    predictor.train()
    losses: list[float] = []
    for thought in list(thoughts) * epochs:
        layers_TLH, next_T, left_T = states_before(model, thought)
        some = torch.randperm(len(next_T))[:positions]
        loss = loss_of(predictor, layers_TLH[some], next_T[some], left_T[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    predictor.eval()
    return losses
