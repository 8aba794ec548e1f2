"""What a config will cost, worked out before anything is started. Pure: a config in, numbers out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TypeAlias

from rl.algorithms import build
from rl.config import LearnerConfig, RolloutConfig, TrainConfig
from rl.model_shape import ModelShape
from rl.terminal_curve import budget_curve
from rl.triggers import ALMOST_ONE, condition, farthest, plateau_of
from rollout.types import BudgetPrior

Line: TypeAlias = tuple[str, str, str]
"""Quantity, value, and what it follows from."""

GIB = 2**30

ROWS = 12
"""Most rows of the table of budgets."""

_BYTES = {"float32": (4, 4, 8), "bfloat16": (2, 2, 12)}
"""Per parameter: weights, gradients, and Adam's moments (beside float32 master weights under bfloat16)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the model's states. Those of one learner rank leave out activations and buffers."""

    weights: int
    gradients: int
    optimizer: int
    on_device: int
    on_host: int
    publish: int
    checkpoint: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The numbers that follow from a config. Tokens are the most that can be sampled; forced ones are not counted."""

    budgets: tuple[int, int]  # least and most of the run, however often a trigger moves them
    schedule: tuple[int, ...]  # largest budget of each step, as long as no trigger moves it
    asked: tuple[int, ...]  # what the prompts of each step name, at most: the length that is paid for
    samples_per_step: int
    tokens_per_step: int
    tokens: int
    prompts: int
    tasks: int | None
    prompt_room: int  # tokens of the context that a budget and an answer leave for prompt and forced tokens
    engine_devices: int
    devices: int
    parameters: int | None
    memory: Memory | None
    cache_bytes: int | None  # KV cache of one engine, every sequence in flight as long as the context


def plan(config: TrainConfig, tasks: int | None = None, model: ModelShape | int | None = None) -> Plan:
    """The plan of a run over so many training problems (None: unknown) with a model of that shape or size."""
    algorithm, rollout, steps = build(config.algorithm), config.rollout, range(config.run.steps)
    ways = ((), farthest(algorithm))  # no trigger moves the budget, or one has taken it to its limit at once
    asked = [
        [algorithm.budgets(step, moves=moves, draw=draw) for moves in ways for draw in (0.0, ALMOST_ONE)]
        for step in steps
    ]
    least = [prior.tokens[0] for priors in asked for prior in priors]
    largest = [prior.largest for priors in asked for prior in priors]
    samples = rollout.prompts_per_step * rollout.group_size
    tokens = [samples * max(_tokens(prior, rollout) for prior in priors) for priors in asked]
    engine_devices = rollout.engines * rollout.tensor_parallel
    together = config.cluster.placement == "colocated"
    parameters = model.parameters if isinstance(model, ModelShape) else model
    weight_bytes = _BYTES[config.model.dtype][0]
    return Plan(
        budgets=(min(least), max(largest)),
        schedule=tuple(max(one.largest, other.largest) for one, other, *_ in asked),
        asked=tuple(max(one.asked, other.asked) for one, other, *_ in asked),
        samples_per_step=samples,
        tokens_per_step=max(tokens),
        tokens=sum(tokens),
        prompts=config.run.steps * rollout.prompts_per_step,
        tasks=tasks,
        prompt_room=config.model.context - 1 - max(largest) - rollout.answer_tokens,  # an engine scores one less
        engine_devices=engine_devices,
        devices=max(engine_devices, config.learner.ranks) if together else engine_devices + config.learner.ranks,
        parameters=parameters,
        memory=None if parameters is None else memory(parameters, config.model.dtype, config.learner),
        cache_bytes=model.cached_values * weight_bytes * rollout.max_in_flight * config.model.context
        if isinstance(model, ModelShape)
        else None,
    )


def _tokens(prior: BudgetPrior, rollout: RolloutConfig) -> int:
    """The most that one rollout can sample: a thought, and its answers at every budget."""
    return prior.largest + len(prior.tokens) * prior.answers * rollout.answer_tokens


def memory(parameters: int, dtype: str, learner: LearnerConfig) -> Memory:
    """Bytes of one learner rank under ZeRO (Rajbhandari et al. 2020, section 3) and DeepSpeed's offload.

    Stage 1 divides the optimizer among the ranks, 2 the gradients too, 3 the weights too. A KL penalty
    keeps a frozen copy of the weights, whole on every rank below stage 3.
    """
    each = _BYTES[dtype]
    least = 1 if dtype == "bfloat16" else 0  # the learner runs stage 1 there, for DeepSpeed's stage 0 is wrong
    shares = [learner.ranks if max(learner.zero_stage, least) >= stage else 1 for stage in (3, 2, 1)]
    weights, gradients, optimizer = (ceil(parameters * n / share) for n, share in zip(each, shares, strict=True))
    weights *= 2 if learner.loss.kl else 1
    states = {"none": (0, 0), "optimizer": (0, optimizer), "all": (weights, optimizer)}[learner.offload]
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        on_device=weights + gradients + optimizer - sum(states),
        on_host=sum(states),
        publish=parameters * each[0],
        checkpoint=parameters * (each[0] + each[2]),
    )


