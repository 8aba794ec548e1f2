"""The token ledger (pure): what became of every token of a step, each in exactly one account.

| account | tokens |
|---|---|
| trained | sampled, and in the gradient |
| masked | sampled, not trained: no verdict, no signal, an answer without credit |
| aborted | sampled and thrown away: beyond an answer's allowance |
| evaluation | sampled to evaluate held-out problems |
| forced | inserted: closing strings and answer cues, those of evaluations too |
| recomputed | prompt and thought that an engine read again for an answer at a cut, in evaluations too |

What never arrives is in no account, since nobody knows how much it was: batches in flight when a run stops, and what
an engine that died had sampled. Nor are the few tokens of canaries and probes, which belong to no step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rl.types import Sample
from rollout.types import Group


def sampled(groups: Sequence[Group]) -> int:
    """Every token that was sampled for these groups, the discarded ones included."""
    return sum(
        len(rollout.token_ids)
        + rollout.discarded
        + sum(len(answer.token_ids) for answers_A in rollout.answers for answer in answers_A)
        for group in groups
        for rollout in group.rollouts
    )


def accounts(groups: Sequence[Group], samples: Sequence[Sample]) -> dict[str, float]:
    """The accounts of one step's groups, of which `samples` are trained on."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    trained = sum(sum(sample.loss_mask) for sample in samples)
    aborted = sum(rollout.discarded for rollout in rollouts)
    return {
        "ledger/trained": float(trained),
        "ledger/masked": float(sampled(groups) - aborted - trained),
        "ledger/aborted": float(aborted),
        **_unsampled(groups),
    }


def with_evaluation(row: Mapping[str, float], groups: Sequence[Group]) -> dict[str, float]:
    """The accounts of a row that held-out groups add to, with what they took."""
    beside = {name: row[name] + tokens for name, tokens in _unsampled(groups).items()}
    return {"ledger/evaluation": float(sampled(groups)), **beside}


def _unsampled(groups: Sequence[Group]) -> dict[str, float]:
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    answers = [answer for rollout in rollouts for answers_A in rollout.answers for answer in answers_A]
    return {
        "ledger/forced": float(sum(len(answer.forced_ids) for answer in answers)),
        "ledger/recomputed": float(sum(rollout.recomputed for rollout in rollouts)),
    }
