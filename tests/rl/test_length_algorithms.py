"""Curriculum, LCPO, ThinkPrune, DAPO's and Apriel's punishments, Kimi's comparison: known answers end to end."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from make_groups import make_answer, make_rollout, verdict
from make_lengths import length_group

from rewards.types import ScoredGroup, Status
from rl.advantages import group_relative, group_standardized
from rl.algorithms import ALGORITHMS, build, resolve
from rl.algorithms.effort import Effort
from rl.algorithms.length import Curriculum, DifficultyLength, KimiLength, LcpoExact, LcpoMax, Overlong, ThinkPrune
from rl.algorithms.shaping import Shaped, correct_of, earned_of, lengths_of, reward_of, truncated_of
from rl.schedules import Linear, Staged, StepDecay, Stepwise
from rollout.types import BudgetPrior, Group, Task

NAN = float("nan")
PAGE = (Path(__file__).parents[2] / "docs/length.md").read_text()
EVERY = [
    Curriculum(60, count="thinking"),
    LcpoExact(100, low=10, high=100),
    LcpoMax(100, low=10, high=100, alpha=0.01),
    ThinkPrune(60),
    Overlong(60, buffer=40),
    DifficultyLength(60, buffer=40),
    KimiLength(60),
]


@pytest.mark.parametrize("algorithm", EVERY)
def test_the_shaped_reward_is_compared_as_in_grpo(algorithm):
    scored = length_group([10, 30, 50, 55], [1, 0, 1, 1], algorithm.budgets(0))
    credit = algorithm.credit(scored)
    np.testing.assert_allclose(credit.thought[:, 0], group_standardized(credit.shaped), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(credit.answer[:, 0, 0], credit.thought[:, 0])
    unscaled = replace(algorithm, scale="none").credit(scored)
    np.testing.assert_allclose(unscaled.thought[:, 0], group_relative(credit.shaped), rtol=0, atol=1e-12)


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_rollout_without_a_verdict_leaves_every_comparison(algorithm):
    prior = algorithm.budgets(0)
    credit = algorithm.credit(length_group([1, 10, 30, 59, 50], [Status.ERROR, 1, 0, Status.TIMEOUT, 1], prior))
    judged = algorithm.credit(length_group([10, 30, 50], [1, 0, 1], prior))
    np.testing.assert_array_equal(credit.shaped, [NAN, *judged.shaped[:2], NAN, judged.shaped[2]])
    np.testing.assert_allclose(credit.thought[[1, 2, 4]], judged.thought, rtol=0, atol=1e-12)
    assert np.isnan(credit.thought[[0, 3]]).all()
    assert np.isnan(credit.answer[[0, 3]]).all()


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_group_without_any_verdict_trains_nothing(algorithm):
    credit = algorithm.credit(length_group([1, 10], [Status.ERROR, Status.TIMEOUT], algorithm.budgets(0)))
    assert np.isnan(credit.shaped).all()
    assert np.isnan(credit.thought).all()


def test_several_answers_are_refused():
    answers = [[make_answer(4, 2, (20,))], [make_answer(8, 2, (22,))]]
    group = Group(Task("t", "p", "a"), BudgetPrior((4, 8), (0.5, 0.5)), (make_rollout((10, 11), answers),))
    with pytest.raises(ValueError, match="one answer at one budget, not 1 at each of 2"):
        Overlong(8, buffer=4).credit(ScoredGroup(group, (((verdict(1),), (verdict(1),)),)))


def test_what_counts_as_length_and_what_a_right_answer_earned():
    scored = length_group([10, 20, 30], [0.7, 0, Status.TIMEOUT], BudgetPrior.single(30), cut=[2], forced=3, answer=4)
    np.testing.assert_array_equal(lengths_of(scored, "thinking"), [10, 20, 30])
    np.testing.assert_array_equal(lengths_of(scored, "response"), [17, 27, 37])
    np.testing.assert_array_equal(truncated_of(scored), [False, False, True])
    np.testing.assert_array_equal(reward_of(scored), [0.7, 0, NAN])
    np.testing.assert_array_equal(correct_of(scored), [1, 0, NAN])
    np.testing.assert_array_equal(earned_of(scored), [0.7, 0, NAN])


def test_a_wrong_answer_with_a_partial_reward_earned_nothing():
    scored = length_group([10, 10], [0.5, 0], BudgetPrior.single(30))
    partial = replace(scored.results[0][0][0], status=Status.WRONG)
    scored = replace(scored, results=(((partial,),), scored.results[1]))
    np.testing.assert_array_equal(reward_of(scored), [0.5, 0])
    np.testing.assert_array_equal(earned_of(scored), [0, 0])
    np.testing.assert_array_equal(ThinkPrune(30).shaped(scored), [0, 0])


# Curriculum GRPO


def test_C1_the_budget_the_prompt_names_and_the_cap_at_twice_of_it():
    algorithm = Curriculum(StepDecay(256, 0.7, 150))
    priors = [algorithm.budgets(step) for step in (0, 149, 150, 300, 450, 599)]
    assert [prior.asked for prior in priors] == [256, 256, 179, 125, 87, 87]
    assert [prior.tokens for prior in priors] == [(512,), (512,), (358,), (250,), (174,), (174,)]
    assert [prior.version for prior in priors] == [0, 0, 1, 2, 3, 3]
    assert {prior.kind for prior in priors} == {"step_decay"}
    assert Curriculum(87, cap_factor=1.5).budgets(0).tokens == (130,)


def test_C4_total_rewards_of_both_ablations():
    """reward.terms gave λ_c·correct + λ_f·R_fmt; here comes λ_ℓ·R_len, for right and wrong answers alike."""
    prior, lengths = Curriculum(87).budgets(0), [60, 87, 180]
    results = [(Status.OK, 0.6 + 0.1), (Status.WRONG, 0.1), (Status.OK, 0.6 + 0.05)]
    credit = Curriculum(87, length_weight=0.3).credit(_with_results(length_group(lengths, [1, 0, 1], prior), results))
    np.testing.assert_allclose(credit.shaped, [0.906897, 0.4, 0.65], atol=1e-6)
    results = [(Status.OK, 0.3 + 0.1), (Status.WRONG, 0.1), (Status.OK, 0.3 + 0.05)]
    credit = Curriculum(87, length_weight=0.6).credit(_with_results(length_group(lengths, [1, 0, 1], prior), results))
    np.testing.assert_allclose(credit.shaped, [0.813793, 0.7, 0.35], atol=1e-6)


def _with_results(scored: ScoredGroup, results: list[tuple[Status, float]]) -> ScoredGroup:
    given = zip(scored.results, results, strict=True)
    return replace(
        scored,
        results=tuple(((replace(of[0][0], status=status, value=value),),) for of, (status, value) in given),
    )


def test_C3_the_band_pays_for_any_length_within_the_budget():
    prior = Curriculum(20).budgets(0)
    scored = length_group([0, 10, 20, 30, 40], [0, 0, 0, 0, 0], prior)
    shaped = {
        shape: Curriculum(20, length_weight=1.0, shape=shape).credit(scored).shaped for shape in ("triangular", "band")
    }
    np.testing.assert_allclose(shaped["triangular"], [0, 0.5, 1, 0.5, 0])
    np.testing.assert_allclose(shaped["band"], [1, 1, 1, 0.5, 0])


def test_C5_population_and_sample_deviation_of_the_same_rewards():
    """The paper divides by the population's; Ration, like torchtune, by the unbiased one unless told to."""
    rewards = [1, 0.4, 0.4, 0.2]
    np.testing.assert_allclose(group_standardized(rewards, ddof=0, eps=0), [1.66667, -0.33333, -0.33333, -1], atol=1e-5)
    scored = length_group([0, 0, 0, 0], rewards, Curriculum(87).budgets(0))
    np.testing.assert_allclose(
        Curriculum(87, eps=0).credit(scored).thought[:, 0], [1.44338, -0.28868, -0.28868, -0.86603], atol=1e-5
    )
    paper = Curriculum(87, eps=0, scale="population").credit(scored).thought[:, 0]
    np.testing.assert_allclose(paper, [1.66667, -0.33333, -0.33333, -1], atol=1e-5)
    inside = Curriculum(87, eps=0.07, scale="population").credit(scored).thought[:, 0]
    np.testing.assert_allclose(inside, np.array([0.5, -0.1, -0.1, -0.3]) / 0.4, atol=1e-12)  # sqrt(0.09 + 0.07)


