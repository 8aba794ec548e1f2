"""The home of DeepSpeed: one rank of the learner, from micro-batches to an optimizer step."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.cpp_extension import get_default_build_root

from rl.batches import Rectangle
from rl.build_locks import release_stale
from rl.config import LearnerConfig, TrainConfig
from rl.lr_schedule import factor
from rl.model import LOGITS_AT_ONCE, Policy, load_model
from rl.objective import build_objective

if not torch.cuda.is_available():
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # DeepSpeed warns about its own imports
    import deepspeed
    from deepspeed.runtime.zero.partition_parameters import is_zero_param


def plain(learner: LearnerConfig, dtype: str) -> bool:
    """Whether DeepSpeed steps PyTorch's optimizer itself: it then clips, but does not tell the norm."""
    return learner.zero_stage == 0 and dtype == "float32"


def deepspeed_config(learner: LearnerConfig, dtype: str) -> dict[str, Any]:
    """DeepSpeed's own configuration. The accumulation boundary is ours: N backward calls, then one step."""
    # In bfloat16 DeepSpeed's stage 0 starts with an optimizer step on no gradient; its stage 1 does not.
    zero: dict[str, Any] = {"stage": max(learner.zero_stage, int(dtype == "bfloat16"))}
    if learner.offload != "none":
        zero["offload_optimizer"] = {"device": "cpu"}
    if learner.offload == "all":
        zero["offload_param"] = {"device": "cpu"}
    adam = {"lr": learner.lr, "betas": list(learner.betas), "weight_decay": learner.weight_decay}
    # PyTorch's AdamW needs no compiler; offloaded state needs DeepSpeed's own, which runs on the CPU.
    adam |= {"torch_adam": learner.offload == "none"}
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "managed_gradient_accumulation": False,
        "optimizer": {"type": "AdamW", "params": adam},
        "gradient_clipping": 0.0 if plain(learner, dtype) else learner.max_grad_norm,
        "zero_optimization": zero,
        "bf16": {"enabled": dtype == "bfloat16"},
        "steps_per_print": None,
    }


