"""Every token is in exactly one account: what the engine sampled is what the accounts hold."""

from __future__ import annotations

import asyncio

from char_codec import EOS, sample, teller
from hypothesis import given
from hypothesis import strategies as st

from rewards.types import RewardResult, ScoredGroup, Status
from rl.algorithms.grpo import DrGRPO
from rl.ledger import accounts, sampled
from rl.samples import select

STORY = st.text(alphabet="ab|#", max_size=14).map(lambda text: text.replace("|", "</think>").replace("#", "<eos>"))


def judged(group, rewards):
    results = [RewardResult(Status.OK if reward else Status.WRONG, float(reward)) for reward in rewards]
    return ScoredGroup(group, tuple(((result,),) for result in results))


def spoken(engine):
    """What the engine sampled: every token of every draw, told by asking it again."""
    again = [asyncio.run(engine.sample(draw)) for draw in list(engine.draws)]
    return sum(len(one.token_ids) for each in again for one in each)


@given(STORY, st.integers(1, 12), st.integers(1, 6), st.lists(st.booleans(), min_size=2, max_size=4))
def test_the_accounts_hold_what_the_engine_sampled(story, budget, answer_tokens, rewards):
    (group,), engine = sample(teller(story), [budget], answer_tokens=answer_tokens, size=len(rewards))
    scored = judged(group, rewards)
    batch = select([scored], [DrGRPO(budget).credit(scored)], drop_zero_signal=True, share="rollout")
    ledger = accounts([group], batch.samples)
    told = spoken(engine)
    assert ledger["ledger/trained"] + ledger["ledger/masked"] + ledger["ledger/aborted"] == sampled([group]) == told
    assert min(ledger.values()) >= 0
    assert (ledger["ledger/trained"] > 0) == (len(set(rewards)) > 1)


def test_a_group_by_hand():
    """Two thoughts of 4 forced shut (one token), answered with `4` and an end: 6 sampled tokens each."""
    (group,), _ = sample(teller("abcdef", forced="4"), [4], size=2)
    scored = judged(group, [True, False])
    batch = select([scored], [DrGRPO(4).credit(scored)], drop_zero_signal=True, share="rollout")
    prompt = len(group.rollouts[0].prompt_ids)
    assert group.rollouts[0].answers[0][0].token_ids[-1] == EOS
    assert accounts([group], batch.samples) == {
        "ledger/trained": 12.0,
        "ledger/masked": 0.0,
        "ledger/aborted": 0.0,
        "ledger/forced": 2.0,
        "ledger/recomputed": 2.0 * (prompt + 4),
    }
    silent = judged(group, [True, True])
    none = select([silent], [DrGRPO(4).credit(silent)], drop_zero_signal=True, share="rollout")
    assert accounts([group], none.samples)["ledger/masked"] == 12.0
