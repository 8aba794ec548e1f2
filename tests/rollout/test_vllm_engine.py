"""Real vLLM engines: what they sample, score and take over, against `transformers` on the same weights.

Each engine lives in a process of its own (`engine_worker.py`) and works off one list of calls.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from rl.tiny import build_model, build_tokenizer

HERE = Path(__file__).parent
END, CUE, EOS = 4, 5, 1
PROMPT = [7, 17, 7, 18, 10, 19, 3]
PROBE = [*PROMPT, 11, 28, 4, 16, 20, 30, 40, 50]
DRAW = {"prompt_ids": PROMPT, "n": 3, "max_tokens": 20, "seed": 5}
OTHERS = [{"prompt_ids": [7 + i, 17, 18, 3], "n": 2, "max_tokens": 30, "seed": 100 * i} for i in range(12)]
LONG = [{"prompt_ids": [8 + i, *PROMPT], "n": 1, "max_tokens": 110, "seed": 9 * i} for i in range(30)]
FLYING = [{"prompt_ids": PROMPT, "n": 1, "max_tokens": 8, "seed": 1}, *LONG]
ALTERED = "model.layers.2.mlp.down_proj.weight"
COMMON = {"dtype": "float32", "context": 128, "max_in_flight": 64}
SETTINGS = {
    "tied": COMMON,
    "untied": {**COMMON, "temperature": 0.7},
    "unmended": {**COMMON, "transfer": "shm-unmended", "receiver": "unmended_receiver.Extension"},
}
LEFT_OUT = {"tied": "model.layers.3.self_attn.k_proj.weight", "untied": "lm_head.weight"}
MENDED = ("tied", "untied")


def build(folder):
    """Two models of each kind, and the files of three publishes: right, one tensor altered, one left out."""
    tokenizer = build_tokenizer()
    for kind in MENDED:
        for name, seed in (("old", 0), ("new", 1)):
            model = build_model(tokenizer, context=128, tie_embeddings=kind == "tied", seed=seed)
            model.save_pretrained(folder / kind / name)
            tokenizer.save_pretrained(folder / kind / name)
        new = load_file(folder / kind / "new/model.safetensors")
        save_file(new, folder / kind / "new.safetensors")
        save_file({**new, ALTERED: 1.5 * new[ALTERED]}, folder / kind / "altered.safetensors")
        save_file({n: p for n, p in new.items() if n != LEFT_OUT[kind]}, folder / kind / "lacking.safetensors")


def calls(name, folder):
    def publish(file, version, flying=()):
        return "publish", {"weights": str(folder / f"{file}.safetensors"), "version": version, "flying": flying}

    yield "score", ["score", {"token_ids": PROBE}]
    if name in MENDED:
        tokenizer = str(folder / "old")
        yield "alone", ["sample", {"draws": [DRAW]}]
        yield "crowded", ["sample", {"draws": [*OTHERS[:6], DRAW, *OTHERS[6:]]}]
        yield "one budget", ["groups", {"tokenizer": tokenizer, "budgets": [8], "answers": 1, "cue": ""}]
        yield "two budgets", ["groups", {"tokenizer": tokenizer, "budgets": [4, 8], "answers": 2, "cue": "<answer>"}]
        yield "overtaken", ["overtake", {"draws": [*FLYING, *LONG, *LONG], "token_ids": PROBE}]
    yield "published", publish("new", 1, FLYING if name in MENDED else ())
    yield "score after", ["score", {"token_ids": PROBE}]
    if name in MENDED:
        yield "altered", publish("altered", 2)
        yield "score altered", ["score", {"token_ids": PROBE}]
        yield "lacking", publish("lacking", 3)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What each engine gave to each call. The three start together: most of a start is waiting for imports."""
    folder = tmp_path_factory.mktemp("engines")
    build(folder)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)])}
    plans = {name: dict(calls(name, folder / ("tied" if name == "unmended" else name))) for name in SETTINGS}
    processes = {}
    for name, plan in plans.items():
        settings = {**SETTINGS[name], "model": str(folder / ("tied" if name == "unmended" else name) / "old")}
        (folder / f"{name}.json").write_text(json.dumps({"settings": settings, "calls": list(plan.values())}))
        command = [sys.executable, HERE / "engine_worker.py", folder / f"{name}.json", folder / f"{name}.seen"]
        with (folder / f"{name}.txt").open("w") as file:
            processes[name] = subprocess.Popen(command, env=env, stdout=file, stderr=subprocess.STDOUT)
    try:
        for name, process in processes.items():
            assert process.wait(timeout=300) == 0, (folder / f"{name}.txt").read_text()[-3000:]
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    told = {name: json.loads((folder / f"{name}.seen").read_text()) for name in SETTINGS}
    return {name: dict(zip(plan, told[name], strict=True)) for name, plan in plans.items()} | {"folder": folder}


