"""The numbers of eval.json, from the records of an evaluation alone (pure).

Every number is finite, or None where there is nothing to compute it from. The same problems give the same numbers,
in whatever order. Axis letters: N problems, G samples, S budgets; a column has one entry for each budget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rl.evaluation import numbers
from rl.evaluation.allocation import overthinking, regret, smallest_within, strata, underthinking
from rl.evaluation.arrays import Outcomes, gather
from rl.evaluation.cost import Prices, token_cost
from rl.evaluation.intervals import DRAWS, LEVEL, SEED, accuracy_intervals, mean_interval, ratio
from rl.evaluation.records import Problem
from rl.evaluation.votes import CONFIDENCE_VOTES, confidence_vote_values, majority, vote_values
from rl.types import Array

Columns: TypeAlias = dict[str, Sequence[Any] | NDArray[Any]]
ENOUGH = 1.0
"""Points below the best accuracy at which a smaller budget is enough."""


def summarize(
    problems: Sequence[Problem], *, prices: Prices | None = None, prompt_tokens: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """What an evaluation found: its numbers at each budget, and over all of them.

    Accuracies, rates and intervals are shares in [0, 1]. Accuracy is right / judged answers: an unparsable one is
    judged and not right, an excluded one (timeout, error) leaves both sides and is counted. A budget without any
    verdict has `judged` 0 and accuracy 0 in the interval [0, 1]; all else that needs verdicts is None there.
    `e3`, `scaling` and `performance` take accuracy in percent. Dollars need `prices` and the tokens of each problem's
    prompt by its id, and are those of an answer given alone. Raises ValueError when problems disagree in samples or
    budgets, and when a problem's prompt has to be paid for and its tokens are not known.
    """
    found = gather(problems)
    columns: Columns = {
        "budget": found.budgets_S,
        **verdict_columns(found),
        **sampling_columns(found),
        **pass_columns(found),
        **vote_columns(found),
        **allocation_columns(found),
        "dollars": dollars(found, prices, prompt_tokens or {}),
    }
    return plain(
        {
            "n_problems": len(found.ids),
            "samples": found.judged_NGS.shape[1],
            "budgets": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
            **overall(found),
            "strata": [asdict(one) for one in strata(found.levels, found.right_NS, found.judged_NS)],
            "interval": {"over": "problems", "level": LEVEL, "resamples": DRAWS, "seed": SEED},
        }
    )


def accuracies(found: Outcomes) -> Array:
    """Right / judged answers at each budget [S]; NaN where nothing was judged."""
    return ratio(found.right_NS.sum(axis=0), found.judged_NS.sum(axis=0))


def verdict_columns(found: Outcomes) -> Columns:
    """Accuracy and what is uncertain about it.

    `accuracy_lower` and `accuracy_upper` are the shares of all answers that are right, and that would be if every
    answer that was cut, could not be read or was excluded were right.
    """
    intervals = accuracy_intervals(found.right_NS, found.judged_NS)
    judged_S = found.judged_NS.sum(axis=0)
    doubtful_NGS = found.truncated_NGS | found.unparsable_NGS | ~found.judged_NGS
    return {
        "accuracy": np.nan_to_num(accuracies(found)),
        "ci_low": [one.low for one in intervals],
        "ci_high": [one.high for one in intervals],
        "accuracy_lower": share(found.right_NGS),
        "accuracy_upper": share(found.right_NGS | doubtful_NGS),
        "unparsable_rate": ratio(found.unparsable_NGS.sum(axis=(0, 1), dtype=np.float64), judged_S),
        "judged": judged_S.astype(np.int64),
        "excluded": np.count_nonzero(~found.judged_NGS, axis=(0, 1)),
        "value": ratio(np.where(found.judged_NGS, found.value_NGS, 0.0).sum(axis=(0, 1)), judged_S),
    }


def sampling_columns(found: Outcomes) -> Columns:
    """How thoughts and answers ended, and their mean tokens; of all answers, judged or not.

    `spent_tokens` is every token that an answer needs when it is given alone, forced ones included, and `e3` is by it.
    """
    spent_S = found.spent_NGS.mean(axis=(0, 1))
    kept = [
        asdict(numbers.adherence(found.thinking_NGS[..., s].ravel(), int(budget)))
        for s, budget in enumerate(found.budgets_S)
    ]
    return {
        "thinking_tokens": found.thinking_NGS.mean(axis=(0, 1)),
        "answer_tokens": found.answer_NGS.mean(axis=(0, 1)),
        "spent_tokens": spent_S,
        "forced_rate": share(found.forced_NGS),
        "truncated_rate": share(found.truncated_NGS),
        "empty_rate": share(found.empty_NGS),
        "adherence": kept,
        "e3": [numbers.e3(100 * a, t) for a, t in zip(accuracies(found), spent_S, strict=True)],
    }


def share(flags_NGS: NDArray[np.bool_]) -> Array:
    """Of all answers at a budget [S]."""
    return flags_NGS.mean(axis=(0, 1), dtype=np.float64)


def pass_columns(found: Outcomes) -> Columns:
    """pass@k, and how many problems were left out of it because fewer than k of their samples were judged."""
    by_k = {k: numbers.pass_at_k(found.right_NS, found.judged_NS, k) for k in numbers.ks(found.judged_NGS.shape[1])}
    means = {k: numbers.mean_known(values_NS) for k, values_NS in by_k.items()}
    left_out = {k: np.isnan(values_NS).sum(axis=0) for k, values_NS in by_k.items()}
    budgets = range(len(found.budgets_S))
    return {
        "pass_at_k": [{str(k): mean_S[s] for k, mean_S in means.items()} for s in budgets],
        "pass_at_k_left_out": [{str(k): count_S[s] for k, count_S in left_out.items()} for s in budgets],
    }


def vote_columns(found: Outcomes) -> Columns:
    """Accuracy of one answer out of G: by majority, and by the ways of counting confidence."""
    values_NS = vote_values(found, majority)
    sure = {name: confidence_vote_values(found, count) for name, count in CONFIDENCE_VOTES.items()}
    return {
        "majority": numbers.mean_known(values_NS),
        "majority_left_out": np.isnan(values_NS).sum(axis=0),
        **{f"confidence_{name}": numbers.mean_known(value_NS) for name, value_NS in sure.items()},
    }


def allocation_columns(found: Outcomes) -> Columns:
    """Verdicts that turn at larger budgets, and what a budget for all loses against the best of each problem."""
    return {
        "overthinking": overthinking(found.right_NGS, found.judged_NGS).share_S,
        "underthinking": underthinking(found.right_NGS, found.judged_NGS).share_S,
        "regret": regret(found.right_NS, found.judged_NS).loss_S,
    }


def dollars(found: Outcomes, prices: Prices | None, prompt_tokens: Mapping[str, int]) -> Sequence[float | None]:
    """Dollars for one answer at each budget, the prompt read once; None without prices."""
    if prices is None:
        return [None] * len(found.budgets_S)
    unknown = [name for name in found.ids if name not in prompt_tokens]
    if unknown:
        raise ValueError(f"the prompt of problem {unknown[0]} has to be paid for, but its tokens were not counted")
    prompt = float(np.mean([prompt_tokens[name] for name in found.ids]))
    return [token_cost(prices, prompt=prompt, completion=float(spent)) for spent in found.spent_NGS.mean(axis=(0, 1))]


def overall(found: Outcomes) -> dict[str, Any]:
    """One number over all budgets each. Means over the grid are None unless every budget has a verdict."""
    accuracy_S, used_S = accuracies(found), found.thinking_NGS.mean(axis=(0, 1))
    known_S = ~np.isnan(accuracy_S)
    anytime, lost = mean_interval(found.right_NS, found.judged_NS), regret(found.right_NS, found.judged_NS)
    best = int(np.argmin(lost.loss_S)) if lost.problems else None
    return {
        "anytime_accuracy": anytime.mean,
        "anytime_ci_low": anytime.low,
        "anytime_ci_high": anytime.high,
        "final_accuracy": accuracy_S[-1],
        "area_log_tokens": numbers.area(found.budgets_S, accuracy_S),
        "e3": numbers.e3(100 * accuracy_S[-1], float(found.spent_NGS[..., -1].mean())),
        "control": numbers.control(used_S, found.budgets_S),
        "scaling": numbers.scaling(used_S[known_S], 100 * accuracy_S[known_S]),
        "performance": numbers.performance(100 * accuracy_S[known_S]),
        "smallest_within_1_point": smallest_within(found.budgets_S, accuracy_S, ENOUGH),
        "overthinking": overthinking(found.right_NGS, found.judged_NGS).overall,
        "underthinking": underthinking(found.right_NGS, found.judged_NGS).overall,
        "regret": {
            "oracle_accuracy": lost.oracle,
            "best_budget": None if best is None else found.budgets_S[best],
            "at_best_budget": None if best is None else lost.loss_S[best],
            "problems": lost.problems,
        },
        "sampled_tokens": int(found.sampled_NG.sum()),
    }


def plain(value: Any) -> Any:
    """The same with JSON's own types: lists for arrays, None for what is not a finite number."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and not isfinite(value) else value
