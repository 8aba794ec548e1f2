"""Problems of an evaluation spelled in letters: one string for each trial, one letter for each budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rewards.types import Status
from rl.evaluation.records import Problem, Thought, Trial, Verdict
from rollout.types import Finish

STATUSES = {
    "c": Status.OK,
    "w": Status.WRONG,
    "u": Status.UNPARSABLE,
    "t": Status.TIMEOUT,
    "e": Status.ERROR,
}
FINALS = {"c": "4", "w": "5"}


def verdict(letter: str, budget: int, *, length: int = 10_000, answer: int = 10) -> Verdict:
    """What came of a thought of `length` tokens that was cut at the budget; two tokens close it by force."""
    used = min(budget, length)
    return Verdict(
        budget=budget,
        status=STATUSES[letter],
        value=float(letter == "c"),
        text="",
        final=FINALS.get(letter, ""),
        thought=0,
        cut=0,
        thinking_tokens=used,
        forced=length > budget,
        answer_tokens=answer,
        finish=Finish.STOP,
        spent=used + answer + 2 * (length > budget),
    )


def trial_of(verdicts: Sequence[Verdict], sampled: int = 100) -> Trial:
    return Trial((Thought("", 50, Finish.CLOSED),), tuple(verdicts), sampled)


def problem_of(
    name: str, *trials: str, budgets: Sequence[int] = (), level: str = "", length: int = 10_000, sampled: int = 100
) -> Problem:
    """`problem_of("a", "wc", "cc")`: two trials at two budgets, 100 and 200 unless others are given."""
    at = budgets or [100 * (s + 1) for s in range(len(trials[0]))]
    made = [
        trial_of([verdict(letter, b, length=length) for letter, b in zip(t, at, strict=True)], sampled) for t in trials
    ]
    return Problem(name, "?", "4", "sums", level, tuple(made))


def ballot_problem(name: str, letters: str, finals: Sequence[str], confidence: Sequence[float | None] = ()) -> Problem:
    """One budget; the samples' verdicts, final answers and confidences."""
    known = confidence or [None] * len(finals)
    verdicts = [
        replace(verdict(letter, 100), final=final, confidence=sure)
        for letter, final, sure in zip(letters, finals, known, strict=True)
    ]
    return Problem(name, "?", "4", "sums", "", tuple(trial_of([one]) for one in verdicts))