@cache
def model(path):
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


def logps(seen, kind, which, sequences, temperature=1.0):
    """Log-probability of each token but the first, as `transformers` has it, of each sequence."""
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(one) for one in sequences], batch_first=True)
    with torch.no_grad():
        table = (model(seen["folder"] / kind / which)(ids).logits[:, :-1] / temperature).log_softmax(-1)
    values = table.gather(-1, ids[:, 1:, None])[..., 0].tolist()
    return [row[: len(one) - 1] for row, one in zip(values, sequences, strict=True)]


def sampled_logps(seen, kind, which, pairs):
    """Of the tokens that were sampled after a prefix, at the engine's temperature; `pairs` are (prefix, tokens)."""
    rows = logps(seen, kind, which, [prefix + tokens for prefix, tokens in pairs], temperature(kind))
    return [row[len(prefix) - 1 :] for row, (prefix, _) in zip(rows, pairs, strict=True)]


def gap(told, truth):
    assert len(told) == len(truth)
    return sum(abs(a - b) for a, b in zip(told, truth, strict=True)) / len(truth)


def close(told, truth):
    return told == pytest.approx(truth, abs=1e-4)


def temperature(kind):
    return SETTINGS[kind].get("temperature", 1.0)


@pytest.mark.parametrize("kind", MENDED)
def test_a_draw_is_the_same_alone_and_in_company(seen, kind):
    alone, crowded = seen[kind]["alone"], seen[kind]["crowded"]
    assert [one["token_ids"] for one in alone] == [one["token_ids"] for one in crowded[12:15]]
    assert len({tuple(one["token_ids"]) for one in alone}) == 3
    assert all(close(a["logprobs"], b["logprobs"]) for a, b in zip(alone, crowded[12:15], strict=True))


@pytest.mark.parametrize("kind", MENDED)
def test_sampled_tokens_carry_their_log_probabilities_at_the_sampling_temperature(seen, kind):
    prompts = [each["prompt_ids"] for each in [*OTHERS[:6], DRAW, *OTHERS[6:]] for _ in range(each["n"])]
    pairs = [(prompt, one["token_ids"]) for prompt, one in zip(prompts, seen[kind]["crowded"], strict=True)]
    truths = sampled_logps(seen, kind, "old", pairs)
    for one, truth in zip(seen[kind]["crowded"], truths, strict=True):
        assert close(one["logprobs"], truth)
        assert one["versions"] == [{"version": 0, "start": 0, "end": len(one["token_ids"])}]
        assert one["ended"] == ("eos" if one["token_ids"][-1] == EOS else "length")


@pytest.mark.parametrize("name", SETTINGS)
def test_a_score_is_at_temperature_one(seen, name):
    kind = "tied" if name == "unmended" else name
    assert close(seen[name]["score"], logps(seen, kind, "old", [PROBE])[0])


@pytest.mark.parametrize("kind", MENDED)
def test_a_budget_of_eight_binds_exactly(seen, kind):
    rollouts = [rollout for group in seen[kind]["one budget"] for rollout in group["rollouts"]]
    finishes = [rollout["finish"] for rollout in rollouts]
    assert len(rollouts) == 48
    assert finishes.count("budget") > 24
    for rollout in rollouts:
        [[answer]], thought = rollout["answers"], rollout["token_ids"]
        if rollout["finish"] == "budget":
            assert (len(thought), answer["prefix_len"], answer["forced_ids"]) == (8, 8, [END])
        else:
            assert len(thought) <= 8
            assert (thought[-1], answer["forced_ids"]) == (END if rollout["finish"] == "closed" else EOS, [])
        assert len(answer["token_ids"]) <= 5
        assert (len(answer["token_ids"]) == 5) or answer["finish"] in ("stop", "empty")


