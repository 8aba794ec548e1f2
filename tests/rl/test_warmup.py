import io
import json
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rl.config import ModelConfig, SourceConfig, WarmupConfig
from rl.errors import BadInput
from rl.tasks import load_tasks
from rl.tiny import build_model, build_tokenizer
from rl.warmup import cached_folder, examples, main, prepare, train

OPTIONS = {"min_terms": 4, "max_terms": 5, "min_digits": 1, "max_digits": 1}
SUMS = SourceConfig(source="reasoning_gym:chain_sum", prompt="metadata.expression", limit=64, options=OPTIONS)
RANDOM = ModelConfig(path="tiny", context=64)


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.fixture(scope="module")
def rows(tokenizer):
    return examples(tokenizer, SUMS, WarmupConfig(steps=40, batch=16), seed=0)


def test_rows_learn_the_completion_and_not_the_prompt(tokenizer, rows):
    assert len(rows) == 40 * 16
    for row in rows[:50]:
        text = tokenizer.decode(row["input_ids"])
        learnt = tokenizer.decode([label for label in row["labels"] if label != -100])
        prompt, _, completion = text.partition("<think>")
        assert learnt == completion
        assert learnt.endswith("</answer><eos>")
        assert row["labels"][: len(prompt) + 1] == [-100] * (len(prompt) + 1)


def test_school_comes_before_habits(tokenizer, rows):
    def careful(row):
        prompt, _, rest = tokenizer.decode(row["input_ids"]).partition("=<think>")
        thought, _, answer = rest.partition("</think>")
        return thought.endswith(f"={eval(prompt)}") and answer == f"<answer>{eval(prompt)}</answer><eos>"

    # 0.7 * 640 careful rows come first; lengths are sorted within 16 batches (256 rows).
    assert all(careful(row) for row in rows[:256])
    assert 0.3 < sum(careful(row) for row in rows[512:]) / 128 < 0.6


def test_a_template_is_filled_at_random_before_the_same_traces(tokenizer, rows):
    settings = WarmupConfig(steps=40, batch=16)
    worded = examples(tokenizer, SUMS, settings, seed=0, template="{effort}|{budget}|{prompt}")
    texts = [tokenizer.decode(row["input_ids"]).split("|") for row in worded]
    assert {effort for effort, _, _ in texts} == {"0.25", "0.50", "0.75", "1.00"}
    assert {int(budget) for _, budget, _ in texts} == set(range(8, 65))  # 640 draws of 57 numbers
    # Only the order differs: it goes by length, and prompts are now of two lengths ("8" or "10" tokens).
    assert sorted(rest for _, _, rest in texts) == sorted(tokenizer.decode(row["input_ids"]) for row in rows)


def test_only_another_template_than_the_plain_one_is_part_of_the_key(tmp_path):
    # The digest of these settings from before there were templates.
    assert cached_folder(RANDOM, SUMS, seed=0, cache=tmp_path).name == "tiny-3e531babc26d931c"
    plain = cached_folder(RANDOM, SUMS, seed=0, cache=tmp_path, template="{prompt}")
    named = cached_folder(RANDOM, SUMS, seed=0, cache=tmp_path, template="{effort}|{prompt}")
    assert plain.name == "tiny-3e531babc26d931c"
    assert named != plain


def test_a_batch_has_sequences_of_similar_length(rows):
    lengths = [[len(row["input_ids"]) for row in rows[i : i + 16]] for i in range(0, len(rows), 16)]
    padded = sum(16 * max(batch) for batch in lengths)
    assert sum(map(sum, lengths)) / padded > 0.9


def test_held_out_and_training_problems_are_not_learnt_from(tokenizer):
    settings = WarmupConfig(steps=4, batch=16)
    plain = _prompts(tokenizer, examples(tokenizer, SUMS, settings, seed=3))
    held_out = [task.prompt for task in load_tasks(SUMS, seed=1)] + plain[:20]
    kept = _prompts(tokenizer, examples(tokenizer, SUMS, settings, seed=3, exclude=held_out))
    assert set(plain[20:]) - set(held_out) <= set(kept)
    assert not set(held_out) & set(kept)
    # A source's own seed would give the warm-up the very stream that reinforcement trains on.
    seeded = SUMS.model_copy(update={"options": {**OPTIONS, "seed": 5}})
    assert _prompts(tokenizer, examples(tokenizer, seeded, settings, seed=3)) == plain


def _prompts(tokenizer, rows):
    texts = (tokenizer.decode(row["input_ids"]).partition("=<think>")[0] for row in rows)
    return [text.replace("+", " + ").replace("-", " - ") for text in texts]


