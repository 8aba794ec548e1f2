"""Logit waves in the real engine, and in the class for its other model runner.

The engine runs in a process of its own (`engine_worker.py`). Every log-probability that it reports is that of the
distribution it sampled from, so it shows which bias acted at which position.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM
from vllm import SamplingParams
from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext

from rl.tiny import build_model, build_tokenizer
from rollout.logit_waves import LogitWave, penalty
from rollout.reference_steering import Guidance
from rollout.vllm_worker import WavesV2, extra_args

HERE = Path(__file__).parent
END, EOS = 4, 1
PROMPT = [7, 17, 7, 18, 10, 19, 3]
STRONG = LogitWave((20,), END, 1000.0, 8.0)
GENTLE = LogitWave((21, 22, 23, 24), END, 4.0, 14.0, 0.3)
CLOSING = LogitWave((END,), END, 1000.0, 8.0)
WAVES = (STRONG, GENTLE, CLOSING, penalty((7, 8, 9, 10, 11), END))


def draw(i, wave=None, n=1, max_tokens=40):
    steering = {"steering": asdict(wave)} if wave else {}
    return {"prompt_ids": [7 + i, *PROMPT], "n": n, "max_tokens": max_tokens, "seed": 31 * i} | steering


PLAIN = [draw(i, max_tokens=10 + 3 * i) for i in range(8)]
WAVED = [draw(i, WAVES[i % 4], n=2) for i in range(12)]
MIXED = [one for pair in zip(PLAIN, WAVED[:8], strict=True) for one in pair] + WAVED[8:]
FLYING = [draw(0, max_tokens=8), *(draw(i, WAVES[i % 4], max_tokens=110) for i in range(12))]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What one engine gave to plain draws, to plain and waved ones together, and to waved ones across a publish."""
    folder = tmp_path_factory.mktemp("waves")
    tokenizer = build_tokenizer()
    build_model(tokenizer, context=128, tie_embeddings=True, seed=0).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    weights = str(folder / "model" / "model.safetensors")
    calls = [
        ["sample", {"draws": PLAIN}],
        ["sample", {"draws": MIXED}],
        ["publish", {"weights": weights, "version": 1, "flying": FLYING}],
    ]
    settings = {"model": str(folder / "model"), "dtype": "float32", "context": 128, "max_in_flight": 64}
    (folder / "plan.json").write_text(json.dumps({"settings": settings, "calls": calls}))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)])}
    command = [sys.executable, HERE / "engine_worker.py", folder / "plan.json", folder / "seen.json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads((folder / "seen.json").read_text())
    return dict(zip(("plain", "mixed", "published"), told, strict=True)) | {"model": str(folder / "model")}


@cache
def model(path):
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


def truth(path, prompt, tokens, wave):
    """Log-probability of each token under the model's logits plus the wave, until the end marker was sampled."""
    with torch.no_grad():
        logits = model(path)(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1].clone()
    ended = tokens.index(END) + 1 if END in tokens else len(tokens)
    for t in range(ended if wave else 0):
        logits[t, list(wave.token_ids)] += wave.at(t)
    return logits.log_softmax(-1).gather(-1, torch.tensor(tokens)[:, None])[:, 0].tolist()


def check(path, asked, completions):
    wave = LogitWave(**{**asked["steering"], "token_ids": tuple(asked["steering"]["token_ids"])})
    for one in completions:
        want = truth(path, asked["prompt_ids"], one["token_ids"], wave)
        assert one["logprobs"] == pytest.approx(want, abs=2e-4)


def by_draw(draws, completions):
    rest = iter(completions)
    return [(one, [next(rest) for _ in range(one["n"])]) for one in draws]


def test_the_bias_at_every_position_is_that_of_the_formula(seen):
    pairs = [pair for pair in by_draw(MIXED, seen["mixed"]) if "steering" in pair[0]]
    assert sum(len(one["token_ids"]) for _, given in pairs for one in given) > 300
    for asked, given in pairs:
        check(seen["model"], asked, given)


def test_a_strong_wave_forces_its_token_where_it_is_positive_and_nowhere_else(seen):
    forced = 0
    for asked, given in by_draw(MIXED, seen["mixed"]):
        if asked.get("steering") == asdict(STRONG):
            for tokens in (one["token_ids"] for one in given):
                within = tokens[: tokens.index(END)] if END in tokens else tokens
                assert all(token == 20 for t, token in enumerate(within) if t % 8 in (1, 2, 3))
                assert all(token != 20 for t, token in enumerate(within) if t % 8 in (5, 6, 7))
                forced += sum(t % 8 in (1, 2, 3) for t in range(len(within)))
    assert forced > 12


def test_nothing_is_biased_after_the_end_of_the_thought(seen):
    ends = 0
    for asked, given in by_draw(MIXED, seen["mixed"]):
        if asked.get("steering") == asdict(CLOSING):
            for tokens in (one["token_ids"] for one in given):
                assert tokens.index(END) == (0 if tokens[0] == END else 1)
                assert len(tokens) <= 4 or tokens[2:4] != [END, END]
                ends += 1
    assert ends == 6


def test_requests_without_a_wave_are_the_same_in_the_company_of_waves(seen):
    given = [completions for asked, completions in by_draw(MIXED, seen["mixed"]) if "steering" not in asked]
    assert [one["token_ids"] for [one] in given] == [one["token_ids"] for one in seen["plain"]]
    assert [one["logprobs"] for [one] in given] == [pytest.approx(one["logprobs"], abs=1e-5) for one in seen["plain"]]


def test_a_wave_goes_on_where_it_was_when_new_weights_interrupt_it(seen):
    """The same weights are published, so that only the position could be lost."""
    landed = list(zip(FLYING, seen["published"]["landed"], strict=True))
    assert sum([span["version"] for span in one["versions"]] == [0, 1] for _, one in landed[1:]) >= 3
    for asked, one in landed[1:]:
        check(seen["model"], asked, [one])


@pytest.mark.parametrize("wave", [None, STRONG])
def test_a_request_tells_its_wave(wave):
    assert extra_args(wave) == (None if wave is None else {"logit_wave": asdict(wave)})


def test_what_needs_hidden_states_is_refused():
    with pytest.raises(ValueError, match=r"vLLM cannot follow Guidance, .* use the reference decoder"):
        extra_args(Guidance("folder", 100, END))


def test_an_impossible_wave_is_refused_at_the_door():
    with pytest.raises(ValueError, match="a wave"):
        WavesV2.validate_params(SamplingParams(extra_args={"logit_wave": {**asdict(STRONG), "period": 0}}))


class Slots:
    """Four requests of runner V2 as its processors see them: their tokens by slot, and the rows of a step."""

    def __init__(self, prompt_len):
        self.tokens = torch.zeros((4, 64), dtype=torch.int32)
        lengths = torch.tensor(prompt_len, dtype=torch.int32)
        self.prompt_len = SimpleNamespace(gpu=lengths, np=lengths.numpy())
        self.prefill_len = SimpleNamespace(gpu=lengths.clone(), np=lengths.numpy().copy())
        self.all_token_ids = SimpleNamespace(gpu=self.tokens)
        self.device, self.max_num_reqs, self.vocab_size = torch.device("cpu"), 4, 100

    def context(self, order, positions):
        slots = torch.tensor(order, dtype=torch.int32)
        pos = torch.tensor(positions)
        fed = self.tokens[slots.long(), pos]
        return LogitsContext(slots, slots, np.array(order), torch.zeros_like(slots), fed, pos, pos.numpy() + 1)


def start(slots, waves):
    config = SimpleNamespace(speculative_config=None)
    processor = WavesV2(config, slots)
    for slot, wave in waves.items():
        assert processor.add_request(slot, SamplingParams(extra_args=extra_args(wave))) is (wave is not None)
    processor.apply_staged_writes()
    return processor


def biases(processor, slots, order, sampled):
    """What is added to zero logits when the requests, in this order of rows, have sampled so many tokens."""
    positions = [int(slots.prompt_len.np[slot]) + t - 1 for slot, t in zip(order, sampled, strict=True)]
    return processor.apply(torch.zeros((len(order), 100)), slots.context(order, positions))


def want(wave, t):
    row = torch.zeros(100)
    row[list(wave.token_ids)] = wave.at(t)
    return row


def test_runner_v2_adds_the_formula_whatever_the_order_of_the_rows():
    slots = Slots([5, 9, 3, 7])
    processor = start(slots, {0: STRONG, 1: None, 2: GENTLE, 3: penalty((1, 2), END)})
    for t in range(20):
        order = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]][t % 3]
        given = biases(processor, slots, order, [t, 40, 2 * t, t + 1])
        waves = {0: STRONG, 2: GENTLE, 3: penalty((1, 2), END)}
        at = dict(zip(order, [t, 40, 2 * t, t + 1], strict=True))
        for row, slot in enumerate(order):
            truth = want(waves[slot], at[slot]) if slot in waves else torch.zeros(100)
            assert torch.allclose(given[row], truth, atol=1e-3)