def lines(config: TrainConfig, plan: Plan) -> Iterator[Line]:
    """The plan in words, one line for each number."""
    run, rollout, learner = config.run, config.rollout, config.learner
    epochs = "unknown" if plan.tasks is None else f"{plan.prompts / plan.tasks:.2f}"
    low, high = plan.budgets
    yield "prompts / step", f"{rollout.prompts_per_step:,}", "rollout.prompts_per_step"
    yield "samples / step", f"{plan.samples_per_step:,}", "prompts x rollout.group_size"
    yield "thinking budget", f"{high:,}" if low == high else f"{low:,} to {high:,}", "algorithm"
    if plateau := plateau_of(build(config.algorithm)):
        yield "budget moves", f"x {plateau.factor:g}, to {plateau.limit:,}", f"whenever {condition(plateau)}"
    yield "sampled tokens / step", f"<= {plan.tokens_per_step:,}", "samples x (largest budget + answers)"
    yield "steps", f"{run.steps:,}", "run.steps"
    yield "prompts", f"{plan.prompts:,}", "steps x prompts"
    yield "samples", f"{run.steps * plan.samples_per_step:,}", "steps x samples"
    yield "sampled tokens", f"<= {plan.tokens:,}", "summed over the steps"
    yield "training problems", "unknown" if plan.tasks is None else f"{plan.tasks:,}", "data.train"
    yield "epochs", epochs, "prompts / training problems"
    yield "optimizer steps", f"{run.steps * learner.minibatches:,}", "steps x learner.minibatches"
    yield "policy lag", f"<= {run.lookahead}", "run.lookahead"
    yield "longest sequence", f"{config.model.context:,}", "model.context"
    yield "room for the prompt", f"{plan.prompt_room:,}", "context - budget - answer; forced tokens included"
    yield from _device_lines(config, plan)
    yield from _memory_lines(config, plan)


def changes(plan: Plan) -> list[tuple[int, int, int]]:
    """Step, largest budget and what prompts name, at step 0 and wherever they are not those of the step before."""
    steps = list(zip(plan.schedule, plan.asked, strict=True))
    moved = enumerate(pairwise(steps), 1)
    return [(0, *steps[0]), *((step, *after) for step, (before, after) in moved if before != after)]


def budget_view(plan: Plan, width: int = 80) -> str:
    """The planned budgets as a table of changes, thinned to `ROWS`, and a curve; empty when they stay the same."""
    found = changes(plan)
    if len(found) == 1:
        return ""
    last = len(found) - 1
    kept = sorted({round(i * last / (ROWS - 2)) for i in range(ROWS - 1)}) if len(found) > ROWS else range(len(found))
    named = plan.asked != plan.schedule
    heads = [f"{'step':>8}  {'budget':>8}" + ("  prompts name" if named else "")]
    rows = [f"{step:>8,}  {most:>8,}" + (f"  {asked:>12,}" if named else "") for step, most, asked in found]
    left_out = [f"{'…':>8}  {len(found) - len(kept)} more changes between these"] if len(kept) < len(found) else []
    return "\n".join([*heads, *(rows[i] for i in kept), *left_out, "", budget_curve(plan.schedule, width)])


def _device_lines(config: TrainConfig, plan: Plan) -> Iterator[Line]:
    yield "engine devices", f"{plan.engine_devices}", "rollout.engines x rollout.tensor_parallel"
    yield "learner devices", f"{config.learner.ranks}", "learner.ranks"
    yield "devices", f"{plan.devices}", f"GPUs, or CPU processes; cluster.placement {config.cluster.placement}"
    yield "judge processes", f"{config.reward.workers}", "reward.workers"


def _memory_lines(config: TrainConfig, plan: Plan) -> Iterator[Line]:
    cache = "unknown" if plan.cache_bytes is None else size(plan.cache_bytes)
    by_name = plan.parameters is not None and plan.cache_bytes is None
    source = "the name of model.path: its config.json is not on this machine" if by_name else "model.path"
    yield "parameters", "unknown" if plan.parameters is None else f"{plan.parameters:,}", source
    yield "KV cache / engine", cache, "at most: rollout.max_in_flight x model.context"
    if plan.memory is None:
        yield "memory", "unknown", "config.json of model.path is not on this machine"
        return
    kept, memory = config.run.keep_last + 1, plan.memory
    zero = f"model.dtype, ZeRO {config.learner.zero_stage} over {config.learner.ranks} ranks"
    yield "weights / rank", size(memory.weights), zero
    yield "gradients / rank", size(memory.gradients), zero
    yield "optimizer / rank", size(memory.optimizer), zero
    yield "on the device / rank", size(memory.on_device), "without activations"
    yield "on the host / rank", size(memory.on_host), f"learner.offload {config.learner.offload}"
    yield "published / step", size(memory.publish), "parameters x model.dtype"
    yield "checkpoints", size(kept * memory.checkpoint), f"{kept} kept x {size(memory.checkpoint)}"


def size(n: int) -> str:
    """Bytes for people: `3.1 MiB`."""
    for unit, bound in (("GiB", GIB), ("MiB", 2**20), ("KiB", 2**10)):
        if n >= bound:
            return f"{n / bound:,.1f} {unit}"
    return f"{n} B"
