"""Budget Guidance: the Gamma law's known answers, the predictor, and a guided step."""

import asyncio

import numpy as np
import pytest
import torch
from char_codec import CODEC, EOS, TASK, teller
from scipy.stats import gamma

from rl.tiny import build_model, build_tokenizer
from rollout.prompts import PromptFormat
from rollout.reference.gamma import chance_within, guided, likeliest, negative_log_likelihood, trusted
from rollout.reference.predictor import Predictor, PredictorShape, Thought, fit, load_predictor, states_before
from rollout.reference_steering import Gates, Guidance
from rollout.sampler import Sampler
from rollout.scripted_engine import ScriptedEngine
from rollout.strategies.by_reference import Guided

P = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
SHAPES = torch.tensor([60.0, 70.0, 80.0], dtype=torch.float64)
RATES = torch.full((3,), 12.0, dtype=torch.float64)


def test_known_answer_of_an_exponential_law_and_its_gate():
    shape, rate = torch.tensor([1.0], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64)
    assert chance_within(7, shape, rate).tolist() == pytest.approx([0.984375])
    assert trusted(shape, rate, Gates(rate=0)).tolist() == [False]


def test_known_answers_of_the_modes():
    assert likeliest(SHAPES, RATES).tolist() == pytest.approx([135.5, 313.2, 721.9], abs=0.05)


@pytest.mark.parametrize(
    ("budget", "weights", "probs"),
    [
        (100, (0.284697, 0.032471, 0.001102), (0.934597, 0.063956, 0.001447)),
        (300, (0.862200, 0.443369, 0.093891), (0.739592, 0.228192, 0.032216)),
        (1000, (0.996417, 0.932671, 0.639870), (0.549909, 0.308837, 0.141254)),
    ],
)
def test_known_answers_of_a_guided_distribution(budget, weights, probs):
    assert chance_within(budget, SHAPES, RATES).tolist() == pytest.approx(weights, abs=5e-7)
    assert guided(P, SHAPES, RATES, budget, Gates()).tolist() == pytest.approx(probs, abs=5e-7)


def test_known_answer_of_the_gate():
    shapes, rates = SHAPES.clone(), RATES.clone()
    shapes[2], rates[2] = 5.0, 2.0
    assert chance_within(300, shapes, rates)[2].item() == pytest.approx(0.988602, abs=5e-7)
    assert guided(P, shapes, rates, 300, Gates()).tolist() == pytest.approx([0.764212, 0.235788, 0], abs=5e-7)
    assert guided(P, shapes, rates, 300, Gates(rate=1))[2] > 0.2  # the gate is a knob


def test_known_answer_of_the_loss():
    loss = negative_log_likelihood(torch.tensor([200.0]), torch.tensor([60.0]), torch.tensor([12.0]))
    assert loss.tolist() == pytest.approx([0.647607], abs=1e-5)


def test_the_law_is_that_of_scipy():
    tokens = np.array([1, 10, 500, 20_000])
    for shape, rate in ((2.5, 11.0), (60.0, 12.0), (1.5, 0.7)):
        law = gamma(shape, scale=1 / rate)
        alpha, lam = (torch.full((4,), x, dtype=torch.float64) for x in (shape, rate))
        told = torch.stack([chance_within(int(n), alpha[:1], lam[:1])[0] for n in tokens])
        assert told.numpy() == pytest.approx(law.cdf(np.log(tokens + 1)), abs=1e-9)
        loss = negative_log_likelihood(torch.from_numpy(tokens).double(), alpha, lam)
        assert loss.numpy() == pytest.approx(-law.logpdf(np.log(tokens + 1)), rel=1e-6)


def test_without_a_trusted_candidate_the_likeliest_token_of_the_model_is_taken():
    assert guided(P, SHAPES, torch.ones(3), 300, Gates()).tolist() == [1, 0, 0]


@pytest.fixture(scope="module")
def tiny():
    return build_model(build_tokenizer(), context=128, tie_embeddings=True, seed=0).eval()


THOUGHTS = [
    Thought((7, 17, 3), (*(10 + (i + j) % 20 for j in range(length)), 4)) for i, length in enumerate([5, 5, 40, 40])
]


def test_each_token_is_learnt_from_the_states_before_it(tiny):
    layers, following, left = states_before(tiny, THOUGHTS[0])
    assert layers.shape == (6, 5, 128)
    assert following.tolist() == list(THOUGHTS[0].token_ids)
    assert left.tolist() == [6, 5, 4, 3, 2, 1]
    with torch.no_grad():
        states = tiny(torch.tensor([[7, 17, 3, 10, 11]]), output_hidden_states=True).hidden_states
    assert torch.allclose(layers[2], torch.stack([layer[0, -1] for layer in states]), atol=1e-5)


def test_a_predictor_learns_and_is_saved(tiny, tmp_path):
    torch.manual_seed(0)
    predictor = Predictor(PredictorShape(128, 102, width=32, blocks=1, heads=2))
    losses = fit(predictor, tiny, THOUGHTS, epochs=60, lr=3e-3, warmup=0.0)
    assert len(losses) == 240
    assert np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.5
    predictor.save(tmp_path / "p")
    again = load_predictor(tmp_path / "p")
    layers = torch.randn(2, 5, 128)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(predictor(layers), again(layers), strict=True))
        shape, rate = again(layers)
    assert shape.shape == rate.shape == (2, 102)
    assert min(shape.min(), rate.min()) > 0


def test_a_folder_without_a_predictor_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no predictor \(predictor\.json\)"):
        load_predictor(tmp_path)


def test_the_strategy_steers_each_budget_by_a_thought_of_its_own():
    engine = ScriptedEngine(teller("ab</think>4"), EOS)
    sampler = Sampler(engine, CODEC, PromptFormat(), 8)
    groups = asyncio.run(Guided("folder", aim=0.5).groups(sampler, TASK, [10, 20], 3, 5))
    assert [group.prior.tokens for group in groups] == [(10,), (20,)]
    assert sorted((draw.max_tokens, draw.steering) for draw in engine.draws if draw.n == 3) == [
        (10, Guidance("folder", 5, 2)),
        (20, Guidance("folder", 10, 2)),
    ]
    assert [one.steering for one in engine.draws if one.n == 1] == [None] * sum(d.n == 1 for d in engine.draws)
    assert [group.rollouts[0].answers[0][0].text for group in groups] == ["4", "4"]


@pytest.mark.parametrize("aim", [0, 1.1])
def test_an_aim_beyond_the_budget_is_refused(aim):
    with pytest.raises(ValueError, match="aim"):
        Guided("folder", aim=aim)


def test_a_target_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1 token"):
        Guidance("folder", 0, 2)
