"""Every token is in exactly one account: what the engine sampled is what the accounts hold."""

from __future__ import annotations

import asyncio

from char_codec import EOS, sample, teller
from hypothesis import given
from hypothesis import strategies as st

from rewards.types import RewardResult, ScoredGroup, Status
from rl.algorithms.brpo import BRPO
from rl.algorithms.grpo import DrGRPO
from rl.ledger import accounts, sampled, with_evaluation
from rl.samples import SHARES, select

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


VERDICTS = st.sampled_from([Status.OK, Status.WRONG, Status.TIMEOUT])


@given(
    st.text(alphabet="ab|#", min_size=2, max_size=14).map(
        lambda text: text.replace("|", "</think>").replace("#", "<eos>")
    ),
    st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True).map(sorted),
    st.integers(1, 3),
    st.sampled_from(sorted(SHARES)),
    st.booleans(),
    st.data(),
)
def test_tokens_are_conserved_with_several_budgets_answers_and_missing_verdicts(
    story, budgets, answers, share, drop, data
):
    """No account is below 0, and together they are what was sampled, whatever is shared, dropped or unjudged."""
    (group,), engine = sample(teller(story), budgets, answer_tokens=4, answers=answers, size=2)
    drawn = data.draw(st.lists(VERDICTS, min_size=2 * len(budgets) * answers, max_size=2 * len(budgets) * answers))
    verdicts = iter(drawn)
    results = tuple(
        tuple(
            tuple(RewardResult(status, float(status is Status.OK)) for _, status in zip(at, verdicts, strict=False))
            for at in rollout.answers
        )
        for rollout in group.rollouts
    )
    scored = ScoredGroup(group, results)
    algorithm = BRPO(budgets[-1], num_budgets=len(budgets), answers=answers)
    batch = select([scored], [algorithm.credit(scored)], drop_zero_signal=drop, share=share)
    ledger = accounts([group], batch.samples)
    assert ledger["ledger/trained"] + ledger["ledger/masked"] + ledger["ledger/aborted"] == sampled([group])
    assert sampled([group]) == spoken(engine)
    assert min(ledger.values()) >= 0
    forced = [len(answer.forced_ids) for rollout in group.rollouts for at in rollout.answers for answer in at]
    assert ledger["ledger/forced"] == sum(forced)


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
    row = {"ledger/forced": 5.0, "ledger/recomputed": 7.0, "loss": 0.5}
    assert with_evaluation(row, [group]) == {
        "ledger/evaluation": 12.0,
        "ledger/forced": 5.0 + 2,
        "ledger/recomputed": 7.0 + 2 * (prompt + 4),
    }
    assert with_evaluation(row, []) == {"ledger/evaluation": 0.0, "ledger/forced": 5.0, "ledger/recomputed": 7.0}
    silent = judged(group, [True, True])
    none = select([silent], [DrGRPO(4).credit(silent)], drop_zero_signal=True, share="rollout")
    assert accounts([group], none.samples)["ledger/masked"] == 12.0
