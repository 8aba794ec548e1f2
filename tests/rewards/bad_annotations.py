"""A reward as linters leave it: what only its annotations need is not there when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from rollout.types import Answer, Task


def typed(task: Task, answer: Answer, *, rel: float = 0.0) -> Decimal | float:
    return 1.0 + rel


def typed_by_a_stranger(task: Task, answer: Answer, *, rel: Decimal = 0) -> float:
    return 1.0
