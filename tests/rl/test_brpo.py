"""BRPO as an algorithm: the published values, every ablation of the paper, and GRPO as its smallest case."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from math import nextafter
from pathlib import Path

import numpy as np
import pytest
import slow_brpo
import yaml
from make_groups import make_answer, make_rollout, outcome_group, verdict

from rewards.types import ScoredGroup, Status
from rl.aggregation import constant
from rl.algorithms import build, resolve
from rl.algorithms.brpo import BRPO
from rl.algorithms.grpo import GRPO, DrGRPO
from rl.batches import batch_of
from rl.samples import flatten
from rl.types import Credit
from rollout.types import BudgetPrior, Group, Task

NAN = float("nan")
CLOSE = {"rtol": 0, "atol": 6e-8}
EIGHT = (2, 4, 6, 8)
PAGE = Path(__file__).parents[2] / "docs/brpo.md"


def scored_group(rewards, lengths, prior: BudgetPrior) -> ScoredGroup:
    """Rewards [G][S][A] (or a status) of thoughts of so many tokens, each cut at the prior's budgets."""
    rollouts = tuple(
        make_rollout(
            range(100, 100 + length),
            [
                [make_answer(budget, min(budget, length), (9,), forced=(7,)) for _ in rewards_A]
                for budget, rewards_A in zip(prior.tokens, rewards_SA, strict=True)
            ],
        )
        for rewards_SA, length in zip(rewards, lengths, strict=True)
    )
    results = tuple(
        tuple(tuple(verdict(reward) for reward in rewards_A) for rewards_A in rewards_SA) for rewards_SA in rewards
    )
    return ScoredGroup(Group(Task("t", "p", "a"), prior, rollouts), results)


def credit_of(algorithm: BRPO, rewards, lengths) -> Credit:
    return algorithm.credit(scored_group(rewards, lengths, algorithm.budgets(0)))


TWO_THOUGHTS = [[[0] * 4, [1, 0, 0, 0], [1, 1, 0, 1], [1] * 4], [[0] * 4, [0] * 4, [0, 1, 1, 0], [1, 0, 1, 0]]]
"""Mean scores 0, .25, .75, 1 and 0, 0, .5, .5."""


@pytest.mark.parametrize(
    ("prior", "expected"),
    [
        ("uniform", [[0.125, 0.21875, 0.2239583, 0.109375], [-0.125, -0.03125, 0.078125, 0.0245536]]),
        ("base", [[0.25, 0.4375, 0.5416667, 0.4375], [-0.25, -0.0625, 0.125, 0.0982143]]),
        ("linear", [[0.1625, 0.290625, 0.3229167, 0.175], [-0.1625, -0.034375, 0.10625, 0.0392857]]),
        ((1, 2, 3, 4), [[0.1625, 0.290625, 0.3229167, 0.175], [-0.1625, -0.034375, 0.10625, 0.0392857]]),
    ],
)
def test_k1_to_k3_from_verdicts_to_the_credit_of_two_thoughts(prior, expected):
    credit = credit_of(BRPO(8, prior=prior), TWO_THOUGHTS, [8, 8])
    np.testing.assert_allclose(credit.thought, expected, **CLOSE)
    np.testing.assert_allclose(credit.answer[0, 1], [0.75, -0.25, -0.25, -0.25], **CLOSE)


def test_k4_one_budget_and_one_answer_is_grpo():
    credit = BRPO(8, num_budgets=1, answers=1).credit(outcome_group([1, 0, 0, 1]))
    np.testing.assert_array_equal(credit.thought[:, 0], [0.5, -0.5, -0.5, 0.5])
    np.testing.assert_array_equal(credit.answer[:, 0, 0], [0.5, -0.5, -0.5, 0.5])