class DeepSpeedLearner:
    """One of `world` ranks. Every method is called on all ranks, with arguments of their own."""

    def __init__(
        self,
        config: TrainConfig,
        *,
        model: str,
        rank: int,
        world: int,
        address: str,
        port: int,
        logits_at_once: int = LOGITS_AT_ONCE,
    ) -> None:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": "0", "WORLD_SIZE": str(world)}
        os.environ |= {"MASTER_ADDR": address, "MASTER_PORT": str(port)}
        release_stale(Path(os.environ.get("TORCH_EXTENSIONS_DIR") or get_default_build_root()))
        torch.manual_seed(config.run.seed)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        deepspeed.init_distributed("nccl" if torch.cuda.is_available() else "gloo", auto_mpi_discovery=False)
        self._world, self._rank, self._knobs = world, rank, config.learner
        self._objective = build_objective(config.learner.loss)
        attention, temperature = config.learner.attention, config.rollout.temperature
        load = partial(load_model, model, config.model.dtype, attention)
        recompute = config.learner.gradient_checkpointing
        policy = Policy(load(gradient_checkpointing=recompute), temperature, attention, logits_at_once)
        self._reference: Policy | None = None
        if self._objective.divergence is not None:
            frozen = Policy(load(), temperature, attention).requires_grad_(False)
            self._reference = frozen.eval().to(self._device)
        initialize: Any = deepspeed.initialize  # its own annotations refuse what its documentation takes
        self._engine, *_ = initialize(
            model=policy,
            model_parameters=[p for p in policy.parameters() if p.requires_grad],
            lr_scheduler=scheduler(config.learner, config.run.steps * config.learner.minibatches),
            config=deepspeed_config(config.learner, config.model.dtype),
        )
        self._norm = 0.0
        if plain(config.learner, config.model.dtype):
            self._engine.optimizer.register_step_pre_hook(self._clip)

    def _clip(self, *_: object) -> None:
        """Between the reduction of the gradients and the step that uses them."""
        parameters, limit = self._engine.module.parameters(), self._knobs.max_grad_norm
        self._norm = finite_norm(float(torch.nn.utils.clip_grad_norm_(parameters, limit)))

    def update(self, minibatches: Sequence[Sequence[Rectangle]]) -> dict[str, float]:
        """One optimizer step per minibatch, each the sum of its micro-batches over all ranks.

        Returns the batch's `loss`, `grad_norm`, `lr` and `policy/*`, the same on every rank. Raises
        FloatingPointError, before the weights are touched, when the loss is not a number.
        """
        starts = self._start_logps(minibatches)
        sums: dict[str, float] = {}
        norms: list[float] = []
        rate = 0.0
        for micros, olds in zip(minibatches, starts, strict=True):
            part = reduced([self._backward(micro, old) for micro, old in zip(micros, olds, strict=True)])
            if not torch.isfinite(torch.tensor(part["loss"])):
                raise FloatingPointError(f"the loss is {part['loss']}: lower learner.lr, or look at the last rollouts")
            rate = float(self._engine.get_lr()[0])  # of this step: `step` moves the schedule on
            self._engine.step()
            norms.append(finite_norm(float(self._engine.get_global_grad_norm() or self._norm)))
            sums = {name: sums.get(name, 0.0) + value for name, value in part.items()}
        return statistics(sums, norms) | {"learner/lr": rate}

    def _start_logps(self, minibatches: Sequence[Sequence[Rectangle]]) -> list[list[Tensor | None]]:
        """The policy's log-probabilities before the first of several steps; with one step they are its own."""
        if len(minibatches) == 1 or self._knobs.loss.correction == "ratio":
            return [[None] * len(micros) for micros in minibatches]
        with torch.no_grad():
            return [
                [self._engine(*self._inputs(micro), most=micro.most)[0] for micro in micros] for micros in minibatches
            ]

    def _inputs(self, micro: Rectangle) -> list[Tensor]:
        forest = micro.forest
        how = [] if forest is None else [forest.parent_NT, forest.depth_NT, forest.end_NT]
        return [torch.from_numpy(array).to(self._device) for array in (micro.token_ids_NT, micro.mask_NT, *how)]

    def _backward(self, micro: Rectangle, old_logp_K: Tensor | None) -> dict[str, Tensor]:
        inputs = self._inputs(micro)
        logp_K, entropy_K = self._engine(*inputs, most=micro.most)
        engine_K, advantage_K, weight_K = (
            torch.from_numpy(values).to(logp_K) for values in (micro.engine_logp_K, micro.advantage_K, micro.weight_K)
        )
        reference_K = None
        if self._reference is not None:
            with torch.no_grad():
                reference_K = self._reference(*inputs)[0]
        start_K = logp_K.detach() if old_logp_K is None else old_logp_K
        loss, sums = self._objective.loss(logp_K, start_K, engine_K, advantage_K, weight_K, reference_K)
        # DeepSpeed averages gradients over ranks; our denominator already spans them.
        self._engine.backward(loss * self._world)
        return sums | {
            "loss": loss.detach(),
            "entropy": entropy_K.sum(),
            "computed": torch.tensor(micro.tokens).to(loss),
        }

    def logprobs(self, token_ids: Sequence[int]) -> list[float]:
        """Log-probability of each token but the first, given those before it, at temperature 1."""
        ids_NT = torch.tensor([list(token_ids)], device=self._device)
        mask_NT = torch.ones_like(ids_NT, dtype=torch.bool)
        policy: Policy = self._engine.module
        temperature, policy.temperature = policy.temperature, 1.0
        with torch.no_grad():
            logp_K, _ = self._engine(ids_NT, mask_NT)
        policy.temperature = temperature
        return logp_K.tolist()

    def buckets(self, max_bytes: int) -> Iterator[list[tuple[str, Tensor]]]:
        """Whole parameters in checkpoint names, a tied one once, gathered about `max_bytes` at a time (ZeRO-3).

        Gathering is collective: every rank iterates to the end, in step.
        """
        if self._device.type == "cuda":
            torch.cuda.synchronize()  # senders read on streams of their own, which do not wait for the optimizer's
        bucket: list[tuple[str, torch.nn.Parameter]] = []
        size = 0
        for name, parameter in self._engine.module.model.named_parameters():
            whole = full_shape(parameter).numel() * parameter.element_size()
            if bucket and size + whole > max_bytes:
                yield from self._gathered(bucket)
                bucket, size = [], 0
            bucket.append((name, parameter))
            size += whole
        yield from self._gathered(bucket)

    def shapes(self) -> list[tuple[str, torch.dtype, tuple[int, ...]]]:
        """Name, type and whole shape of what `buckets` yields, in its order, without gathering."""
        return [(n, p.dtype, tuple(full_shape(p))) for n, p in self._engine.module.model.named_parameters()]

    def _gathered(self, bucket: Sequence[tuple[str, torch.nn.Parameter]]) -> Iterator[list[tuple[str, Tensor]]]:
        sharded = self._knobs.zero_stage == 3
        with deepspeed.zero.GatheredParameters([p for _, p in bucket], enabled=sharded):
            yield [(name, parameter.detach()) for name, parameter in bucket]

    def save(self, folder: Path) -> None:
        """Model, optimizer, schedule and the CPU's random state of every rank, for an exact resume."""
        state = {"torch_rng": torch.get_rng_state()}
        self._engine.save_checkpoint(str(folder), tag="state", client_state=state)

    def load(self, folder: Path) -> None:
        """Take up what `save` wrote; the rate, betas and weight decay are those of the config, which may be new.

        Raises RuntimeError when there is nothing that fits.
        """
        path, state = self._engine.load_checkpoint(str(folder), tag="state")
        if path is None:
            raise RuntimeError(f"{folder} holds no learner state that fits this run's ranks and ZeRO stage")
        torch.set_rng_state(state["torch_rng"])
        rates, knobs = self._engine.lr_scheduler, self._knobs
        rates.base_lrs = [knobs.lr] * len(rates.base_lrs)
        now = {"lr": knobs.lr * rates.lr_lambdas[0](rates.last_epoch), "initial_lr": knobs.lr}
        for group in self._engine.optimizer.param_groups:
            group.update(now, betas=knobs.betas, weight_decay=knobs.weight_decay)

    def export(self, folder: Path, *, max_bytes: int) -> None:
        """Write the weights in Hugging Face format, as `transformers` and vLLM load them."""
        tensors = {n: p.to("cpu", copy=True) for bucket in self.buckets(max_bytes) for n, p in bucket if not self._rank}
        if self._rank == 0:
            self._engine.module.model.save_pretrained(folder, state_dict=tensors)

    def close(self) -> None:
        torch.distributed.destroy_process_group()


