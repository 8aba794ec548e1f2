import json

import numpy as np
import pytest

from benchmarks.lab.experiments import EXPERIMENTS, START
from benchmarks.lab.tables import KINDS, Measured, budget_table, calibrated, direction, every_budget, gains, read
from rl.evaluation.intervals import Interval

EXPERIMENT = EXPERIMENTS["brpo_vs_grpo"]


def measured(accuracy_S, tokens_S=(5.0, 10.0), efforts=(1.0,)):
    """One seed and one problem."""
    shape = (len(efforts), 1, 1, len(accuracy_S))
    budgets = tuple(10 * (s + 1) for s in range(len(accuracy_S)))
    accuracy, tokens = (np.broadcast_to(np.array(v), shape) for v in (accuracy_S, tokens_S))
    return Measured(budgets, efforts, accuracy, tokens)


def by_effort(accuracy_E, tokens_E):
    accuracy, tokens = (np.array(v).reshape(-1, 1, 1, 1) for v in (accuracy_E, tokens_E))
    return Measured((40,), (0.5, 1.0), accuracy, tokens)


def test_reading_takes_means_over_samples_and_cuts_the_tokens(tmp_path):
    # One effort, two problems, two samples, two budgets.
    file = tmp_path / "seed0.json"
    correct = [[[[0, 1], [1, 1]], [[0, 0], [0, 1]]]]
    file.write_text(
        json.dumps({"budgets": [10, 20], "efforts": [1.0], "correct": correct, "thinking": [[[4, 12], [20, 20]]]})
    )
    found = read([file, file])
    assert found.accuracy_EKNS.tolist() == [[[[0.5, 1.0], [0.0, 0.5]]] * 2]
    assert found.tokens_EKNS.tolist() == [[[[7.0, 8.0], [10.0, 20.0]]] * 2]


def test_anytime_accuracy_is_the_mean_over_budgets():
    arms = {"brpo": measured([0.25, 1.0]), "grpo": measured([0.5, 0.5])}
    at, anytime = gains(arms, "brpo", "grpo")
    assert [gain.mean for gain in at] == [-0.25, 0.5]
    assert anytime.mean == 0.125


def test_a_table_has_a_row_for_each_budget():
    arms = {START: measured([0.0, 0.25]), "grpo": measured([0.5, 0.5]), "brpo": measured([0.25, 1.0], [5.0, 8.0])}
    assert budget_table(EXPERIMENT, arms).splitlines() == [
        "| budget | cold start | grpo | brpo | brpo − grpo |",
        "|---|---|---|---|---|",
        "| 10 | 0.0 [0.0, 0.0] | 50.0 [50.0, 50.0] | 25.0 [25.0, 25.0] | -25.0 [-25.0, -25.0] |",
        "| 20 | 25.0 [25.0, 25.0] | 50.0 [50.0, 50.0] | 100.0 [100.0, 100.0] | +50.0 [+50.0, +50.0] |",
        "| anytime | 12.5 [12.5, 12.5] | 50.0 [50.0, 50.0] | 62.5 [62.5, 62.5] | +12.5 [+12.5, +12.5] |",
        "| tokens of thought | 10.00 [10.00, 10.00] | 10.00 [10.00, 10.00] | 8.00 [8.00, 8.00]"
        " | -2.00 [-2.00, -2.00] |",
    ]


@pytest.mark.parametrize(
    ("brpo", "word"),
    [([0.75, 0.75], "holds here"), ([0.25, 1.0], "holds in part here"), ([0.25, 0.5], "does not hold")],
)
def test_the_verdict_says_what_was_measured_in_either_direction(brpo, word):
    assert word in every_budget(EXPERIMENT, {"grpo": measured([0.5, 0.5]), "brpo": measured(brpo)})


def test_an_interval_that_includes_0_decides_nothing():
    assert direction(Interval(0.016, -0.008, 0.041)) == "is left open"
    assert direction(Interval(0.0, 0.0, 0.0)) == "is left open"
    assert direction(Interval(0.02, 0.01, 0.03)) == "holds"
    assert direction(Interval(-0.02, -0.03, -0.01)) == "does not hold"


def test_one_budget_is_the_largest():
    experiment, verdict = EXPERIMENTS["curriculum_vs_fixed"], KINDS["one_budget"][1]
    arms = {"fixed": measured([0.5, 0.5]), "curriculum": measured([0.75, 0.25])}
    assert verdict(experiment, arms) == (
        "The claim does not hold here: at the final budget of 20 tokens the accuracy of curriculum less that of fixed "
        "is -25.0 [-25.0, -25.0] points."
    )


def test_the_verdict_on_effort_has_four_parts():
    experiment, verdict = EXPERIMENTS["effort"], KINDS["effort"][1]
    start = by_effort([0.75, 0.75], [20.0, 20.0])
    assert "The claim holds here" in verdict(experiment, {START: start, "effort": by_effort([0.5, 0.75], [4.0, 10.0])})
    part = verdict(experiment, {START: start, "effort": by_effort([0.5, 0.5], [4.0, 10.0])})
    assert part == (
        "The claim holds in part here: true: tokens rise with effort, thoughts at full effort are at most half as "
        "long; not true: accuracy rises with effort, no accuracy is lost at full effort, or none beyond "
        "the interval (full effort: 0.50 [0.50, 0.50] of the starting model's tokens, -25.0 [-25.0, -25.0] points of "
        "accuracy)."
    )


def test_calibration_says_what_to_ask_for_and_what_that_gives():
    """10 and 40 tokens at half and full effort: half of the 40 lies a third of the way, at 0.5 + 0.5 / 3."""
    assert calibrated(by_effort([0.6, 0.8], [10.0, 40.0])) == (
        "Calibrated, what to ask for: 50% of the tokens: effort 0.67 (gives 50%); 90% of the tokens: effort 0.93 "
        "(gives 90%); 50% of the accuracy: effort 0.50 (gives 75%); 90% of the accuracy: effort 0.80 (gives 90%)."
    )
