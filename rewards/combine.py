"""Several rewards behind one, and the rule that turns what a reward returns into a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from numbers import Real

from rewards.forms import ABSENT, Batch
from rewards.formula import Formula
from rewards.terms import Term
from rewards.types import RewardResult, Status, bad_task
from rollout.types import Answer, Task


@dataclass(frozen=True)
class Combined:
    """One reward of several: the sum of weight x value, or a formula over the values.

    `parts` keeps each term's value before weighting under its label, and a term's own parts under `label/part`. The
    status is the verifier's: of the first term that names the task's source and has something to say, or, where none
    names it, of the first term. When that one has nothing to say, it is an error, for no other term may stand in. When
    any term timed out or failed there is no verdict: that status, and value 0. A task that no term judges is an error.
    """

    terms: Sequence[tuple[Term, Batch]]
    formula: Formula | None = None

    def together(self, tasks: Sequence[Task], answers: Sequence[Answer]) -> list[RewardResult]:
        """One verdict per answer. Raises what a reward of several answers raises."""
        judged: list[dict[str, RewardResult]] = [{} for _ in tasks]
        for term, function in self.terms:
            places = [i for i, task in enumerate(tasks) if term.judges(task.source)]
            returned = function([tasks[i] for i in places], [answers[i] for i in places]) if places else ()
            if len(returned) != len(places):
                raise ValueError(f'reward "{term.name}" returned {len(returned)} values for {len(places)} answers')
            for i, value in zip(places, returned, strict=True):
                if value is not ABSENT:
                    judged[i][term.label] = as_result(value)
        return [self._one(task, results) for task, results in zip(tasks, judged, strict=True)]

    def _one(self, task: Task, results: Mapping[str, RewardResult]) -> RewardResult:
        parts: dict[str, float] = {}
        for label, result in results.items():
            parts[label] = result.value
            parts.update({f"{label}/{part}": value for part, value in result.parts.items()})
        failed = next((result for result in results.values() if not result.status.judged), None)
        if failed is not None:
            return RewardResult(failed.status, 0.0, parts, failed.detail)
        verifiers = self._verifiers(task.source)
        verifier = next((results[label] for label in verifiers if label in results), None)
        if verifier is not None:
            return RewardResult(verifier.status, self._value(results), parts, verifier.detail)
        if not verifiers:
            return bad_task(task, f"no reward judges source {task.source!r}")
        silent = f"{' and '.join(verifiers)} returned None, and no other term with `sources` says whether it is right"
        return replace(bad_task(task, silent), parts=parts)

    def _verifiers(self, source: str) -> list[str]:
        """The labels of the terms that may say whether an answer is right, in the order in which they are asked."""
        judging = [term for term, _ in self.terms if term.judges(source)]
        routed = [term for term in judging if term.sources]
        return [term.label for term in routed or judging[:1]]

    def _value(self, results: Mapping[str, RewardResult]) -> float:
        if self.formula is not None:
            return self.formula({label: result.value for label, result in results.items()})
        return sum(term.weight * results[term.label].value for term, _ in self.terms if term.label in results)


def as_result(returned: object) -> RewardResult:
    """What a reward function returned, as a verdict of plain numbers.

    A bare number is right when it is at least 1, else wrong. Anything that is not a finite number
    (None, NaN, a tensor) is an error, as is a RewardResult with such a value or part.
    """
    if isinstance(returned, RewardResult):
        bad = [item for item in (returned.value, *returned.parts.values()) if not _finite(item)]
        return _not_a_number(bad[0]) if bad else _plain(returned)
    if not isinstance(returned, Real) or not _finite(returned):
        return _not_a_number(returned)
    value = float(returned)
    return RewardResult(Status.OK if value >= 1 else Status.WRONG, value)


def _plain(result: RewardResult) -> RewardResult:
    parts: Mapping[str, float] = {str(name): float(value) for name, value in result.parts.items()}
    return RewardResult(Status(result.status), float(result.value), parts, str(result.detail))


def _finite(value: object) -> bool:
    return isinstance(value, Real) and isfinite(value)


def _not_a_number(value: object) -> RewardResult:
    return RewardResult(Status.ERROR, 0.0, detail=f"the reward returned {repr(value)[:80]}, not a finite number")
