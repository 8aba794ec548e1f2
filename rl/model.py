"""The policy: a causal language model that answers with log-probabilities of trained tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

LOGITS_AT_ONCE = 1 << 27
"""Logits of this many numbers are held at once; a larger vocabulary or batch is worked off in slices."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def dense_mask(end_NT: Tensor) -> Tensor:
    """Which tokens see which, [N, 1, T, T]: i sees j where j <= i < end[j] (`rl.trees`)."""
    place_T = torch.arange(end_NT.shape[1], device=end_NT.device)
    causal_TT = place_T[:, None] >= place_T
    return (causal_TT & (place_T[:, None] < end_NT[:, None, :]))[:, None]


def block_mask(end_NT: Tensor) -> BlockMask:
    """The same for FlexAttention, which skips blocks of 128 x 128 tokens in which none sees another."""

    def sees(n: Tensor, head: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return (j <= i) & (i < end_NT[n, j])

    rows, width = end_NT.shape
    return create_block_mask(sees, rows, None, width, width, device=end_NT.device)


class Attention(NamedTuple):
    """An attention by its name in transformers, and the mask that it takes for token trees."""

    implementation: str
    mask: Callable[[Tensor], Tensor | BlockMask]


ATTENTIONS = {"sdpa": Attention("sdpa", dense_mask), "flex": Attention("flex_attention", block_mask)}


def load_model(
    path: str | Path, dtype: str, attention: str, *, gradient_checkpointing: bool = False
) -> PreTrainedModel:
    """A causal language model from a folder or the hub, ready to train with one of PyTorch's own attentions.

    Raises ValueError for `flex` without a GPU: its backward pass does not exist on a CPU.
    """
    if attention == "flex" and not torch.cuda.is_available():
        raise ValueError("learner.attention: flex needs a GPU, PyTorch cannot train with it on a CPU; set sdpa")
    implementation = ATTENTIONS[attention].implementation
    model = AutoModelForCausalLM.from_pretrained(path, dtype=DTYPES[dtype], attn_implementation=implementation)
    model.config.use_cache = False
    if gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        for layer in model.modules():
            # A layer recomputes in training mode alone. What is below it stays in evaluation mode, without dropout.
            layer.training = isinstance(layer, GradientCheckpointingLayer)
    return model


class Policy(nn.Module):
    """A causal language model at a sampling temperature; `attention` names that which it was loaded with."""

    def __init__(
        self, model: PreTrainedModel, temperature: float, attention: str, logits_at_once: int = LOGITS_AT_ONCE
    ) -> None:
        super().__init__()
        self._at_once = max(1, logits_at_once // model.config.vocab_size)
        self.model = model
        self.temperature = temperature
        self._mask = ATTENTIONS[attention].mask

    def forward(
        self, token_ids_NT: Tensor, mask_NT: Tensor, *forest_NT: Tensor, most: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy (nats) of the K masked tokens, row by row, each given the tokens before it.

        Rows are padded on the right, where causal attention does not look, so plain sequences need no
        attention mask. Rows that branch come with the three arrays of a `Forest`, in its order: a token is
        then predicted by its parent, stands at its depth, and sees its own path alone. The first token of a
        row has nothing before it and cannot be masked in. `most` is the largest K of any rank, if that is more than K:
        under ZeRO-3 every slice of logits gathers the head, which all ranks must do equally often.
        """
        row_K, before_K = mask_NT[:, 1:].nonzero(as_tuple=True)
        target_K = token_ids_NT[row_K, before_K + 1]
        seen: dict[str, Any] = {}
        if forest_NT:
            parent_NT, depth_NT, end_NT = forest_NT
            check_layers(self.model.config.to_dict())
            before_K = parent_NT[row_K, before_K + 1]
            seen = {"attention_mask": self._mask(end_NT), "position_ids": depth_NT}
        hidden_NTH = self.model.base_model(input_ids=token_ids_NT, **seen).last_hidden_state
        hidden_KH = hidden_NTH[row_K, before_K]
        head: Any = self.model.get_output_embeddings()
        slices = -(-max(most, len(target_K)) // self._at_once)
        if slices <= 1:
            return _logp(head, hidden_KH, target_K, self.temperature)
        parts = [
            checkpoint(_logp, head, h, t, self.temperature, use_reentrant=False)
            for h, t in zip(hidden_KH.tensor_split(slices), target_K.tensor_split(slices), strict=True)
        ]
        logps, entropies = zip(*parts, strict=True)
        return torch.cat(logps), torch.cat(entropies)


def check_layers(config: dict[str, Any]) -> None:
    """Raise ValueError for a model with layers that a mask cannot tell who sees whom: a window, a state."""
    kinds = set(config.get("layer_types") or ()) - {"full_attention"}
    if kinds or config.get("sliding_window") is not None:
        what = ", ".join(sorted(kinds)) or "sliding_attention"
        raise ValueError(f"the model's layers ({what}) cannot train token trees; set learner.share: none")


def _logp(head: nn.Module, hidden_KH: Tensor, target_K: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    logits_KV = head(hidden_KH).float() / temperature
    logp_KV = logits_KV.log_softmax(-1)
    with torch.no_grad():
        entropy_K = -(logp_KV.exp() * logp_KV).sum(-1)
    return logp_KV.gather(-1, target_K[:, None])[:, 0], entropy_K
