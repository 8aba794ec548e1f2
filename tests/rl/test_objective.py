"""The loss of a batch put together from its parts, as a config names them."""

from __future__ import annotations

import math

import pytest
import torch

from rl.config import LossConfig
from rl.objective import build_objective

# Four tokens: the policy, the learner at the start of the step, the engine. Ratios 1.2 1.25 1 .8, k 1.5 .4 6 1.
POLICY, OLD, ENGINE = (0.36, 0.25, 0.6, 0.4), (0.3, 0.2, 0.6, 0.5), (0.2, 0.5, 0.1, 0.5)
EDGE = 1e-9  # a ratio of 1.2 is on the edge of the clip: either side has the same value


def logs(probabilities) -> torch.Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log()


def loss_of(config: LossConfig, sequences, advantage: float, reference=None):
    """The loss of one batch of sequences, each (policy, old, engine) probabilities, in one micro-batch."""
    objective = build_objective(config)
    weight_N = objective.weights([len(sequence[0]) for sequence in sequences])
    policy, old, engine = (logs([p for sequence in sequences for p in sequence[i]]) for i in range(3))
    weight_T = torch.tensor([w for w, sequence in zip(weight_N, sequences, strict=True) for _ in sequence[0]])
    advantage_T = torch.full_like(policy, advantage)
    ref_logp_T = None if reference is None else logs(reference)
    logp_T = policy.requires_grad_()
    loss, sums = objective.loss(logp_T, old, engine, advantage_T, weight_T, ref_logp_T)
    loss.backward()
    return loss.item(), logp_T.grad, {name: value.item() for name, value in sums.items()}


@pytest.mark.parametrize("aggregation", ["sequence_mean", "token_mean"])
@pytest.mark.parametrize(
    ("correction", "up", "down"), [("icepop", -0.65, 0.65), ("tis", -1.27, 1.275), ("none", -1.05, 1.0625)]
)
def test_four_tokens(aggregation, correction, up, down):
    """A denominator shrunk to the tokens that IcePop keeps would give 1.30."""
    config = LossConfig(aggregation=aggregation, correction=correction)
    assert loss_of(config, [(POLICY, OLD, ENGINE)], 1.0)[0] == pytest.approx(up)
    assert loss_of(config, [(POLICY, OLD, ENGINE)], -1.0)[0] == pytest.approx(down)


def test_four_tokens_gradient_and_sums():
    policy = (0.3 * (1.2 + EDGE), 0.25, 0.6, 0.4)
    config = LossConfig(aggregation="sequence_mean", correction="icepop")
    _, gradient, sums = loss_of(config, [(policy, OLD, ENGINE)], 1.0)
    assert gradient.tolist() == pytest.approx([0, 0, 0, -0.8 / 4])  # clipped, masked and clipped, masked, k = 1
    gap = sum(abs(math.log(o / e)) for o, e in zip(OLD, ENGINE, strict=True))  # of the step's start, not its end
    assert sums == pytest.approx({"tokens": 4, "clipped": 2, "masked": 2, "logprob_gap": gap, "kl": 0})


@pytest.mark.parametrize(
    ("knob", "weight"),
    [
        ("tis", 2.0),
        ({"tis": 3.0}, 3.0),
        ({"tis": 9.0}, 4.0),
        ("icepop", 4.0),
        ({"icepop": (0.5, 3.0)}, 0.0),
        ("none", 1.0),
    ],
)
def test_the_limits_of_a_correction_are_the_configs(knob, weight):
    """The learner gives the token four times the engine's probability."""
    objective = build_objective(LossConfig(correction=knob))
    assert objective.correction(torch.tensor([0.0]), torch.tensor([-math.log(4)])).item() == pytest.approx(weight)


def test_the_correction_does_not_touch_the_kl_term():
    config = LossConfig(correction="icepop", kl={"k1": 0.1})
    reference = tuple(p / math.e for p in POLICY)  # k1 is 1 at every token
    with_kl, gradient, sums = loss_of(config, [(POLICY, OLD, ENGINE)], 1.0, reference)
    without, plain_gradient, _ = loss_of(LossConfig(correction="icepop"), [(POLICY, OLD, ENGINE)], 1.0)
    assert with_kl == pytest.approx(without + 0.1)
    assert (gradient - plain_gradient).tolist() == pytest.approx([0.1 / 4] * 4)
    assert sums["kl"] == pytest.approx(4)