def finite_norm(norm: float) -> float:
    """The norm of a gradient. Raises FloatingPointError when it is no number: no step may follow it."""
    if not math.isfinite(norm):
        raise FloatingPointError(f"the gradient's norm is {norm}: lower learner.lr, or look at the last rollouts")
    return norm


def full_shape(parameter: Any) -> torch.Size:
    """The shape of the whole parameter, also where ZeRO-3 holds only a shard of it."""
    return parameter.ds_shape if is_zero_param(parameter) else parameter.shape


def scheduler(
    learner: LearnerConfig, total: int
) -> Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LambdaLR]:
    shape = partial(factor, schedule=learner.schedule, warmup=learner.warmup_steps, total=total)
    return lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, shape)


def reduced(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """The sums over micro-batches and ranks, the same on every rank."""
    names = sorted(parts[0])
    total = torch.stack([torch.stack([part[name].double() for name in names]) for part in parts]).sum(0)
    torch.distributed.all_reduce(total)
    return dict(zip(names, total.tolist(), strict=True))


def statistics(sums: Mapping[str, float], norms: Sequence[float]) -> dict[str, float]:
    """What a batch is logged with: sums over its trained tokens as means, and one norm per optimizer step."""
    tokens = max(sums["tokens"], 1.0)
    return {
        "loss": sums["loss"] / len(norms),
        "grad_norm": sum(norms) / len(norms),
        "learner/trained_tokens": sums["tokens"],
        "learner/computed_tokens": sums["computed"],
        "policy/entropy": sums["entropy"] / tokens,
        "policy/logprob_gap": sums["logprob_gap"] / tokens,
        "policy/clip_fraction": sums["clipped"] / tokens,
        "policy/masked_fraction": sums["masked"] / tokens,
        "policy/kl": sums["kl"] / tokens,
    }
