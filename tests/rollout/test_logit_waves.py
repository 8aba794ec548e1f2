"""The swinging bias: the known answers of CyclicReflex, and the words that it acts on."""

import json
from dataclasses import asdict
from math import exp, inf

import pytest
import torch
from char_codec import CODEC
from hypothesis import given
from hypothesis import strategies as st

from rollout.logit_waves import LogitWave, penalty, single_tokens, triangle, wave_from

RISING = {0: 0, 75: 1.25, 150: 2.5, 300: 5, 450: 2.5, 600: 0, 750: -2.5, 900: -5, 1050: -2.5, 1199: -0.016667, 1200: 0}


def in_pieces(t: int, amplitude: float, period: float, shift: float) -> float:
    """The wave as the released code has it, piece by piece."""
    u = ((t + shift * period) % period) / period
    if u <= 0.25:
        return 4 * u * amplitude
    if u <= 0.75:
        return amplitude - (u - 0.25) / 0.5 * 2 * amplitude
    return -amplitude + (u - 0.75) / 0.25 * amplitude


@pytest.mark.parametrize(("t", "bias"), RISING.items())
def test_known_answers_of_the_wave(t: int, bias: float):
    assert triangle(t, 5, 1200, 0) == pytest.approx(bias, abs=1e-6)


def test_known_answers_of_a_shifted_wave():
    assert [triangle(t, 3, 600, 0.5) for t in (0, 150, 300, 450)] == pytest.approx([0, -3, 0, 3])


def test_known_answers_of_a_vocabulary_of_two():
    def wait(bias: float) -> float:
        return exp(2 + bias) / (exp(2 + bias) + exp(3))

    wave = LogitWave((0,), 1, 5, 1200)
    assert [wait(wave.at(t)) for t in (0, 300, 900)] == pytest.approx([0.268941, 0.982014, 0.002473], abs=5e-7)


@given(st.integers(0, 40_000), st.floats(0, 10), st.integers(1, 2000), st.floats(0, 1))
def test_the_wave_is_that_of_the_released_code(t: int, amplitude: float, period: int, shift: float):
    assert triangle(t, amplitude, period, shift) == pytest.approx(in_pieces(t, amplitude, period, shift), abs=1e-6)


def test_many_positions_at_once():
    positions = torch.arange(0, 1300, 7)
    periods = torch.where(positions % 2 == 0, 1200, 600)
    biases = triangle(positions, torch.tensor(5.0), periods, torch.tensor(0.1))
    pairs = zip(positions.tolist(), periods.tolist(), strict=True)
    assert biases.tolist() == pytest.approx([in_pieces(t, 5, period, 0.1) for t, period in pairs], abs=1e-4)


def test_a_penalty_never_moves():
    wave = penalty((4, 5), 2)
    assert (wave.period, [wave.at(t) for t in (0, 1, 1e6)]) == (inf, [-3, -3, -3])


@pytest.mark.parametrize("wave", [LogitWave((3, 1), 2, 5, 1200, 0.25), penalty((3,), 2)])
def test_a_wave_survives_a_way_through_json(wave: LogitWave):
    assert wave_from(json.loads(json.dumps(asdict(wave)))) == wave


@pytest.mark.parametrize(
    ("token_ids", "amplitude", "period", "shift"),
    [((1,), 5, 0, 0), ((1,), inf, 9, 0), ((1,), 5, 9, inf), ((), 5, 9, 0), ((1, 1), 5, 9, 0), ((-1,), 5, 9, 0)],
)
def test_impossible_waves_are_refused(token_ids, amplitude, period, shift):
    with pytest.raises(ValueError, match="a wave"):
        LogitWave(token_ids, 2, amplitude, period, shift)


class WordCodec:
    """A tokenizer whose vocabulary is a handful of words, some of them behind a space."""

    words = ("<unk>", "wait", " wait", "But", " But", "ra", "ther")

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        del add_special_tokens
        if text == "rather":
            return [5, 6]
        return [self.words.index(text) if text in self.words else 0]

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str:
        del skip_special_tokens
        return "".join(self.words[i] for i in token_ids)

    def convert_tokens_to_ids(self, tokens: str) -> int | None:
        raise NotImplementedError

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: object) -> list[int]:
        raise NotImplementedError


def test_words_are_looked_up_as_they_are_or_behind_a_space_as_well():
    assert single_tokens(["wait", "But"], WordCodec(), spaced=False) == (1, 3)
    assert single_tokens(["wait", "But"], WordCodec(), spaced=True) == (1, 2, 3, 4)
    assert single_tokens(["!", "!"], CODEC, spaced=False) == (ord("!"),)


def test_a_word_of_two_tokens_and_an_unknown_one_are_refused():
    with pytest.raises(ValueError, match="tokenizer: 'rather', 'Alternatively'; name words that are, such as 'wait'"):
        single_tokens(["wait", "rather", "Alternatively"], WordCodec(), spaced=False)
    with pytest.raises(ValueError, match="' ra'"):
        single_tokens(["ra"], WordCodec(), spaced=True)
