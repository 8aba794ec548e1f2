"""The token ledger (pure): what became of every token of a step, each in exactly one account.

| account | tokens |
|---|---|
| trained | sampled, and in the gradient |
| masked | sampled, not trained: no verdict, no signal, an answer without credit |
| aborted | sampled and thrown away: beyond an answer's allowance |
| evaluation | sampled to evaluate held-out problems |
| forced | inserted: closing strings and answer cues |
| recomputed | prompt and thought that an engine read again for an answer at a cut |

Batches that are in flight when a run stops never arrive, and are in no account.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    answers = [answer for rollout in rollouts for answers_A in rollout.answers for answer in answers_A]
    trained = sum(sum(sample.loss_mask) for sample in samples)
    aborted = sum(rollout.discarded for rollout in rollouts)
    return {
        "ledger/trained": float(trained),
        "ledger/masked": float(sampled(groups) - aborted - trained),
        "ledger/aborted": float(aborted),
        "ledger/forced": float(sum(len(answer.forced_ids) for answer in answers)),
        "ledger/recomputed": float(sum(rollout.recomputed for rollout in rollouts)),
    }
