"""Budgets over steps and priors over budgets, against the published numbers and against what was worked by hand."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.types import ScoredGroup
from rl.algorithms import build, resolve
from rl.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Linear,
    Plateau,
    Schedule,
    Staged,
    StepDecay,
    Stepwise,
    constant,
    cosine,
    described,
    drawn,
    even_prior,
    kind_of,
    linear,
    prior_over,
    schedule_of,
    staged,
    step_decay,
    stepwise,
    tokens_at,
    version_at,
    weighted_prior,
)
from rl.types import Credit
from rollout.types import BudgetPrior

SHRINKING = Plateau(256, 0.5, 40, statistic="budget/hit_rate", when="below", threshold=0.05)
GROWING = Plateau(100, 1.5, 300, statistic="budget/hit_rate", when="above", threshold=0.5, window=5, cooldown=2)
EXAMPLES = [
    Constant(32),
    StepDecay(256, 0.7, 150),
    Stepwise(256, 87, 3, 600),
    Linear(256, 87, 600),
    Cosine(87, 256, 600),
    Staged({0: 4000, 100: 3000, 250: 2000}),
    SHRINKING,
]


@dataclass(frozen=True)
class Scheduled:
    """An algorithm that is nothing but its schedule."""

    budget: Schedule

    def budgets(self, step: int, *, moves: tuple[int, ...] = (), draw: float = 0.0) -> BudgetPrior:
        return BudgetPrior.single(tokens_at(self.budget, step, moves))

    def credit(self, scored: ScoredGroup) -> Credit:
        raise NotImplementedError


def values(schedule, steps, moves=()):
    return [schedule(step, moves) for step in steps]


def test_c1_step_decay():
    curriculum = step_decay(256, 0.7, 150)
    steps = (0, 149, 150, 299, 300, 450, 599, 600)
    published = [256, 256, 179.2, 179.2, 125.44, 87.808, 87.808, 61.4656]
    assert values(curriculum, steps) == pytest.approx(published, rel=1e-14)
    assert [tokens_at(curriculum, step) for step in (0, 150, 300, 450, 600)] == [256, 179, 125, 87, 61]
    assert step_decay(256, 0.7, 100)(600) == pytest.approx(30.118, abs=5e-4)
    assert step_decay(256, 0.7, 1)(10_000) == 1.0


@pytest.mark.parametrize(
    ("decays", "interval", "stages"),
    [
        (1, 300, [256, 87]),
        (3, 150, [256, 178.65, 124.67, 87]),
        (7, 75, [256, 219.42, 188.07, 161.20, 138.17, 118.42, 101.50, 87]),
    ],
)
def test_c2_stepwise(decays: int, interval: int, stages: list[float]):
    schedule = stepwise(256, 87, decays, 600)
    assert values(schedule, range(0, 600, interval)) == pytest.approx(stages, abs=5e-3)
    assert values(schedule, range(interval - 1, 600, interval)) == values(schedule, range(0, 600, interval))
    assert schedule(599) == schedule(10_000) == 87.0


def test_c2_factors():
    assert stepwise(256, 87, 1, 600)(300) / 256 == pytest.approx(0.33984, abs=5e-6)
    assert stepwise(256, 87, 3, 600)(150) / 256 == pytest.approx(0.697846, abs=5e-7)
    assert stepwise(256, 87, 7, 600)(75) / 256 == pytest.approx(0.857117, abs=5e-7)


def test_stages_of_a_run_that_does_not_divide_begin_at_the_first_step_after_their_time():
    # 10 steps in 3 stages: the second begins at 3.33, the third at 6.67.
    assert values(stepwise(100, 1, 2, 10), range(10)) == pytest.approx([100] * 4 + [10] * 3 + [1] * 3)


def test_the_linear_alternative_in_three_equal_drops():
    assert values(linear(256, 87, 600), (0, 200, 400, 600, 900)) == pytest.approx([256, 199.6667, 143.3333, 87, 87])
    assert values(linear(10, 30, 4), range(6)) == [10, 15, 20, 25, 30, 30]


def test_cosine_is_slow_at_both_ends():
    half = math.sqrt(0.5)
    expected = [100, 100 - 80 * (1 - half) / 2, 60, 100 - 80 * (1 + half) / 2, 20, 20]
    assert values(cosine(100, 20, 4), range(6)) == pytest.approx(expected)


def test_stages_shrink_as_in_thinkprune_and_may_grow():
    thinkprune = staged({100: 3000, 0: 4000, 250: 2000})
    assert values(thinkprune, (0, 99, 100, 249, 250, 9999)) == [4000, 4000, 3000, 3000, 2000, 2000]
    assert values(staged({0: 8, 3: 16, 5: 24}), range(6)) == [8, 8, 8, 16, 16, 24]


def test_constant_stays():
    assert values(constant(32), (0, 7, 10_000)) == [32.0] * 3


def test_a_plateau_depends_on_the_number_of_moves_so_far():
    assert values(SHRINKING, (0, 9, 10, 19, 20, 30, 40), (10, 20, 30, 40)) == [256, 256, 128, 128, 64, 40, 40]
    assert values(GROWING, (0, 10, 20, 30), (10, 20, 30)) == [100, 150, 225, 300]
    assert (SHRINKING.most_moves, GROWING.most_moves) == (3, 3)
    assert GROWING(9_999, tuple(range(1, 9_999))) == 300.0  # and no number is too large on the way
    exact = replace(SHRINKING, limit=32)
    assert (exact.most_moves, exact(3, (1, 2, 3))) == (3, 32.0)
    assert replace(SHRINKING, limit=256).most_moves == 0


@pytest.mark.parametrize("schedule", EXAMPLES, ids=kind_of)
def test_the_same_step_has_the_same_budget_whatever_was_asked_before(schedule):
    again = schedule_of(described(schedule))
    assert [again(step, (3, 50)) for step in (599, 0, 300)] == [schedule(step, (3, 50)) for step in (599, 0, 300)]
    if not isinstance(schedule, Plateau):
        assert values(schedule, range(600), (3, 50)) == values(schedule, range(600))


@settings(deadline=None)
@given(st.sampled_from([Linear, Cosine, Stepwise]), st.integers(1, 5000), st.integers(1, 5000), st.integers(8, 400))
def test_a_way_between_two_budgets_never_turns_back_nor_leaves_them(kind, b0: int, b_end: int, total: int):
    schedule = kind(b0, b_end, 5, total) if kind is Stepwise else kind(b0, b_end, total)
    tokens = [tokens_at(schedule, step) for step in range(total + 3)]
    assert tokens == sorted(tokens, reverse=b_end < b0)
    assert (tokens[0], tokens[-1]) == (b0, b_end)
    assert schedule(total) == b_end


@settings(deadline=None)
@given(st.integers(1, 5000), st.floats(0.01, 1), st.integers(1, 50))
def test_decay_never_turns_back_nor_falls_below_one(b0: int, gamma: float, every: int):
    tokens = [tokens_at(StepDecay(b0, gamma, every), step) for step in range(300)]
    assert tokens == sorted(tokens, reverse=True)
    assert tokens[0] == b0
    assert min(tokens) >= 1


@settings(deadline=None)
@given(st.lists(st.integers(1, 200), unique=True, max_size=12).map(sorted), st.integers(2, 600), st.integers(1, 600))
def test_a_plateau_stays_between_its_ends(moves: list[int], b0: int, limit: int):
    factor = 0.8 if limit <= b0 else 1.3
    schedule = Plateau(b0, factor, limit, statistic="loss", when="below", threshold=0)
    seen = values(schedule, range(200), tuple(moves))
    assert seen == sorted(seen, reverse=limit <= b0)
    assert min(b0, limit) <= min(seen) <= max(seen) <= max(b0, limit)
    assert schedule(0, tuple(moves)) == (b0 if limit != b0 else limit)


def test_whole_tokens_are_rounded_down_but_not_by_a_float():
    assert 100 * 0.29 < 29
    assert tokens_at(StepDecay(100, 0.29, 1), 1) == 29
    assert tokens_at(StepDecay(256, 0.7, 150), 300) == 125


@pytest.mark.parametrize("schedule", EXAMPLES, ids=kind_of)
@pytest.mark.parametrize("moves", [(), (7, 60, 61)])
def test_a_version_counts_the_changes_of_the_whole_budget(schedule, moves: tuple[int, ...]):
    tokens = [tokens_at(schedule, step, moves) for step in range(620)]
    changed = [before != after for before, after in pairwise(tokens)]
    assert [version_at(schedule, step, moves) for step in range(620)] == [sum(changed[:step]) for step in range(620)]


def test_versions_of_the_curriculum_and_of_a_budget_that_moves_back():
    assert [version_at(StepDecay(256, 0.7, 150), step) for step in (0, 149, 150, 300, 599)] == [0, 0, 1, 2, 3]
    assert [version_at(Staged({0: 8, 2: 16, 4: 8}), step) for step in range(6)] == [0, 0, 1, 1, 2, 2]
    assert version_at(Linear(4, 3, 1000), 999) == 1  # 4 at step 0 and below it from step 1 on


def test_versions_of_a_long_run_are_quick():
    schedule, start = Cosine(32_000, 1_000, 10_000), time.process_time()
    assert version_at(schedule, 9_999) > 5_000
    versions = [version_at(schedule, step) for step in range(10_000)]
    assert versions == sorted(versions)
    assert time.process_time() - start < 2


def test_a_budget_below_one_token_is_refused_where_it_comes_up():
    assert tokens_at(Linear(10, 0, 100), 90) == 1
    with pytest.raises(ValueError, match=r"^a budget of 0\.9: it must be at least 1 token$"):
        tokens_at(Linear(10, 0, 100), 91)
    with pytest.raises(ValueError, match=r"^a budget of 0: "):
        tokens_at(Staged({0: 10, 5: 0}), 5)
    for schedule in EXAMPLES:
        assert min(tokens_at(schedule, step) for step in range(700)) >= 1


def test_yes_is_no_number_of_tokens():
    for value in (True, {"type": "step_decay", "b0": True, "gamma": 0.5, "every": 10}):
        with pytest.raises(ValueError, match="expected a number of tokens, got true"):
            schedule_of(value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(0), "a budget must be at least 1 token, not 0"),
        (lambda: StepDecay(0, 0.7, 150), "b0 must be at least 1, not 0"),
        (lambda: StepDecay(256, 0, 150), "gamma must be in (0, 1], not 0; stepwise and staged can grow"),
        (lambda: StepDecay(256, float("nan"), 150), "gamma must be in (0, 1], not nan; stepwise and staged can grow"),
        (lambda: StepDecay(256, 0.7, 0), "every must be at least 1, not 0"),
        (lambda: Stepwise(256, 0, 3, 600), "b_end must be at least 1, not 0"),
        (lambda: Stepwise(256, 87, 0, 600), "decays must be at least 1, not 0"),
        (lambda: Stepwise(256, 87, 3, 3), "3 decays do not fit into 3 steps"),
        (lambda: Linear(256, 87, 0), "total must be at least 1, not 0"),
        (lambda: Cosine(256, 87, 0), "total must be at least 1, not 0"),
        (lambda: Staged({}), "the first of the stages must begin at step 0, not nowhere"),
        (lambda: Staged({5: 10}), "the first of the stages must begin at step 0, not 5"),
        (lambda: Staged({-1: 5, 0: 10}), "the first of the stages must begin at step 0, not -1"),
        (lambda: Staged({0: 0}), "the budget of stage 0 must be at least 1, not 0"),
        (lambda: replace(SHRINKING, factor=1), "factor must be above 0 and not 1, not 1"),
        (lambda: replace(SHRINKING, factor=-0.5), "factor must be above 0 and not 1, not -0.5"),
        (lambda: replace(SHRINKING, limit=300), "a factor of 0.5 leads from b0 256 away from limit 300"),
        (lambda: replace(GROWING, limit=50), "a factor of 1.5 leads from b0 100 away from limit 50"),
        (lambda: replace(SHRINKING, limit=0), "limit must be at least 1, not 0"),
        (lambda: replace(SHRINKING, window=0), "window must be at least 1, not 0"),
        (lambda: replace(SHRINKING, cooldown=-1), "cooldown must be at least 0, not -1"),
        (lambda: replace(SHRINKING, threshold=float("inf")), "threshold must be a number, not inf"),
    ],
)  # fmt: skip
def test_nonsense_is_refused(make, message: str):
    with pytest.raises(ValueError) as error:
        make()
    assert str(error.value) == message


@pytest.mark.parametrize("schedule", EXAMPLES, ids=kind_of)
def test_a_schedule_survives_the_config_and_its_yaml(schedule):
    explicit = resolve({"type": f"{__name__}:Scheduled", "budget": described(schedule)})
    read = yaml.safe_load(yaml.safe_dump(explicit))
    assert build(read) == Scheduled(schedule)
    assert resolve(read) == explicit
    assert resolve({"type": f"{__name__}:Scheduled", "budget": schedule}) == explicit


def test_what_a_schedule_looks_like_in_a_config():
    assert set(SCHEDULES) == {kind_of(schedule) for schedule in EXAMPLES}
    name = {"type": f"{__name__}:Scheduled"}
    assert resolve({**name, "budget": 32}) == {**name, "budget": 32}
    assert resolve({**name, "budget": {"type": "constant", "b": 32}}) == {**name, "budget": 32}
    curriculum = {"type": "step_decay", "b0": 256, "gamma": 0.7, "every": 150}
    assert resolve({**name, "budget": curriculum}) == {**name, "budget": curriculum}
    assert resolve({**name, "budget": {"type": "plateau", "b0": 256, "factor": 0.5, "limit": 40, "threshold": 0.05,
                                       "statistic": "budget/hit_rate", "when": "below"}})["budget"] == {
        "type": "plateau", "b0": 256, "factor": 0.5, "limit": 40, "statistic": "budget/hit_rate", "when": "below",
        "threshold": 0.05, "window": 20, "cooldown": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "a budget must be at least 1 token, not 0"),
        (True, "expected a number of tokens, got true"),
        ("much", "must be a valid integer, unable to parse string as an integer, got 'much'"),
        (None, "must be a valid integer, got None"),
        ({"b0": 3}, "type: which schedule? One of constant, step_decay, stepwise, linear, cosine, staged, plateau"),
        ({"type": "step_decya", "b0": 3}, "unknown schedule 'step_decya'; did you mean step_decay?"),
        ({"type": "zzz"}, "unknown schedule 'zzz'; known here: constant, step_decay, stepwise, linear, cosine, "
         "staged, plateau"),
        ({"type": "linear", "b0": 8, "b_ende": 4, "total": 9}, "unknown key 'b_ende' of linear; did you mean b_end?"),
        ({"type": "linear", "b0": 8, "b_end": 4, "every": 9}, "unknown key 'every' of linear; known here: b0, b_end, "
         "total"),
        ({"type": "linear", "b0": 8, "b_end": 4, "total": 0}, "total must be at least 1, not 0"),
    ],
)  # fmt: skip
def test_a_bad_schedule_gets_one_clear_line(value, message: str):
    with pytest.raises(ValueError) as error:
        build({"type": f"{__name__}:Scheduled", "budget": value})
    assert str(error.value) == f"{__name__}:Scheduled: budget: {message}"


def test_a_bad_knob_of_a_schedule_is_named_with_its_place():
    section = {"type": f"{__name__}:Scheduled", "budget": {"type": "linear", "b0": 8.5, "b_end": 4, "total": 9}}
    with pytest.raises(ValueError, match=r"Scheduled: budget\.b0: must be a valid integer"):
        build(section)
    section["budget"] = {"type": "linear", "b0": 8, "b_end": 4}
    with pytest.raises(ValueError, match=r"Scheduled: budget\.total: missing: it has no default"):
        build(section)


@pytest.mark.parametrize(
    ("kind", "probs"),
    [("uniform", [0.25] * 4), ("linear", [0.1, 0.2, 0.3, 0.4]), ("base", [0, 0, 0, 1])],
)
def test_the_published_priors_over_four_budgets_of_8k(kind: str, probs: list[float]):
    prior = even_prior(8000, 4, kind)
    assert (prior.tokens, prior.kind) == ((2000, 4000, 6000, 8000), kind)
    np.testing.assert_allclose(prior.probs, probs, rtol=0, atol=1e-15)


def test_log_uniform_is_the_mass_of_one_over_b_between_neighbours():
    prior = even_prior(8000, 4, "log_uniform")  # from 1000 on: 1000, 2000, 4000, 6000, 8000
    np.testing.assert_allclose(prior.probs, np.log([2, 2, 3 / 2, 4 / 3]) / np.log(8), rtol=1e-14)
    assert prior_over((500, 1000, 2000, 4000), "log_uniform").probs == pytest.approx([0.25] * 4)
    assert even_prior(100, 1, "log_uniform").probs == (1.0,)


def test_a_support_that_is_not_divisible_is_rounded_down():
    assert even_prior(10, 4, "uniform").tokens == (2, 5, 7, 10)
    assert even_prior(4, 4, "uniform").tokens == (1, 2, 3, 4)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 3000), st.sampled_from(["uniform", "linear", "base", "log_uniform"]))
def test_an_even_prior_is_a_distribution_that_ends_at_the_most(num: int, more: int, kind: str):
    prior = even_prior(num + more, num, kind)
    assert len(prior.tokens) == num
    assert prior.largest == num + more
    assert sum(prior.probs) == pytest.approx(1, abs=1e-12)


def test_a_prior_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="3 tokens cannot be divided into 4 different budgets of at least 1"):
        even_prior(3, 4, "uniform")
    with pytest.raises(ValueError, match="cannot be divided into 0"):
        even_prior(3, 0, "uniform")
    with pytest.raises(ValueError, match="unknown prior 'unifrom'; did you mean uniform"):
        even_prior(8, 2, "unifrom")
    with pytest.raises(ValueError, match="known here: uniform, linear, base, log_uniform"):
        even_prior(8, 2, "zzz")
    with pytest.raises(ValueError, match=r"positive sum: \[0, 0\]"):
        weighted_prior((4, 8), (0, 0), "mine")
    with pytest.raises(ValueError, match="non-negative and sum to 1"):
        weighted_prior((4, 8), (3, -1), "mine")
    with pytest.raises(ValueError, match="2 budgets but 3 probabilities"):
        weighted_prior((4, 8), (1, 1, 1), "mine")
    with pytest.raises(ValueError, match="sum to 1"):
        BudgetPrior((4, 8), (1, 1))


def test_weights_are_normalised_only_here():
    assert weighted_prior((4, 8, 16), (1, 2, 1), "mine") == BudgetPrior((4, 8, 16), (0.25, 0.5, 0.25), "mine")


@pytest.mark.parametrize(
    ("draw", "tokens"), [(0.0, 2), (0.0999, 2), (0.1001, 4), (0.2999, 4), (0.3001, 6), (0.6001, 8), (1 - 2**-53, 8)]
)
def test_a_draw_takes_the_budget_at_its_share_of_the_mass(draw: float, tokens: int):
    assert drawn(even_prior(8, 4, "linear"), draw).tokens == (tokens,)


def test_what_is_drawn_keeps_all_but_the_budgets():
    prior = BudgetPrior((4, 8), (0.5, 0.5), "uniform", version=3, answers=2, target=6, efforts=(0.5, 1.0))
    expected = BudgetPrior((8,), (1.0,), "uniform/drawn", version=3, answers=2, target=6, efforts=(0.5, 1.0))
    assert drawn(prior, 0.5) == expected


def test_even_draws_are_distributed_as_the_prior_and_never_take_a_budget_without_mass():
    prior = BudgetPrior((4, 8, 16, 32), (0.0, 0.3, 0.7, 0.0))
    tokens = [drawn(prior, (i + 0.5) / 1000).largest for i in range(1000)]
    assert [tokens.count(budget) for budget in prior.tokens] == [0, 300, 700, 0]
    assert [drawn(prior, draw).largest for draw in (0.0, 1 - 2**-53)] == [8, 16]
    for draw in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"a draw must be in \[0, 1\)"):
            drawn(prior, draw)