def test_runner_v2_stops_at_a_sampled_end_marker_and_not_at_one_of_the_prompt():
    slots = Slots([5, 5, 3, 7])
    slots.tokens[0, 4] = slots.tokens[1, 4] = END
    slots.tokens[1, 5 + 2] = END
    processor = start(slots, {0: GENTLE, 1: GENTLE})
    rows = [biases(processor, slots, [0, 1], [t, t]) for t in range(8)]
    assert all(torch.allclose(rows[t][0], want(GENTLE, t)) for t in range(8))
    assert all(torch.allclose(rows[t][1], want(GENTLE, t)) for t in range(3))
    assert all(not rows[t][1].any() for t in range(3, 8))


def test_runner_v2_starts_a_recycled_slot_afresh_and_remembers_a_preempted_thought():
    slots = Slots([5, 5, 3, 7])
    slots.tokens[0, 6] = END
    processor = start(slots, {0: GENTLE})
    assert biases(processor, slots, [0], [1]).any()
    assert not biases(processor, slots, [0], [2]).any()
    assert processor.add_request(0, SamplingParams()) is False
    assert not biases(processor, slots, [0], [1]).any()
    slots.prefill_len.np[0] = 8  # comes back with three tokens sampled, the end marker among them
    processor.add_request(0, SamplingParams(extra_args=extra_args(GENTLE)))
    processor.apply_staged_writes()
    assert not biases(processor, slots, [0], [3]).any()
    slots.tokens[0, 6] = 9
    processor.add_request(0, SamplingParams(extra_args=extra_args(GENTLE)))
    processor.apply_staged_writes()
    assert torch.allclose(biases(processor, slots, [0], [3])[0], want(GENTLE, 3))


def test_runner_v2_refuses_speculation():
    with pytest.raises(ValueError, match="leave speculative decoding off"):
        WavesV2(SimpleNamespace(speculative_config=object()), Slots([1, 1, 1, 1]))
