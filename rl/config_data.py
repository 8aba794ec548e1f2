"""The knobs of the data, and what a section of knobs is. `rl.config` has all others."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationInfo, field_validator, model_validator


class Section(BaseModel):
    """A frozen group of knobs that rejects names it does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
        ser_json_inf_nan="constants",  # a variant's own knob may be infinite
    )

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads `yes` as true, and Python reads true as 1."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation in (int, float):
            raise ValueError(f"expected a number, got {str(value).lower()}")
        return value


class SourceConfig(Section):
    """One data source (`rl.tasks`): a hub id, a local json/jsonl/parquet file, or `reasoning_gym:NAME`."""

    source: str
    split: str = Field(default="train", description="of a hub data set; a local file has no others")
    prompt: str = Field(default="prompt", description="column of the problem, dotted into nested records")
    answer: str = Field(default="answer", description="column of the gold answer")
    answer_after: str = Field(default="", description="keep the answer's text after the last occurrence of this mark")
    id: str = Field(default="", description="column of a unique id; empty numbers the rows")
    limit: int = Field(default=0, ge=0, description="take the first N rows; 0 takes all")
    options: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="settings of a reasoning_gym data set, or arguments of `datasets.load_dataset`",
    )


_SEVERAL = TypeAdapter(Annotated[tuple[SourceConfig, ...], Field(min_length=1)])


class DataConfig(Section):
    """Problems and how they are put to the model (`rl.tasks`, `rl.mixes`, `rollout.prompts`)."""

    train: SourceConfig | tuple[SourceConfig, ...] = Field(description="one source, or a list of them")
    mix: dict[str, Any] = Field(
        default={"type": "permutation"},
        description="which problems a batch has: permutation, mixture, prioritized or pass_rate, and its keys",
    )
    held_out: SourceConfig | None = None
    template: str = Field(
        default="{prompt}",
        description="the user's message; {prompt} is the problem, {budget} tokens and {effort} are asked for",
    )
    system: str = ""

    @property
    def sources(self) -> tuple[SourceConfig, ...]:
        """The sources of the training problems."""
        return (self.train,) if isinstance(self.train, SourceConfig) else self.train

    @field_validator("train", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        """Tells them apart before pydantic tries both, which would report what is wrong with either."""
        return _SEVERAL.validate_python(value) if isinstance(value, list) else SourceConfig.model_validate(value)

    @field_validator("mix")
    @classmethod
    def _known_mix(cls, value: dict[str, Any]) -> dict[str, Any]:
        from rl.mixes import resolve  # keeps the schema importable without numpy

        return resolve(value)

    @model_validator(mode="after")
    def _mix_names_the_sources(self) -> DataConfig:
        from rl.mixes import check_sources

        check_sources(self.mix, [source.source for source in self.sources])
        return self

    @field_validator("template")
    @classmethod
    def _shows_the_problem(cls, value: str) -> str:
        if "{prompt}" not in value:
            raise ValueError(f"must contain {{prompt}}, the place of the problem, got {value!r}")
        return value