def test_a_curriculum_can_follow_any_schedule():
    assert [Curriculum(Stepwise(256, 87, 3, 600)).budgets(s).asked for s in (0, 150, 300, 450)] == [256, 178, 124, 87]
    section = {"type": "curriculum", "budget": {"type": "linear", "b0": 256, "b_end": 87, "total": 600}}
    assert build(section) == Curriculum(Linear(256, 87, 600))
    with pytest.raises(ValueError, match=r"curriculum: cap_factor must be at least 1, not 0\.5"):
        build({"type": "curriculum", "budget": 87, "cap_factor": 0.5})


# LCPO


def test_lcpo_targets_are_whole_numbers_each_as_likely():
    algorithm = LcpoExact(10, low=3, high=5)
    targets = [algorithm.budgets(0, draw=draw / 300).asked for draw in range(300)]
    assert {target: targets.count(target) for target in targets} == {5: 100, 4: 100, 3: 100}
    published = LcpoMax(4096)
    assert [published.budgets(0, draw=draw).asked for draw in (0.0, 0.5, 1 - 2**-48)] == [4000, 2050, 100]
    assert {published.budgets(9, draw=draw).tokens for draw in (0.0, 0.5)} == {(4096,)}


def test_lcpo_exact_group_of_the_notes():
    prior = BudgetPrior((4096,), (1.0,), target=1000)
    credit = LcpoExact(4096).credit(length_group([900, 1500, 1000, 3000], [1, 1, 0, 0], prior))
    np.testing.assert_allclose(credit.shaped, [0.97, 0.85, 0, -0.6], atol=1e-12)
    np.testing.assert_allclose(credit.thought[:, 0], [0.8963, 0.7346, -0.4111, -1.2198], atol=1e-4)


