"""The policy as it is loaded: what is recomputed in the backward pass, and what is not."""

from __future__ import annotations

import pytest
import torch

from rl.model import Policy, load_model
from rl.tiny import build_model, build_tokenizer

IDS = torch.tensor([[7, 8, 9, 20, 21, 30]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    build_model(build_tokenizer(), context=32, tie_embeddings=True, seed=0).save_pretrained(folder)
    return folder


def step(folder, checkpointing: bool) -> tuple[list[int], dict[str, torch.Tensor]]:
    """How often each layer's feed-forward part began in a forward and a backward pass, and the gradients."""
    model = load_model(folder, "float32", "sdpa", gradient_checkpointing=checkpointing)
    layers, began = model.model.layers, [0] * 4

    def count(index):
        def hook(*_):
            began[index] += 1

        return hook

    for index, layer in enumerate(layers):
        layer.mlp.register_forward_pre_hook(count(index))  # it may not come to its end again: its result is known
    logp_K, _ = Policy(model, 1.0, "sdpa")(IDS, torch.ones_like(IDS, dtype=torch.bool))
    logp_K.sum().backward()
    assert not any(module.training for module in layers[0].children())  # no dropout below a layer
    return began, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_with_checkpointing_every_layer_runs_again_for_the_same_gradient(folder):
    once, plain = step(folder, checkpointing=False)
    twice, recomputed = step(folder, checkpointing=True)
    assert (once, twice) == ([1] * 4, [2] * 4)
    assert plain.keys() == recomputed.keys()
    for name, gradient in plain.items():
        assert torch.allclose(recomputed[name], gradient, atol=1e-6), name