@pytest.mark.parametrize(("name", "value"), [("k1", 0.693147), ("k2", 0.240227), ("k3", 0.193147)])
def test_kl_by_name(name, value):
    config = LossConfig(kl={name: 2.0}, correction="none")
    loss, _, sums = loss_of(config, [((0.5,), (0.5,), (0.5,))], 0.0, (0.25,))
    assert loss == pytest.approx(2 * value, abs=1e-5)
    assert sums["kl"] == pytest.approx(value, abs=1e-5)


def test_a_kl_term_without_a_reference_is_an_error():
    with pytest.raises(ValueError, match="needs the reference"):
        loss_of(LossConfig(kl={"k2": 0.1}), [(POLICY, OLD, ENGINE)], 1.0)


def test_ratio_to_the_engine():
    """Against the sampler the ratios are 1.8, .5, 6 and .8: the gap is inside them."""
    config = LossConfig(correction="ratio")
    assert loss_of(config, [(POLICY, OLD, ENGINE)], 1.0)[0] == pytest.approx(-(1.2 + 0.5 + 1.2 + 0.8) / 4)
    assert loss_of(config, [(POLICY, OLD, ENGINE)], -1.0)[0] == pytest.approx((1.8 + 0.8 + 6.0 + 0.8) / 4)


def test_separate_clips():
    config = LossConfig(clip_low=0.1, clip_high=0.28, correction="none")
    sequence = ((1.28 * 0.3, 0.75 * 0.4), (0.3, 0.4), (0.3, 0.4))
    assert loss_of(config, [sequence], 1.0)[0] == pytest.approx(-(1.28 + 0.75) / 2)
    assert loss_of(config, [sequence], -1.0)[0] == pytest.approx((1.28 + 0.9) / 2)


@pytest.mark.parametrize(("aggregation", "expected"), [("token_mean", -1.0), ("sequence_mean", -1.0), (8, -6 / 16)])
def test_aggregation_as_asked_for(aggregation, expected):
    same = [((0.5,) * length,) * 3 for length in (2, 4)]
    config = LossConfig(aggregation=aggregation)
    assert loss_of(config, same, 1.0)[0] == pytest.approx(expected)


@pytest.mark.parametrize("aggregation", ["token_mean", "sequence_mean", 8])
def test_micro_batches_and_ranks_change_nothing(aggregation):
    generator = torch.Generator().manual_seed(3)
    lengths = [3, 1, 5, 2]
    objective = build_objective(LossConfig(aggregation=aggregation, kl={"k3": 0.1}))
    weight_N = objective.weights(lengths)
    logp, old, engine, reference, advantage = torch.randn(5, sum(lengths), generator=generator, dtype=torch.float64)
    weight = torch.tensor(weight_N).repeat_interleave(torch.tensor(lengths))
    columns = (logp, old, engine, advantage, weight, reference)
    whole, whole_sums = objective.loss(*columns)
    parts = [objective.loss(*part) for part in zip(*(column.split(lengths) for column in columns), strict=True)]
    assert sum(loss.item() for loss, _ in parts) == pytest.approx(whole.item())
    for name, value in whole_sums.items():
        assert sum(sums[name].item() for _, sums in parts) == pytest.approx(value.item())


def test_a_micro_batch_without_trained_tokens_has_a_zero_gradient():
    parameter = torch.ones(3, requires_grad=True)
    logp_T = (2 * parameter)[:0]
    loss, sums = build_objective(LossConfig()).loss(logp_T, logp_T, logp_T, logp_T.detach(), logp_T.detach())
    loss.backward()
    assert loss.item() == 0
    assert parameter.grad is not None
    assert parameter.grad.tolist() == [0, 0, 0]
    assert sums["tokens"].item() == 0


def test_on_policy_gradient_is_that_of_reinforce():
    """With old = policy the ratio is 1 and dL/dlogp is -A times the token's weight."""
    _, gradient, _ = loss_of(LossConfig(), [(POLICY, POLICY, POLICY)], 0.5)
    assert gradient.tolist() == pytest.approx([-0.5 / 4] * 4)