def test_lcpo_max_pays_right_answers_only():
    prior = BudgetPrior((4096,), (1.0,), target=1000)
    credit = LcpoMax(4096).credit(length_group([1000, 2000, 100, 3000], [1, 1, 0, 1], prior))
    np.testing.assert_allclose(credit.shaped, [0.5, 0.2, 0, 0], atol=1e-12)


def test_a_target_beyond_the_cap_is_refused():
    with pytest.raises(ValueError, match="targets of 100 to 4000 tokens do not fit a budget of 2048"):
        LcpoExact(2048)
    with pytest.raises(ValueError, match="targets of 5 to 4 tokens"):
        LcpoMax(2048, low=5, high=4)


# Limits


def test_think_prune_at_its_limit_and_one_token_beyond():
    prior = BudgetPrior.single(2000)
    scored = length_group([1996, 1997, 500, 2000], [1, 1, 0, 1], prior, cut=[3], answer=4)
    np.testing.assert_array_equal(ThinkPrune(2000).credit(scored).shaped, [1, 0, 0, 0])
    thinking = ThinkPrune(2000, count="thinking").credit(scored)
    np.testing.assert_array_equal(thinking.shaped, [1, 1, 0, 0])  # closed by force: it did not end within the limit


def test_think_prune_in_its_published_stages():
    algorithm = ThinkPrune(Staged({0: 4000, 100: 3000, 200: 2000}))
    assert [algorithm.budgets(step).largest for step in (0, 99, 100, 200)] == [4000, 4000, 3000, 2000]
    assert [algorithm.budgets(step).version for step in (0, 99, 100, 200)] == [0, 0, 1, 2]


def test_dapo_overlong_on_top_of_the_reward():
    lengths = [16384, 17408, 18432, 20480, 20480]
    scored = length_group(lengths, [1, 1, 0, 1, 0], BudgetPrior.single(20480), cut=[4])
    np.testing.assert_allclose(Overlong(20480).credit(scored).shaped, [1, 0.75, -0.5, 0, -1])
    np.testing.assert_allclose(Overlong(20480, weight=0.5).credit(scored).shaped, [1, 0.875, -0.25, 0.5, -0.5])
    with pytest.raises(ValueError, match="a buffer of 4096 tokens does not fit a budget of 2048"):
        Overlong(2048)


def apriel(right: int, length: int, *, correct: bool, cut: bool, gamma: float = 1.0) -> float:
    """Reward of one rollout among 8 of which `right` are right: the others short and of no account."""
    others = [1.0] * (right - correct) + [0.0] * (7 - right + correct)
    scored = length_group(
        [length] + [5] * 7, [float(correct), *others], BudgetPrior.single(16384), cut=[0] if cut else []
    )
    return DifficultyLength(16384, gamma=gamma).credit(scored).shaped[0]