def test_k5_a_group_whose_rollouts_score_alike_is_trained_where_scores_rise():
    credit = credit_of(BRPO(8, answers=1), [[[0], [0], [1], [1]]] * 2, [8, 8])
    np.testing.assert_allclose(credit.thought, [[0, 0.125, 0.25, 0.0803571]] * 2, **CLOSE)
    np.testing.assert_array_equal(credit.answer, np.zeros((2, 4, 1)))
    equal = credit_of(BRPO(8, answers=1), [[[1]] * 4] * 2, [8, 8])
    assert not equal.thought.any()
    assert not equal.answer.any()


def test_k6_a_thought_that_ends_early_gives_its_tokens_the_credit_of_their_segment():
    rewards = [[[0, 1], [1, 1], [0, 1], [1, 0]], [[0, 0]] * 4]
    algorithm = BRPO(8, answers=2)
    scored = scored_group(rewards, [3, 8], algorithm.budgets(0))
    credit = algorithm.credit(scored)
    np.testing.assert_allclose(credit.thought[0], [0.3125, 0.21875, -0.0208333, -0.0111607], **CLOSE)
    np.testing.assert_allclose(credit.answer[0], [[-0.5, 0.5], [1 / 3, 1 / 3], [-2 / 3, 1 / 3], [1 / 3, -2 / 3]])
    first, _ = flatten(scored.group, credit, "rollout")
    trained = [pair for pair in zip(first.token_ids, first.advantages, strict=True) if pair[0] >= 100]
    assert trained == [(100, 0.3125), (101, 0.3125), (102, 0.21875)]


def test_k7_the_loss_of_a_batch_is_over_thoughts_however_many_answers_they_have():
    """Four trained tokens of .5 and two of -.25, L_max 10: the other answers have no verdict."""
    prior = BudgetPrior((2, 3), (0.5, 0.5))
    group = scored_group([[[1, 1], [1, 1]], [[0, 0], [0, 0]]], [3, 1], prior).group
    answer = np.full((2, 2, 2), NAN)
    answer[0, 1, 0], answer[1, 0, 1] = 0.5, -0.25
    samples = flatten(group, Credit(np.array([[0.5, 0.5], [-0.25, -0.25]]), answer), "rollout")
    for micro_tokens in (1, 1000):
        [micros] = batch_of(samples, lambda trained_N: constant(trained_N, 10), ranks=1, micro_tokens=micro_tokens)
        loss = -sum((micro.advantage_K * micro.weight_K).sum() for micro in micros)
        assert loss == pytest.approx(-0.075)


def test_k8_answers_behind_the_end_of_a_thought_are_one_group():
    """Budgets 2 to 8: a thought of 8 tokens has four prefixes, one of 4 tokens has two, of 1 and of 3 budgets."""
    rewards = [[[1, 0], [1, 1], [0, 0], [1, 0]]] * 2
    credit = credit_of(BRPO(8, answers=2), rewards, [8, 4])
    half = [0.5, -0.5]
    np.testing.assert_array_equal(credit.answer, [[half, [0, 0], [0, 0], half], [half, [0.5, 0.5], [-0.5, -0.5], half]])


@pytest.mark.parametrize("answer_weight", ["released", "unbiased"])
@pytest.mark.parametrize("summary", ["all", "last"])
@pytest.mark.parametrize("baseline", ["mix", "v2"])
def test_with_one_budget_and_one_answer_credit_is_dr_grpo_s_bit_for_bit(baseline, summary, answer_weight):
    one = BRPO(8, num_budgets=1, answers=1, baseline=baseline, summary=summary, answer_weight=answer_weight)
    rng = np.random.default_rng(0)
    for size in range(1, 20):
        rewards = [(0, 1, 0.1, 1 / 3, Status.TIMEOUT)[i] for i in rng.integers(0, 5, size=size)]
        scored = outcome_group(rewards)
        credit = one.credit(scored)
        for other in (DrGRPO(8).credit(scored), GRPO(8, scale="none").credit(scored)):
            np.testing.assert_array_equal(credit.thought, other.thought)
            np.testing.assert_array_equal(credit.answer, other.answer)
            assert flatten(scored.group, credit, "rollout") == flatten(scored.group, other, "rollout")


