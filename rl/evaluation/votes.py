"""One answer out of several samples: majority, and CRew's choices by confidence (pure).

A vote counts the final answers of the judged samples of a problem at a budget; those in which none can be read do not
vote. The value of a vote is how often its winner is right: the share of right ones among the answers that gave it.
Axis letters: N problems, S budgets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from math import isnan, nan

import numpy as np

from rewards.selection import best_of, min_max, vote
from rl.evaluation.arrays import Outcomes
from rl.types import Array


@dataclass(frozen=True, slots=True)
class Ballot:
    """The readable final answers to a problem at a budget, whether each is right, and how sure the model was of it."""

    answers: Sequence[str]
    right: Sequence[bool]
    confidence: Sequence[float]

    def value(self, answer: str) -> float:
        """The share of right ones among those that gave this answer: 0 or 1, unless a judge contradicts itself."""
        found = [right for said, right in zip(self.answers, self.right, strict=True) if said == answer]
        return sum(found) / len(found)


def majority(ballot: Ballot) -> float:
    """The most frequent answer. Of equally frequent ones each is taken as often: the mean of their values."""
    count = Counter(ballot.answers)
    most = max(count.values())
    winners = [answer for answer, votes in count.items() if votes == most]
    return sum(map(ballot.value, winners)) / len(winners)


def by_sum(ballot: Ballot) -> float:
    """The answer with the greatest sum of confidences; of equals the first. CRew (arXiv 2510.13501)."""
    return ballot.value(vote(ballot.answers, ballot.confidence))


def by_min_max(ballot: Ballot) -> float:
    """The same with confidences stretched to [0, 1], which can turn the vote: CRew does not say which is meant."""
    return ballot.value(vote(ballot.answers, min_max(ballot.confidence)))


def surest(ballot: Ballot) -> float:
    """The answer of the surest sample (best of N); of equals the first."""
    return float(ballot.right[best_of(ballot.confidence)])


CONFIDENCE_VOTES: Mapping[str, Callable[[Ballot], float]] = {
    "sum": by_sum,
    "min_max": by_min_max,
    "best_of_n": surest,
}


def ballots(outcomes: Outcomes) -> Iterator[Ballot]:
    """The ballot of each problem at each budget, problem by problem."""
    arrays = (outcomes.judged_NGS, outcomes.final_NGS, outcomes.right_NGS, outcomes.confidence_NGS)
    columns = (array.swapaxes(1, 2).reshape(-1, array.shape[1]).tolist() for array in arrays)
    return starmap(ballot, zip(*columns, strict=True))


def ballot(judged: list[bool], finals: list[str], right: list[bool], confidence: list[float]) -> Ballot:
    """The ballot of G samples of a problem at a budget."""
    kept = [g for g in range(len(finals)) if judged[g] and finals[g]]
    return Ballot([finals[g] for g in kept], [right[g] for g in kept], [confidence[g] for g in kept])


def votable(outcomes: Outcomes) -> Array:
    """0 where a vote can be held and NaN where none can [N, S].

    None can where nothing was judged, where a right answer has no final answer to vote for, and anywhere when no final
    answer is known at all (programs, say). Judged answers that are all unreadable are a vote that is lost.
    """
    read_NGS = outcomes.final_NGS != ""
    mute_NS = (outcomes.right_NGS & ~read_NGS).any(axis=1) | ~outcomes.judged_NGS.any(axis=1)
    return np.where(mute_NS | (not read_NGS.any()), np.nan, 0.0)


def vote_values(outcomes: Outcomes, count: Callable[[Ballot], float]) -> Array:
    """The value of each vote [N, S]: 0 where no answer can be read, NaN where no vote can be held."""
    open_NS = votable(outcomes)
    values = [count(one) if one.answers else 0.0 for one in ballots(outcomes)]
    return open_NS + np.array(values).reshape(open_NS.shape)


def confidence_vote_values(outcomes: Outcomes, count: Callable[[Ballot], float]) -> Array:
    """The same for a vote by confidence, which cannot be held where that of a readable answer is not known."""
    return vote_values(outcomes, lambda one: nan if any(map(isnan, one.confidence)) else count(one))