def test_apriel_known_answers():
    assert apriel(6, 14336, correct=True, cut=False) == pytest.approx(0.625)
    assert apriel(6, 14336, correct=False, cut=False) == pytest.approx(-0.5)
    assert apriel(6, 16384, correct=False, cut=True) == pytest.approx(-1.0)
    assert apriel(6, 16384, correct=True, cut=True) == pytest.approx(0.0)
    assert apriel(1, 14336, correct=True, cut=False) == pytest.approx(0.9375)
    assert apriel(6, 14336, correct=True, cut=False, gamma=0) == pytest.approx(0.5)
    assert apriel(6, 14336, correct=True, cut=False, gamma=2) == pytest.approx(0.71875)


def test_apriel_refuses_what_is_no_scale():
    with pytest.raises(ValueError, match=r"gamma -1 must be at least 0 and failure_scale 1\.0 in \[0, 1\]"):
        DifficultyLength(16384, gamma=-1)
    with pytest.raises(ValueError, match=r"failure_scale 1\.5"):
        DifficultyLength(16384, failure_scale=1.5)


# Kimi


def test_kimi_on_top_of_the_reward():
    algorithm = KimiLength(300, weight=0.5)
    scored = length_group([100, 200, 300, 150], [1, 1, 0, 0], algorithm.budgets(0))
    np.testing.assert_allclose(algorithm.credit(scored).shaped, [1.25, 1, -0.25, 0])


def test_kimi_warm_up_travels_with_the_prior():
    def shaped(algorithm, step):
        return algorithm.credit(length_group([100, 200, 300], [1, 1, 1], algorithm.budgets(step))).shaped[0]

    at_once = KimiLength(300, start_step=10)
    assert [shaped(at_once, step) for step in (0, 9, 10, 11, 500)] == [1, 1, 1.5, 1.5, 1.5]
    assert [at_once.budgets(step).version for step in (0, 9, 10, 500)] == [0, 0, 1, 1]
    ramp = KimiLength(300, weight=2.0, start_step=10, ramp_steps=3)
    assert [shaped(ramp, step) for step in (9, 10, 11, 12, 13, 14)] == [1, 1.25, 1.5, 1.75, 2, 2]
    with pytest.raises(ValueError, match="budget must be one number here"):
        KimiLength(Staged({0: 300}))
    with pytest.raises(ValueError, match="start_step -1 and ramp_steps 0 must be at least 0"):
        KimiLength(300, start_step=-1)


# As sections of a config


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("curriculum", {"length_weight": 0.3, "shape": "triangular", "cap_factor": 2.0}),
        ("lcpo_exact", {"low": 100, "high": 4000, "alpha": 3e-4}),
        ("lcpo_max", {"low": 100, "high": 4000, "alpha": 3e-4, "delta": 0.5}),
        ("think_prune", {}),
        ("overlong", {"buffer": 4096, "weight": 1.0}),
        ("difficulty_length", {"buffer": 4096, "gamma": 1.0, "failure_scale": 1.0}),
        ("kimi_length", {"weight": 1.0, "start_step": 0, "ramp_steps": 0}),
    ],
)
def test_published_settings_are_the_defaults(name, knobs):
    grpo = {"eps": 1e-6, "scale": "group", "count": "response"}
    assert resolve({"type": name, "budget": 20480}) == {"type": name, "budget": 20480, **grpo, **knobs}
    assert isinstance(build(resolve({"type": name, "budget": 20480})), Shaped)


def test_the_page_lists_every_type_with_its_knobs():
    rows = [row.split(" | ") for row in re.findall(r"^\| `(\w+` \| .*) \|$", PAGE, re.MULTILINE)]
    listed = {name.strip("`"): set(re.findall(r"`(\w+)`", knobs)) for name, _, knobs, *_ in rows}
    types = [name for name, algorithm in ALGORITHMS.items() if issubclass(algorithm, (Shaped, Effort))]
    shared = {"type", "budget", "eps", "scale", "count"}
    assert listed == {name: set(resolve({"type": name, "budget": 20480})) - shared for name in types}


def test_the_example_of_the_page():
    [section] = [yaml.safe_load(block)["algorithm"] for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.S | re.M)]
    assert build(section) == Curriculum(StepDecay(256, 0.7, 150), length_weight=0.3)
