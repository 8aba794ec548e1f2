"""The policy: a causal language model that answers with log-probabilities of trained tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM, PreTrainedModel

# Logits of this many numbers are held at once; a larger vocabulary or batch is worked off in slices.
LOGITS_AT_ONCE = 1 << 27

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load_model(path: str | Path, dtype: str, *, gradient_checkpointing: bool = False) -> PreTrainedModel:
    """A causal language model from a folder or the hub, ready to train with PyTorch's own attention."""
    model = AutoModelForCausalLM.from_pretrained(path, dtype=DTYPES[dtype], attn_implementation="sdpa")
    model.config.use_cache = False
    if gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model


class Policy(nn.Module):
    """A causal language model at a sampling temperature."""

    def __init__(self, model: PreTrainedModel, temperature: float) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature

    def forward(self, token_ids_NT: Tensor, mask_NT: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy (nats) of the K masked tokens, row by row, each given the tokens before it.

        Rows are padded on the right, where causal attention does not look, so no attention mask is
        needed. The first token of a row has nothing before it and cannot be masked in.
        """
        hidden_NTH = self.model.base_model(input_ids=token_ids_NT).last_hidden_state
        keep_NT = mask_NT[:, 1:]
        hidden_KH, target_K = hidden_NTH[:, :-1][keep_NT], token_ids_NT[:, 1:][keep_NT]
        head: Any = self.model.get_output_embeddings()
        step = max(1, LOGITS_AT_ONCE // self.model.config.vocab_size)
        if len(target_K) <= step:
            return _logp(head, hidden_KH, target_K, self.temperature)
        parts = [
            checkpoint(_logp, head, h, t, self.temperature, use_reentrant=False)
            for h, t in zip(hidden_KH.split(step), target_K.split(step), strict=True)
        ]
        logps, entropies = zip(*parts, strict=True)
        return torch.cat(logps), torch.cat(entropies)


def _logp(head: nn.Module, hidden_KH: Tensor, target_K: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    logits_KV = head(hidden_KH).float() / temperature
    logp_KV = logits_KV.log_softmax(-1)
    with torch.no_grad():
        entropy_K = -(logp_KV.exp() * logp_KV).sum(-1)
    return logp_KV.gather(-1, target_K[:, None])[:, 0], entropy_K