def test_with_one_budget_and_one_answer_the_same_is_asked_of_the_engine():
    one, other = BRPO(8, num_budgets=1, answers=1).budgets(0), DrGRPO(8).budgets(0)
    assert (one.tokens, one.probs, one.answers, one.asked) == (other.tokens, other.probs, other.answers, other.asked)


ABLATIONS = {
    "GRPO": {"num_budgets": 1, "prior": "base", "answers": 1, "summary": "last", "baseline": "v2"},
    "GRPO + linear": {"prior": "linear", "answers": 1, "summary": "last", "baseline": "v2"},
    "GRPO + decouple": {"prior": "base", "baseline": "v2"},
    "GRPO + variance reduction": {"prior": "base", "answers": 1, "summary": "last"},
    "AR-base": {"prior": "base"},
    "AR-linear": {"prior": "linear"},
    "AR-uniform": {},
}
"""The rows of docs/brpo.md. AR-base is the paper's GRPO + variance reduction + decouple."""

PRIORS = {"uniform": (0.25,) * 4, "linear": (0.1, 0.2, 0.3, 0.4), "base": (0, 0, 0, 1)}


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_of_the_paper_is_its_formula(name):
    knobs = ABLATIONS[name]
    algorithm = build({"type": "brpo", "budget": 8, **knobs})
    assert isinstance(algorithm, BRPO)
    prior = algorithm.budgets(0)
    budgets, answers = knobs.get("num_budgets", 4), knobs.get("answers", 4)
    probs = PRIORS[algorithm.prior][-budgets:]
    assert (prior.tokens, prior.answers) == (EIGHT[-budgets:], answers)
    assert prior.probs == pytest.approx(probs)
    rng = np.random.default_rng(0)
    for _ in range(20):
        lengths = rng.integers(0, 9, size=5).tolist()
        rewards = rng.integers(0, 2, size=(5, budgets, answers)).astype(float)
        credit = credit_of(algorithm, rewards.tolist(), lengths)
        thought = slow_brpo.thought_credit(rewards.mean(-1).tolist(), probs, 0.5, knobs.get("baseline", "mix"))
        np.testing.assert_allclose(credit.thought, thought, rtol=0, atol=1e-12)
        cuts = [[min(budget, length) for budget in prior.tokens] for length in lengths]
        answer = np.array(slow_brpo.answer_credit(rewards.tolist(), cuts))
        if knobs.get("summary") == "last":
            answer[:, :-1] = NAN
        np.testing.assert_allclose(credit.answer, answer, rtol=0, atol=1e-12)


def test_the_page_lists_the_same_ablations():
    rows = re.findall(r"^\| ([^|]+) \| `(\{.*\})` \|$", PAGE.read_text(), flags=re.MULTILINE)
    assert {name: yaml.safe_load(knobs) for name, knobs in rows} == ABLATIONS


def test_the_page_gives_the_defaults():
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", PAGE.read_text(), flags=re.MULTILINE))
    defaults = {field.name: field.default for field in fields(BRPO)}
    assert rows.pop("budget") == "–"
    assert defaults.pop("budget") is MISSING
    assert {name: yaml.safe_load(value.strip("`")) for name, value in rows.items()} == defaults


@pytest.mark.parametrize(
    ("baseline", "expected"), [("v1", [0.5, 0.5, 0.4375 - 0.25 / 3]), ("none", [0.5, 0.5, 0.4375])]
)
def test_the_other_baselines(baseline, expected):
    credit = credit_of(BRPO(8, baseline=baseline), TWO_THOUGHTS, [8, 8])
    np.testing.assert_allclose(credit.thought[0, :3], expected, **CLOSE)


