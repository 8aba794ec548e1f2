"""CyclicReflex as a strategy: which draws carry the wave."""

import asyncio
from math import inf

import pytest
from char_codec import CODEC, END, EOS, TASK, teller

from rollout.logit_waves import LogitWave, penalty
from rollout.prompts import PromptFormat
from rollout.sampler import Sampler
from rollout.scripted_engine import ScriptedEngine
from rollout.strategies.hard import CyclicReflex

STORY = "abcdef</think>42"


def reflect(strategy: CyclicReflex, budgets: list[int]):
    engine = ScriptedEngine(teller(STORY), EOS)
    sampler = Sampler(engine, CODEC, PromptFormat(), 8)
    return asyncio.run(strategy.groups(sampler, TASK, budgets, 2, 7)), engine.draws


def test_the_thought_rides_the_wave_and_the_answers_do_not():
    (group,), draws = reflect(CyclicReflex(words=("w", "W"), amplitude=3, period=600, shift=0.5), [3, 9])
    assert [draw.steering for draw in draws if draw.max_tokens == 9] == [
        LogitWave((ord("w"), ord("W")), END, 3, 600, 0.5)
    ]
    assert {draw.steering for draw in draws if draw.max_tokens == 8} == {None}
    assert (group.prior.tokens, group.prior.kind, len(group.rollouts)) == ((3, 9), "cyclic", 2)


def test_the_constant_penalty_is_a_wave_without_end():
    _, draws = reflect(CyclicReflex(words=("w",), amplitude=3, period=inf, shift=0.75), [9])
    assert draws[0].steering == penalty((ord("w"),), END)


def test_words_that_the_tokenizer_splits_are_refused():
    with pytest.raises(ValueError, match="'Alternatively'"):
        reflect(CyclicReflex(), [9])


@pytest.mark.parametrize("knobs", [{"words": ()}, {"period": 0.0}, {"amplitude": inf}])
def test_impossible_knobs_are_refused(knobs):
    with pytest.raises(ValueError, match="a wave"):
        CyclicReflex(**knobs)
