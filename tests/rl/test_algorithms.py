"""GRPO, Dr. GRPO and RLOO as algorithms, and what a config section may say about them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest
from make_groups import make_answer, make_rollout, outcome_group, verdict

from rewards.types import ScoredGroup, Status
from rl.algorithms import ALGORITHMS, build, resolve
from rl.algorithms.grpo import GRPO, RLOO, DrGRPO
from rl.schedules import Plateau, Staged, StepDecay
from rl.types import Credit
from rollout.types import BudgetPrior, Group, Task

NAN = float("nan")
KNOWN = ", ".join(ALGORITHMS)


@dataclass(frozen=True)
class Flat:
    """An algorithm of a user's own."""

    level: float = 0.5

    def budgets(self, step: int, *, moves: tuple[int, ...] = (), draw: float = 0.0) -> BudgetPrior:
        return BudgetPrior.single(4 + step)

    def credit(self, scored: ScoredGroup) -> Credit:
        ones = np.full((len(scored.results), 1), self.level)
        return Credit(ones, ones[:, :, None])


@dataclass(frozen=True)
class NotAnAlgorithm:
    budget: int = 4


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        (GRPO(8), [0.866024, -0.866024, -0.866024, 0.866024]),
        (GRPO(8, eps=1e-4), [0.865875, -0.865875, -0.865875, 0.865875]),
        (GRPO(8, scale="none"), [0.5, -0.5, -0.5, 0.5]),
        (DrGRPO(8), [0.5, -0.5, -0.5, 0.5]),
        (RLOO(8), [0.666667, -0.666667, -0.666667, 0.666667]),
    ],
)
def test_thought_and_answer_share_the_credit_of_the_outcome(algorithm, expected):
    credit = algorithm.credit(outcome_group([1, 0, 0, 1]))
    np.testing.assert_allclose(credit.thought, np.reshape(expected, (4, 1)), rtol=0, atol=6e-7)
    np.testing.assert_array_equal(credit.answer, credit.thought[:, :, None])


@pytest.mark.parametrize("algorithm", [GRPO(8), GRPO(8, scale="none"), DrGRPO(8), RLOO(8)])
def test_an_excluded_verdict_leaves_credit_and_baseline(algorithm):
    credit = algorithm.credit(outcome_group([1, Status.TIMEOUT, 0, 0, Status.ERROR, 1]))
    judged = algorithm.credit(outcome_group([1, 0, 0, 1]))
    np.testing.assert_array_equal(credit.thought[[0, 2, 3, 5]], judged.thought)
    np.testing.assert_array_equal(credit.answer[[0, 2, 3, 5]], judged.answer)
    assert np.isnan(credit.thought[[1, 4]]).all()
    assert np.isnan(credit.answer[[1, 4]]).all()


def test_an_outcome_reward_refuses_several_answers():
    answers = [
        [make_answer(4, 2, (20,)), make_answer(4, 2, (21,))],
        [make_answer(8, 2, (22,)), make_answer(8, 2, (23,))],
    ]
    group = Group(Task("t", "p", "a"), BudgetPrior((4, 8), (0.5, 0.5)), (make_rollout((10, 11), answers),))
    scored = ScoredGroup(group, (((verdict(1), verdict(0)), (verdict(1), verdict(1))),))
    with pytest.raises(ValueError, match="one answer at one budget, not 2 at each of 2"):
        GRPO(8).credit(scored)


@pytest.mark.parametrize("algorithm", [GRPO, DrGRPO, RLOO])
def test_one_budget_at_every_step(algorithm):
    assert [algorithm(32).budgets(step) for step in (0, 7)] == [BudgetPrior((32,), (1.0,))] * 2
    with pytest.raises(ValueError, match="a budget must be at least 1 token, not 0"):
        algorithm(0)
    with pytest.raises(FrozenInstanceError):
        algorithm(32).budget = 1