@pytest.mark.parametrize("kind", MENDED)
@pytest.mark.parametrize("prior", ["one budget", "two budgets"])
def test_thoughts_and_answers_have_the_log_probabilities_of_the_whole_sequence(seen, kind, prior):
    told, pairs = [], []
    for rollout in (rollout for group in seen[kind][prior] for rollout in group["rollouts"]):
        told.append(rollout["logprobs"])
        pairs.append((rollout["prompt_ids"], rollout["token_ids"]))
        for answer in (answer for at_budget in rollout["answers"] for answer in at_budget):
            prefix = rollout["prompt_ids"] + rollout["token_ids"][: answer["prefix_len"]] + answer["forced_ids"]
            told.append(answer["logprobs"])
            pairs.append((prefix, answer["token_ids"]))
    assert sum(map(len, told)) > 48 * 8
    for one, truth in zip(told, sampled_logps(seen, kind, "old", pairs), strict=True):
        assert close(one, truth)


def test_a_thought_is_cut_closed_and_answered_at_every_budget(seen):
    for rollout in (rollout for group in seen["tied"]["two budgets"] for rollout in group["rollouts"]):
        length = len(rollout["token_ids"])
        for budget, answers in zip((4, 8), rollout["answers"], strict=True):
            assert [answer["prefix_len"] for answer in answers] == [min(budget, length)] * 2
            closed = rollout["finish"] == "closed" and length <= budget
            if answers[0]["finish"] != "empty":
                assert all(answer["forced_ids"] == ([CUE] if closed else [END, CUE]) for answer in answers)


@pytest.mark.parametrize("kind", MENDED)
def test_requests_in_flight_go_on_under_the_published_weights(seen, kind):
    """Before the publish a token has the old weights' log-probability, after it the new ones', recomputed."""
    landed = seen[kind]["published"]["landed"]
    pairs = [(draw["prompt_ids"], one["token_ids"]) for draw, one in zip(FLYING, landed, strict=True)]
    truths = [sampled_logps(seen, kind, which, pairs) for which in ("old", "new")]
    for index, one in enumerate(landed):
        ends = [0, *(span["end"] for span in one["versions"])]
        assert [span["start"] for span in one["versions"]] == ends[:-1]
        assert ends[-1] == len(one["token_ids"])
        for span in one["versions"]:
            part = slice(span["start"], span["end"])
            assert close(one["logprobs"][part], truths[span["version"]][index][part])
    assert sum([span["version"] for span in one["versions"]] == [0, 1] for one in landed) >= 3


@pytest.mark.parametrize("kind", MENDED)
def test_after_a_publish_the_engine_has_the_new_weights(seen, kind):
    assert close(seen[kind]["score after"], logps(seen, kind, "new", [PROBE])[0])
    assert gap(seen[kind]["score after"], logps(seen, kind, "old", [PROBE])[0]) > 0.1


def test_a_publish_sends_every_byte_and_leaves_no_file(seen):
    for kind in MENDED:
        published = seen[kind]["published"]
        weights = load_file(seen["folder"] / kind / "new.safetensors")
        assert 0 <= published["sent"] - sum(p.nbytes for p in weights.values()) < 10_000  # three headers
        assert published["left"] == 0


def test_without_the_mend_a_tied_head_keeps_its_old_weights(seen):
    assert gap(seen["unmended"]["score after"], logps(seen, "tied", "new", [PROBE])[0]) > 0.1
    assert gap(seen["tied"]["score after"], logps(seen, "tied", "new", [PROBE])[0]) < 1e-4


@pytest.mark.parametrize("kind", MENDED)
def test_a_wrong_tensor_shows_in_the_probe(seen, kind):
    assert "error" not in seen[kind]["altered"]
    assert gap(seen[kind]["score altered"], logps(seen, kind, "new", [PROBE])[0]) > 1e-3


@pytest.mark.parametrize(("kind", "layer"), [("tied", "model.layers.3.self_attn.qkv_proj"), ("untied", "lm_head")])
def test_a_publish_that_lacks_a_tensor_is_refused(seen, kind, layer):
    assert seen[kind]["lacking"]["error"].endswith(f"a publish left 1 layers without their weights: {layer}")


@pytest.mark.parametrize("kind", MENDED)
def test_a_score_goes_before_draws_that_wait(seen, kind):
    """91 draws, 64 at once: in their line it would come when 27 more are done."""
    assert seen[kind]["overtaken"] < 27