def test_decay_weighs_the_past():
    """With decay 1 the three scores before the last segment, 0, .25 and .75, count alike."""
    credit = credit_of(BRPO(8, decay=1.0, baseline="v1"), TWO_THOUGHTS, [8, 8])
    np.testing.assert_allclose(credit.thought[0, 3], 0.25 - 0.25 / 3, **CLOSE)


@pytest.mark.parametrize(("summary", "weight"), [("all", 1 / 16), ("last", 1 / 4)])
def test_unbiased_answers_weigh_their_share_of_equation_10(summary, weight):
    """m = A = 4: P' is 1/4 at each budget, or 1 at the largest, and each of its answers has a quarter of it."""
    released, unbiased = (
        credit_of(BRPO(8, summary=summary, answer_weight=name), TWO_THOUGHTS, [8, 8])
        for name in ("released", "unbiased")
    )
    np.testing.assert_allclose(unbiased.answer, weight * released.answer, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(unbiased.thought, released.thought)


def test_a_missing_verdict_takes_out_one_answer_and_a_missing_budget_its_thought():
    rewards = [
        [[Status.TIMEOUT, 1], [0, 1]],
        [[1, 0], [Status.ERROR, Status.TIMEOUT]],
        [[0, 0], [0, 0]],
    ]
    credit = credit_of(BRPO(8, num_budgets=2, answers=2), rewards, [8, 8, 8])
    np.testing.assert_array_equal(credit.answer[0], [[NAN, 0], [-0.5, 0.5]])
    np.testing.assert_array_equal(credit.answer[1], [[0.5, -0.5], [NAN, NAN]])
    # r = (1, .5) and (0, 0); R = (.75, .25) and (0, 0), and the second thought has none.
    np.testing.assert_allclose(credit.thought, [[0.375, (-0.25 + 0.125) / 2], [NAN, NAN], [-0.375, -0.0625]], **CLOSE)


def test_budgets_are_even_and_follow_the_schedule():
    assert BRPO(8000).budgets(7) == BudgetPrior((2000, 4000, 6000, 8000), (0.25,) * 4, "uniform", answers=4)
    falling = build(
        {"type": "brpo", "budget": {"type": "staged", "stages": {0: 8, 5: 4}}, "num_budgets": 2, "prior": [1, 3]}
    )
    assert falling.budgets(4) == BudgetPrior((4, 8), (0.25, 0.75), "weighted", answers=4)
    assert falling.budgets(5) == BudgetPrior((2, 4), (0.25, 0.75), "weighted", version=1, answers=4)


def test_a_thought_may_be_cut_at_any_ascending_shares_of_its_budget():
    log = BRPO(1000, num_budgets=(0.125, 0.25, 0.29, 1.0), prior="log_uniform").budgets(0)
    assert log.tokens == (125, 250, 290, 1000)
    assert log.probs == pytest.approx(np.log([2, 2, 290 / 250, 1000 / 290]) / np.log(4 * 1000 / 250))
    section = {"type": "brpo", "budget": 8, "num_budgets": [0.5, 1.0], "prior": [3, 1]}
    assert build(section).budgets(0) == BudgetPrior((4, 8), (0.75, 0.25), "weighted", answers=4)
    for wrong in ((), (0.5,), (1.0, 0.5), (0.5, 0.5, 1.0), (0.0, 1.0)):
        with pytest.raises(ValueError, match="budgets as shares of the largest ascend from above 0 to 1"):
            BRPO(8, num_budgets=wrong)
    with pytest.raises(ValueError, match="budgets must ascend without repetition"):
        BRPO(8, num_budgets=(0.5, 0.51, 1.0))


def test_answers_may_be_trained_by_a_prior_of_their_own():
    """Equation 10 with P' = (1, 0, 1, 2) / 4 and A = 4: that share of each answer's plain credit, over 4."""
    whole = credit_of(BRPO(8), TWO_THOUGHTS, [8, 8]).answer
    own = credit_of(BRPO(8, summary=(1, 0, 1, 2), answer_weight="unbiased"), TWO_THOUGHTS, [8, 8]).answer
    for s, share in enumerate((0.25, np.nan, 0.25, 0.5)):
        np.testing.assert_allclose(own[:, s], whole[:, s] * share / 4)
    with pytest.raises(ValueError, match="4 budgets but 2 probabilities"):
        BRPO(8, summary=(1, 1))
    with pytest.raises(ValueError, match="weights of budgets must have a positive sum"):
        BRPO(8, summary=(0, 0, 0, 0))


def test_a_budget_drawn_per_prompt_follows_the_prior():
    algorithm = BRPO(8, prior="linear", draw="prompt")
    drawn = [algorithm.budgets(0, draw=draw) for draw in (0.0, 0.39, 0.41, 0.69, 0.71, 0.89, 0.91, nextafter(1, 0))]
    assert [prior.tokens for prior in drawn] == [(8,), (8,), (6,), (6,), (4,), (4,), (2,), (2,)]
    assert {(prior.probs, prior.answers, prior.kind) for prior in drawn} == {((1.0,), 4, "linear/drawn")}
    assert BRPO(8, prior="linear").budgets(0, draw=0.15).tokens == EIGHT


def test_credit_of_a_drawn_budget_is_against_the_group_at_that_budget():
    algorithm = BRPO(8, draw="prompt")
    prior = algorithm.budgets(0, draw=0.7)
    credit = algorithm.credit(scored_group([[[1, 1, 1, 0]], [[0, 1, 0, 0]]], [4, 4], prior))
    np.testing.assert_allclose(credit.thought, [[0.25], [-0.25]])
    np.testing.assert_allclose(credit.answer[0], [[0.25, 0.25, 0.25, -0.75]])


def test_a_config_with_every_knob_is_stable():
    explicit = resolve({"type": "brpo", "budget": 8000})
    assert explicit == {
        "type": "brpo",
        "budget": 8000,
        "num_budgets": 4,
        "prior": "uniform",
        "answers": 4,
        "decay": 0.5,
        "baseline": "mix",
        "summary": "all",
        "answer_weight": "released",
        "draw": "sum",
    }
    assert resolve(explicit) == explicit
    weighted = resolve({"type": "brpo", "budget": 9, "num_budgets": 2, "prior": [1, 3]})
    assert weighted["prior"] == [1.0, 3.0]
    assert resolve(weighted) == weighted


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"prior": "unifrom"}, "unknown prior 'unifrom'; did you mean uniform?"),
        ({"prior": [1, 2, 3]}, "4 budgets but 3 probabilities"),
        ({"prior": [0, 0, 0, 0]}, "must have a positive sum"),
        ({"budget": 3}, "3 tokens cannot be divided into 4 different budgets"),
        ({"num_budgets": 0}, "cannot be divided into 0 different budgets"),
        ({"answers": 0}, "answers must be at least 1"),
        ({"decay": 0}, "decay must be in (0, 1], not 0.0"),
        ({"decay": "nan"}, "decay must be in (0, 1], not nan"),
        ({"baseline": "v3"}, "baseline: must be 'mix', 'v1', 'v2' or 'none', got 'v3'"),
        ({"summary": "first"}, "summary must be 'all' or 'last', or a weight per budget, not 'first'"),
        ({"answer_weight": "both"}, "answer_weight: must be 'released' or 'unbiased', got 'both'"),
        ({"draw": "token"}, "draw: must be 'sum' or 'prompt', got 'token'"),
    ],
)
def test_bad_knobs_get_one_clear_line(knobs, message):
    with pytest.raises(ValueError) as error:
        build({"type": "brpo", "budget": 8, **knobs})
    assert message in str(error.value)
    assert str(error.value).startswith("brpo: ")
    assert "\n" not in str(error.value)
