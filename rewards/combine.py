"""Several weighted rewards behind one, and the rule that turns what a reward returns into a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite
from numbers import Real

from rewards.types import RewardFn, RewardResult, Status
from rollout.types import Answer, Task


def combine(terms: Sequence[tuple[str, RewardFn, float]]) -> RewardFn:
    """One reward of (name, function, weight) terms: its value is the sum of weight x value.

    `parts` keeps each term's value before weighting under its name, and a term's own parts under
    `name/part`. The status is that of the first term, the verifier; but when any term timed out or
    failed there is no verdict: that status, and value 0. Raises ValueError without terms or when
    two share a name.
    """
    names = Counter(name for name, _, _ in terms)
    if not names or max(names.values()) > 1:
        raise ValueError(f"a reward needs at least one term, and each name once: {', '.join(names.elements()) or '-'}")

    def combined(task: Task, answer: Answer) -> RewardResult:
        results = {name: as_result(function(task, answer)) for name, function, _ in terms}
        parts: dict[str, float] = {}
        for name, result in results.items():
            parts[name] = result.value
            parts.update({f"{name}/{part}": value for part, value in result.parts.items()})
        failed = next((result for result in results.values() if not result.status.judged), None)
        if failed is not None:
            return RewardResult(failed.status, 0.0, parts, failed.detail)
        value = sum(weight * results[name].value for name, _, weight in terms)
        verifier = results[terms[0][0]]
        return RewardResult(verifier.status, value, parts, verifier.detail)

    return combined


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