def test_a_short_training_lowers_the_loss(tokenizer, rows, capfd):
    policy = build_model(tokenizer, context=64, tie_embeddings=True, seed=0)
    losses = train(policy, tokenizer, rows, WarmupConfig(steps=40, batch=16), seed=0)
    assert len(losses) == 10
    assert losses[0] > 4.0  # the logarithm of 103 tokens is 4.6
    assert losses[-1] < 2.0
    lines = capfd.readouterr().err.splitlines()
    assert lines[-1].startswith("warm-up: step 40/40  loss ")
    assert lines[-1].endswith("  0 s left")


def test_a_second_call_finds_the_first_ones_folder(tmp_path, capfd):
    first = prepare(RANDOM, SUMS, seed=0, cache=tmp_path)
    written = (first / "model.safetensors").stat().st_mtime_ns
    assert prepare(RANDOM, SUMS, seed=0, cache=tmp_path) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == written
    assert capfd.readouterr().err.splitlines()[-1] == f"warm-up: cached in {first}"
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


def test_the_folder_is_what_transformers_loads(tmp_path):
    folder = prepare(RANDOM, SUMS, seed=4, cache=tmp_path)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    fresh = build_model(build_tokenizer(), context=64, tie_embeddings=True, seed=4)
    assert model.config.max_position_embeddings == 64
    assert model.dtype == torch.float32
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), fresh.parameters(), strict=True))
    assert tokenizer.decode(
        tokenizer.apply_chat_template([{"role": "user", "content": "4 - 1"}], return_dict=False)
    ) == ("4-1=")


def test_every_setting_but_the_number_of_problems_has_its_own_folder(tmp_path):
    base = cached_folder(RANDOM, SUMS, seed=0, cache=tmp_path)
    others = {
        cached_folder(RANDOM, SUMS, seed=1, cache=tmp_path),
        cached_folder(RANDOM.model_copy(update={"tie_embeddings": False}), SUMS, seed=0, cache=tmp_path),
        cached_folder(RANDOM, SUMS.model_copy(update={"options": {}}), seed=0, cache=tmp_path),
        cached_folder(RANDOM, SUMS, seed=0, cache=tmp_path, exclude=["4 - 1"]),
    }
    assert len(others | {base}) == 5
    assert cached_folder(RANDOM, SUMS.model_copy(update={"limit": 9}), seed=0, cache=tmp_path) == base


def test_an_interrupted_build_is_not_taken_for_complete(tmp_path):
    left = tmp_path / ".building-x" / "model"
    left.mkdir(parents=True)
    (left / "config.json").write_text("{}")
    folder = prepare(RANDOM, SUMS, seed=0, cache=tmp_path)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "qwen2"
    assert folder == cached_folder(RANDOM, SUMS, seed=0, cache=tmp_path)


def test_other_problems_than_chain_sums_are_refused(tmp_path, monkeypatch, capfd):
    model = ModelConfig(path="tiny", context=64, warmup=WarmupConfig(steps=1))
    source = SourceConfig(source="gsm8k.jsonl")
    with pytest.raises(BadInput, match=r"chain_sum, not gsm8k\.jsonl"):
        prepare(model, source, seed=0, cache=tmp_path)
    request = {"model": model.model_dump(mode="json"), "source": source.model_dump(mode="json")}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({**request, "seed": 0, "cache": str(tmp_path)})))
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    assert main() == 2
    assert capfd.readouterr().err == (
        "warm-up: the warm-up learns reasoning_gym:chain_sum, not gsm8k.jsonl; remove model.warmup\n"
    )


def test_the_command_trains_and_prints_the_folder_and_nothing_else(tmp_path):
    model = ModelConfig(path="tiny", context=64, warmup=WarmupConfig(steps=2, batch=4))
    request = {"model": model.model_dump(mode="json"), "source": SUMS.model_dump(mode="json"), "exclude": ["4 - 1"]}
    done = subprocess.run(
        [sys.executable, "-m", "rl.warmup"],
        input=json.dumps({**request, "seed": 0, "cache": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=True,
    )
    folder = cached_folder(model, SUMS, seed=0, cache=tmp_path, exclude=["4 - 1"])
    assert done.stdout == f"{folder}\n"
    assert (folder / "tokenizer.json").is_file()
    assert all(line.startswith("warm-up: ") for line in done.stderr.splitlines()), done.stderr


def test_the_driver_may_import_it_without_torch():
    code = "import sys, rl.warmup; print(sorted({'torch', 'trl', 'transformers', 'reasoning_gym'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
