"""The knobs of the loss. `rl.config` has all others."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from rl.config_data import Section

Correction: TypeAlias = (
    Literal["none", "tis", "icepop", "ratio"] | dict[Literal["tis", "icepop"], float | tuple[float, float]]
)


class LossConfig(Section):
    """From credit to gradient (`rl.losses`)."""

    clip_low: float = Field(default=0.2, gt=0, lt=1)
    clip_high: float = Field(default=0.2, gt=0)
    aggregation: Literal["token_mean", "sequence_mean"] | Annotated[int, Field(gt=0)] = Field(
        default="token_mean", description="a number of tokens divides by that constant, the L_max of Dr. GRPO"
    )
    correction: Correction = Field(
        default="tis",
        description="of the engine-learner gap: a weight, such as {tis: 2.0} or {icepop: [0.5, 5.0]}, "
        "or `ratio`, clipped against the engine itself",
    )
    kl: dict[Literal["k1", "k2", "k3"], float] = Field(
        default_factory=dict[Literal["k1", "k2", "k3"], float],
        max_length=1,
        description="estimator and weight, such as {k3: 0.01}; empty: no reference",
    )

    @field_validator("kl")
    @classmethod
    def _kl_pulls(cls, value: dict[str, float]) -> dict[str, float]:
        if min(value.values(), default=1.0) <= 0:
            raise ValueError(f"a weight above 0, not {value}; leave it empty for none")
        return value

    @field_validator("correction")
    @classmethod
    def _correction_leaves_something(cls, value: Correction) -> Correction:
        if isinstance(value, str):
            return value
        for name, limits in value.items():
            fits = 0 <= limits[0] < limits[1] if isinstance(limits, tuple) else limits > 0
            if not fits or isinstance(limits, tuple) != (name == "icepop"):
                raise ValueError(f"tis has a cap above 0, icepop a low and a high weight; got {value}")
        return value
