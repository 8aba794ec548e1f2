"""Every knob of an evaluation, typed and frozen; the sections that training has too are training's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from rl.config import ClusterConfig, PublishConfig, SamplingConfig
from rl.config_data import Section
from rl.evaluation.cards import TaskCard, card


class EvalModelConfig(Section):
    """The model (`rl.evaluation.models`). `path` is a folder, a hub id, or a run's folder or checkpoint."""

    path: str
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    context: int = Field(default=0, ge=0, description="longest sequence; 0 is what prompts and budgets need")


class PriceConfig(Section):
    """What a million tokens cost, in whatever money."""

    prompt: float = Field(default=0.0, ge=0)
    completion: float = Field(default=0.0, ge=0)


class EvalSamplingConfig(SamplingConfig):
    """Sampling, with an allowance that suits a boxed answer with a sentence around it."""

    answer_tokens: int = Field(default=256, gt=0, description="the answer's own allowance, beside the thinking budget")


class EvalConfig(Section):
    """An evaluation (`rl.evaluation.run`): a model, tasks, a grid of thinking budgets, and how each is kept."""

    model: EvalModelConfig
    tasks: tuple[TaskCard, ...] = Field(min_length=1, description="names of tasks, or changes to them, or whole cards")
    budgets: tuple[int, ...] = Field(min_length=1, description="thinking tokens, ascending")
    samples: int = Field(default=1, gt=0, description="thoughts per problem")
    limit: int = Field(default=0, ge=0, description="the first N problems of each task; 0 takes all")
    seed: int = Field(default=0, ge=0)
    strategy: dict[str, Any] = Field(default={"type": "hard"}, description="a test-time method and its keys")
    check_forks: int = Field(default=0, ge=0, description="problems that are also thought about anew for each budget")
    price: PriceConfig = PriceConfig()
    out: Path = Field(default=Path(), description="folder of the results; empty: evals/ and a name made of it all")
    workers: int = Field(default=2, gt=0, description="processes that judge")
    rollout: EvalSamplingConfig = EvalSamplingConfig()
    publish: PublishConfig = PublishConfig()
    cluster: ClusterConfig = ClusterConfig()

    @field_validator("tasks", mode="before")
    @classmethod
    def _cards(cls, value: Any) -> Any:
        return [spec if isinstance(spec, TaskCard) else card(spec) for spec in value] if _is_list(value) else value

    @field_validator("budgets")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if value[0] < 1:
            raise ValueError(f"a budget must be at least 1 token, not {value[0]}")
        if list(value) != sorted(set(value)):
            raise ValueError(f"must ascend without repetition, such as {sorted(set(value))}; got {list(value)}")
        return value

    @field_validator("strategy")
    @classmethod
    def _known_strategy(cls, value: dict[str, Any]) -> dict[str, Any]:
        from rl.evaluation.strategies import resolve  # keeps the schema importable without numpy

        return resolve(value)

    @model_validator(mode="after")
    def _forks_are_checked_against_themselves(self) -> EvalConfig:
        if self.check_forks and self.strategy["type"] != "hard":
            raise ValueError(f"check_forks compares the cuts of strategy hard, not {self.strategy['type']}")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> EvalConfig:
        names = [card.name for card in self.tasks]
        if len(set(names)) < len(names):
            raise ValueError(f"tasks: two of one name in {names}: give one a `name` of its own")
        return self


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
