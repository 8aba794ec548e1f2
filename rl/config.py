"""Every knob of a training run: declared once, typed, frozen.

A section is read by one part of the system, named in its docstring. Loading, overrides and the
did-you-mean live in `rl.config_file`, what may be said of data in `rl.config_data`; here is the rest of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol, Self

from pydantic import Field, field_validator, model_validator

from rl.config_data import DataConfig as DataConfig
from rl.config_data import Section as Section
from rl.config_data import SourceConfig as SourceConfig
from rl.config_loss import Correction as Correction
from rl.config_loss import LossConfig as LossConfig
from rl.config_schema import suggest


class RunConfig(Section):
    """The run as a whole (`rl.launch`, `rl.controller`)."""

    name: str = Field(pattern=r"^\w[\w.-]*$", description="folder of the run: letters, digits, `_`, `.` and `-`")
    folder: Path = Path("runs")
    seed: int = Field(default=0, ge=0)
    steps: int = Field(gt=0)
    lookahead: int = Field(default=0, ge=0, description="batches sampled ahead of the learner; 0 is strictly on-policy")
    save_every: int = Field(default=50, gt=0)
    keep_last: int = Field(default=2, gt=0, description="checkpoints kept beside the best one")
    max_sampled_tokens: int = Field(default=0, ge=0, description="end after the step that reaches it; 0 is no limit")
    eval_every: int = Field(default=0, ge=0, description="0 evaluates before the first and after the last step only")
    eval_budgets: tuple[int, ...] = Field(default=(), description="thinking budgets of it; empty: the largest alone")
    best: str = Field(default="", description="metric whose best checkpoint is kept; empty: accuracy, held out if any")
    excluded_limit: float = Field(
        default=0.5, gt=0, le=1, description="stop when more of a batch than this has no verdict"
    )
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()

    @field_validator("eval_budgets")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)) or min(value, default=1) < 1:
            raise ValueError(f"budgets of at least 1, ascending without repetition; got {list(value)}")
        return value


class WarmupConfig(Section):
    """Cold-start SFT through TRL (`rl.warmup`); its result is cached by its own settings."""

    steps: int = Field(gt=0)
    batch: int = Field(default=64, gt=0)
    habits: Literal["hasty", "wordy"] = Field(default="hasty", description="answers too early, repeats itself")


class ModelConfig(Section):
    """The policy (`rl.model`, `rollout.vllm_engine`). `path` is a folder, a hub id, or `tiny`, built here."""

    path: str
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    context: int = Field(gt=0, description="longest sequence, prompt and answer included")
    tie_embeddings: bool = Field(default=True, description="only for `path: tiny`")
    warmup: WarmupConfig | None = Field(default=None, description="only for `path: tiny`")

    @model_validator(mode="after")
    def _warmup_is_tiny(self) -> ModelConfig:
        if self.warmup is not None and self.path != "tiny":
            raise ValueError(f"warmup is for path: tiny only, not for {self.path!r}; remove it")
        if not self.tie_embeddings and self.path != "tiny":
            raise ValueError(f"tie_embeddings is for path: tiny only; {self.path!r} has its own; remove it")
        return self


class SamplingConfig(Section):
    """Sampling, in training and in evaluation (`rollout.sampler`, `rollout.vllm_engine`)."""

    engines: int = Field(default=1, gt=0)
    tensor_parallel: int = Field(default=1, gt=0)
    max_in_flight: int = Field(default=128, gt=0, description="sequences an engine works on at once")
    memory_gib: int = Field(default=1, gt=0, description="KV cache of one engine on CPU")
    memory_fraction: float = Field(default=0.85, gt=0, le=1, description="GPU memory of one engine")
    temperature: float = Field(default=1.0, ge=0, description="0 takes the most probable token")
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    answer_tokens: int = Field(gt=0, description="the answer's own allowance, beside the thinking budget")
    think_end: str = "</think>"
    closing: str = Field(
        default="</think>", description="forced when a thought reaches its budget; must contain think_end"
    )
    cue: str = Field(default="", description="forced after every closed thought, before the answer")

    @model_validator(mode="after")
    def _closing_closes(self) -> Self:
        if not self.think_end or self.think_end not in self.closing:
            raise ValueError(f"closing must contain think_end {self.think_end!r}, got {self.closing!r}")
        return self


class RolloutConfig(SamplingConfig):
    """Sampling in training: groups of several, at a temperature that lets them differ."""

    prompts_per_step: int = Field(gt=0)
    group_size: int = Field(default=8, gt=1)
    temperature: float = Field(default=1.0, gt=0)


class TermConfig(Section):
    """One reward: a built-in name, an entry point, `module:function` or `path/to/file.py:function`."""

    name: str
    weight: float = 1.0
    params: dict[str, Any] = Field(default_factory=dict[str, Any], description="keyword arguments of the function")
    sources: tuple[str, ...] = Field(default=(), description="judges only tasks of these data sources; empty: all")
    label: str = Field(default="", description="what metrics and formulas call it; empty: the function's name")


class RewardConfig(Section):
    """Judging (`rewards.judge`)."""

    terms: tuple[TermConfig, ...] = Field(min_length=1)
    value: str = Field(
        default="sum",
        description="`sum` of the terms, `z_by_group` or `z_by_batch` (of their z-scores), "
        "or a formula such as `math * within_budget`",
    )
    workers: int = Field(default=2, gt=0)
    actors: int = Field(default=0, ge=0, description="Ray actors with `workers` each; 0 judges beside the controller")
    deadline_s: float = Field(default=10.0, gt=0, description="for one answer; then its worker is killed")


class LearnerConfig(Section):
    """Optimisation (`rl.deepspeed_learner`)."""

    ranks: int = Field(default=1, gt=0)
    zero_stage: Literal[0, 1, 2, 3] = 0
    offload: Literal["none", "optimizer", "all"] = "none"
    gradient_checkpointing: bool = False
    micro_tokens: int = Field(default=16_384, gt=0, description="padded tokens in one forward and backward")
    minibatches: int = Field(default=1, gt=0, description="optimizer steps per batch of rollouts")
    lr: float = Field(gt=0)
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    drop_zero_signal: bool = Field(default=True, description="drop groups whose credit is zero throughout")
    share: Literal["none", "rollout", "group"] = Field(
        default="rollout",
        description="put through the model once: nothing, the thought of a rollout, the prompt of a group as well",
    )
    attention: Literal["sdpa", "flex"] = Field(
        default="sdpa", description="flex skips what a token tree does not see; it needs a GPU"
    )
    loss: LossConfig = LossConfig()

    @model_validator(mode="after")
    def _weights_are_offloaded_in_shards(self) -> LearnerConfig:
        if self.offload == "all" and self.zero_stage != 3:
            raise ValueError(f"offload: all needs zero_stage: 3, not {self.zero_stage}; or offload: optimizer")
        return self


class PublishConfig(Section):
    """Weights from learner to engines (`rl.weight_sender`)."""

    backend: Literal["shm", "nccl", "ipc"] = "shm"
    tolerance: float | None = Field(
        default=None, gt=0, description="largest mean |log-prob gap| on the probe; null: 1e-3 in float32, else 0.05"
    )


class ClusterConfig(Section):
    """Where the actors live (`rl.cluster`)."""

    address: str = Field(
        default="local", description="`local` starts Ray on this machine, `auto` joins a running cluster"
    )
    placement: Literal["split", "colocated"] = "split"
    deadline_s: float = Field(default=600.0, gt=0, description="longest wait for any one call of an actor")


class Weights(Protocol):
    """What an engine must know of the model that it loads."""

    @property
    def dtype(self) -> str: ...
    @property
    def context(self) -> int: ...


class EngineSide(Protocol):
    """The sections that engines read: those of a training run, or of an evaluation."""

    @property
    def model(self) -> Weights: ...
    @property
    def rollout(self) -> SamplingConfig: ...
    @property
    def publish(self) -> PublishConfig: ...
    @property
    def cluster(self) -> ClusterConfig: ...


class TrainConfig(Section):
    """A training run. Every file in `configs/` is one of these."""

    run: RunConfig
    model: ModelConfig
    data: DataConfig
    rollout: RolloutConfig
    reward: RewardConfig
    algorithm: dict[str, Any]
    learner: LearnerConfig
    publish: PublishConfig = PublishConfig()
    cluster: ClusterConfig = ClusterConfig()

    @field_validator("algorithm")
    @classmethod
    def _known_algorithm(cls, value: dict[str, Any]) -> dict[str, Any]:
        from rl.algorithms import resolve  # keeps the schema importable without numpy

        return resolve(value)

    @model_validator(mode="after")
    def _room_for_the_budget(self) -> TrainConfig:
        from rl.algorithms import build
        from rl.triggers import largest_budget

        algorithm = build(self.algorithm)
        largest = max(largest_budget(algorithm, self.run.steps), *self.run.eval_budgets, 0)
        if largest + self.rollout.answer_tokens >= self.model.context:
            raise ValueError(
                f"a budget of {largest} and {self.rollout.answer_tokens} answer tokens leave no room for a prompt "
                f"in model.context {self.model.context}: raise model.context or lower the budget"
            )
        return self

    @model_validator(mode="after")
    def _rewards_name_sources_of_the_data(self) -> TrainConfig:
        held_out = (self.data.held_out,) if self.data.held_out else ()
        known = [one.source for one in (*self.data.sources, *held_out)]
        for term in self.reward.terms:
            for source in term.sources:
                if source not in known:
                    hint = suggest(source, known) or f"; there are {', '.join(known)}"
                    raise ValueError(f"reward {term.name!r} judges source {source!r}, which no data have{hint}")
        return self

    @model_validator(mode="after")
    def _what_is_watched_is_measured(self) -> TrainConfig:
        """The metrics that not every row has are known from the config; others are looked for in the first row."""
        from rl.algorithms import build
        from rl.metrics import label
        from rl.triggers import plateau_of

        budgets, sources = self.run.eval_budgets, [label(one.source) for one in self.data.sources]
        several = ("anytime", *(f"budget_{budget}" for budget in budgets)) if len(budgets) > 1 else ()
        heldout = [f"heldout/{name}" for name in ("accuracy", *several)] if self.data.held_out else []
        by_source = [f"accuracy/source_{name}" for name in sources] if len(sources) > 1 else []
        absent = {"heldout/": "data.held_out names no problems", "accuracy/source_": "data.train has one source"}
        plateau = plateau_of(build(self.algorithm))
        watched = {"run.best": self.run.best, "algorithm.budget.statistic": plateau.statistic if plateau else ""}
        for knob, metric in watched.items():
            for prefix, known in (("heldout/", heldout), ("accuracy/source_", by_source)):
                if metric.startswith(prefix) and metric not in known:
                    there = f"there are {', '.join(known)}" if known else absent[prefix]
                    raise ValueError(f"{knob} {metric!r} is not measured: {there}")
        return self

    @model_validator(mode="after")
    def _prompts_can_ask(self) -> TrainConfig:
        from rl.algorithms import build

        algorithm, size, template = build(self.algorithm), self.rollout.group_size, self.data.template
        for draw in (0.0, 0.5, 1 - 2**-48):
            asked = algorithm.budgets(0, draw=draw)
            if size % len(asked.efforts):
                parts = len(asked.efforts)
                raise ValueError(f"rollout.group_size {size} cannot be divided among {parts} efforts of a prompt")
            unnamed = {"{effort}": asked.efforts != (1.0,), "{budget}": asked.asked != asked.largest}
            for mark, needed in unnamed.items():
                if needed and mark not in template:
                    raise ValueError(f"data.template {template!r} must contain {mark}: the reward depends on it")
        return self

    @model_validator(mode="after")
    def _backend_fits_placement(self) -> TrainConfig:
        wanted = {"nccl": "split", "ipc": "colocated"}.get(self.publish.backend)
        if wanted not in (None, self.cluster.placement):
            raise ValueError(f"publish.backend {self.publish.backend} needs cluster.placement: {wanted}")
        engines, ranks = self.rollout.engines, self.learner.ranks
        if self.publish.backend == "ipc" and engines != ranks:
            raise ValueError(
                f"publish.backend ipc hands over what lies on an engine's own GPU: {engines} rollout.engines need as "
                f"many learner.ranks, not {ranks}; or set publish.backend: shm"
            )
        return self
