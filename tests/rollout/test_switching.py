"""SwiReasoning's state machine: when it switches, and what that leads to."""

from itertools import accumulate

import pytest

from rollout.reference_steering import Control, Mode, Phase, SwitchRules, advance, control, first, share


def phases(entropies: list[float], dwell: int) -> list[Phase]:
    rest = entropies[1:]
    return list(accumulate(rest, lambda phase, h: advance(phase, h, dwell=dwell), initial=first(entropies[0])))


def test_known_answer_of_the_modes():
    seen = phases([1.0, 1.2, 0.9, 1.1, 1.3, 1.0, 1.4, 1.2, 1.5, 1.3, 1.6], dwell=3)
    assert "".join(phase.mode[0] for phase in seen) == "lleeellllll"
    assert seen[-1].switches == 1
    assert [phase.reference for phase in seen if not phase.stayed] == [1.0, 0.9, 1.0]


def test_known_answers_of_the_shares():
    assert share(0.5, 16_384, 32_768) == 0.75
    assert share(0.7, 3277, 32_768) == pytest.approx(0.730002, abs=5e-7)


def test_known_answers_of_the_switch_count():
    assert [control(count, 4) for count in range(1, 7)] == [
        Control.NONE,
        *(Control.CONVERGE,) * 3,
        *(Control.TERMINATE,) * 2,
    ]


def test_an_odd_number_of_switches_converges_from_the_larger_half():
    assert [control(count, 3) for count in range(1, 5)] == ["none", "converge", "converge", "terminate"]


def test_equal_entropy_changes_nothing():
    assert [phase.mode for phase in phases([1.0, 1.0, 0.5, 0.5], dwell=0)] == [
        *(Mode.LATENT,) * 2,
        *(Mode.EXPLICIT,) * 2,
    ]


def test_without_a_dwell_it_switches_at_every_turn():
    assert "".join(phase.mode[0] for phase in phases([1.0, 0.9, 1.1, 0.8, 1.2], dwell=0)) == "lelel"
    assert "".join(phase.mode[0] for phase in phases([1.0, 0.9, 1.1, 0.8, 1.2], dwell=512)) == "leeee"


@pytest.mark.parametrize(
    "knobs", [{"switches": 0}, {"last_tokens": 0}, {"dwell": -1}, {"start": 1.5}, {"leave": -0.1}, {"horizon": 0}]
)
def test_impossible_knobs_are_refused(knobs):
    with pytest.raises(ValueError, match=r"start and leave|at least"):
        SwitchRules(**knobs)