@pytest.mark.parametrize("algorithm", [GRPO, DrGRPO, RLOO])
def test_a_schedule_moves_the_budget_and_its_version(algorithm):
    falling = algorithm(StepDecay(256, 0.7, 150))
    assert [falling.budgets(step) for step in (149, 150, 599)] == [
        BudgetPrior((256,), (1.0,), "step_decay"),
        BudgetPrior((179,), (1.0,), "step_decay", version=1),
        BudgetPrior((87,), (1.0,), "step_decay", version=3),
    ]
    waiting = algorithm(Plateau(8, 2.0, 32, "accuracy/mean", "above", 0.5))
    moved = [waiting.budgets(9, moves=moves) for moves in ((), (4,), (4, 9), (4, 10))]
    assert [(prior.largest, prior.version, prior.kind) for prior in moved] == [
        (8, 0, "plateau"), (16, 1, "plateau"), (32, 2, "plateau"), (16, 1, "plateau")
    ]  # fmt: skip


def test_a_schedule_in_a_config():
    section = {"type": "rloo", "budget": {"type": "staged", "stages": {0: 4, 5: 2}}}
    assert build(section) == RLOO(Staged({0: 4, 5: 2}))
    assert build(resolve(section)) == RLOO(Staged({0: 4, 5: 2}))


def test_resolve_makes_defaults_explicit_and_is_stable():
    explicit = {"type": "grpo", "budget": 32, "eps": 1e-6, "scale": "group"}
    assert resolve({"type": "grpo", "budget": 32}) == explicit
    assert resolve({"type": "rloo", "budget": "32"}) == {"type": "rloo", "budget": 32}
    for name in ALGORITHMS:
        explicit = resolve({"type": name, "budget": 5000})
        assert resolve(explicit) == explicit


def test_build_gives_the_named_algorithm():
    assert build({"type": "grpo", "budget": 32, "eps": 1e-4}) == GRPO(32, 1e-4)
    assert build({"type": "dr_grpo", "budget": 32}) == DrGRPO(32)
    assert build({"type": "rloo", "budget": 32}) == RLOO(32)


def test_an_algorithm_that_lives_elsewhere():
    assert resolve({"type": f"{__name__}:Flat"}) == {"type": f"{__name__}:Flat", "level": 0.5}
    assert build({"type": f"{__name__}:Flat", "level": 2}) == Flat(2.0)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, f"type: which algorithm? One of {KNOWN}, or module:Class"),
        ({"type": 3}, f"type: which algorithm? One of {KNOWN}, or module:Class"),
        ({"type": "grop", "budget": 1}, "unknown algorithm 'grop'; did you mean grpo?"),
        ({"type": "zzz"}, f"unknown algorithm 'zzz'; known here: {KNOWN}, module:Class"),
        ({"type": "grpo", "budgt": 3}, "unknown key 'budgt' of grpo; did you mean budget?"),
        ({"type": "rloo", "budget": 3, "eps": 1e-4}, "unknown key 'eps' of rloo; known here: budget"),
        ({"type": "grpo"}, "grpo: budget: missing: it has no default"),
        ({"type": "grpo", "budget": 0}, "grpo: budget: a budget must be at least 1 token, not 0"),
        ({"type": "grpo", "budget": 8, "eps": -1}, "grpo: eps must be at least 0, not -1.0"),
        (
            {"type": "grpo", "budget": 8, "scale": "batch"},
            "grpo: scale: must be 'group', 'population' or 'none', got 'batch'",
        ),
        (
            {"type": "grpo", "budget": "much"},
            "grpo: budget: must be a valid integer, unable to parse string as an integer, got 'much'",
        ),
        ({"type": "no_such_module:Mine"}, "algorithm 'no_such_module:Mine': No module named 'no_such_module'"),
        ({"type": ":Mine"}, "algorithm ':Mine': Empty module name"),
        ({"type": "rl.algorithms.grpo:GRP0"}, "algorithm 'rl.algorithms.grpo:GRP0': no dataclass 'GRP0' in "
         "rl.algorithms.grpo; did you mean GRPO?"),
        ({"type": f"{__name__}:NotAnAlgorithm"}, f"{__name__}:NotAnAlgorithm is no algorithm: it needs "
         "budgets(step) and credit(scored)"),
    ],
)  # fmt: skip
def test_bad_sections_get_one_clear_line(section, message):
    with pytest.raises(ValueError) as error:
        resolve(section)
    assert str(error.value) == message


def test_algorithms_import_no_torch():
    code = "import sys, rl.algorithms, rl.samples, rl.packing, rl.aggregation; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
