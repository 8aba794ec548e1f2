"""The home of trl: the cold start that teaches the tiny reasoner to think, cached between runs.

Importing this module loads neither torch nor trl, so that a driver may ask for the cached folder;
`prepare` loads them and belongs in a process of its own: `python -m rl.warmup < request.json`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from rl.config import ModelConfig, SourceConfig, WarmupConfig

RECIPE = 1
"""Raise when a change of `rl.tiny` or of this file makes another model of the same settings."""


def cached_folder(
    model: ModelConfig, source: SourceConfig, *, seed: int, cache: Path, exclude: Collection[str] = ()
) -> Path:
    """Where `prepare` puts, or has put, the model of these settings: there and complete, or absent."""
    settings = [RECIPE, model.model_dump(mode="json"), source.model_dump(mode="json"), seed, sorted(exclude)]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return cache / f"tiny-{digest[:16]}"


def prepare(model: ModelConfig, source: SourceConfig, *, seed: int, cache: Path, exclude: Collection[str] = ()) -> Path:
    """A Hugging Face folder (weights, tokenizer, chat template) of the tiny reasoner, made if absent.

    Trains on generated chain sums with the options of `source`, never on those in `exclude` (the
    held-out expressions). The folder is written elsewhere and renamed at the end.
    Raises ValueError when the model is not `tiny` or the source is not reasoning-gym's chain_sum.
    """
    if model.path != "tiny":
        raise ValueError(f"only `path: tiny` is built here, not {model.path!r}")
    if model.warmup and source.source != "reasoning_gym:chain_sum":
        raise ValueError(f"the warm-up learns reasoning_gym:chain_sum, not {source.source!r}: set model.warmup to null")
    target = cached_folder(model, source, seed=seed, cache=cache, exclude=exclude)
    if target.is_dir():
        _say(f"warm-up: cached in {target}")
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=cache) as building:
        _build(Path(building) / "model", model, source, seed, exclude)
        _rename(Path(building) / "model", target)
    _say(f"warm-up: saved in {target}")
    return target


def _rename(built: Path, target: Path) -> None:
    try:
        built.rename(target)
    except OSError:
        if not target.is_dir():  # otherwise another process was first with the same model
            raise


def _build(folder: Path, model: ModelConfig, source: SourceConfig, seed: int, exclude: Collection[str]) -> None:
    from rl import tiny

    tokenizer = tiny.build_tokenizer()
    policy = tiny.build_model(tokenizer, context=model.context, tie_embeddings=model.tie_embeddings, seed=seed)
    _say(f"warm-up: a random Qwen2 of {policy.num_parameters():,} parameters, {len(tokenizer)} tokens")
    if model.warmup:
        rows = examples(tokenizer, source, model.warmup, seed=seed, exclude=exclude)
        train(policy, tokenizer, rows, model.warmup, seed=seed)
    policy.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def examples(
    tokenizer: Any, source: SourceConfig, warmup: WarmupConfig, *, seed: int, exclude: Collection[str] = ()
) -> list[dict[str, list[int]]]:
    """`warmup.steps * warmup.batch` rows of `input_ids` and `labels` (-100 on the prompt), in order of use.

    Within 16 batches rows are sorted by length, and then the batches shuffled: little padding.
    """
    from rl import tiny

    rng, mix = random.Random(seed), tiny.TraceMix()
    # Far from the seeds of users: reasoning-gym's streams of close seeds overlap.
    problems = tiny.chain_sums(source.options, seed=2_000_000_000 + seed * 100_000_000, exclude=exclude)
    rows = list[dict[str, list[int]]]()
    for expression in itertools.islice(problems, warmup.steps * warmup.batch):
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": expression}], add_generation_prompt=True, return_dict=False
        )
        completion = tokenizer.encode(tiny.write_trace(expression, rng, mix) + tiny.EOS, add_special_tokens=False)
        rows.append({"input_ids": prompt + completion, "labels": [-100] * len(prompt) + completion})
    return [row for chunk in _chunks(rows, 16 * warmup.batch) for row in _by_length(chunk, warmup.batch, rng)]


def _chunks(rows: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def _by_length(rows: Sequence[dict[str, list[int]]], batch: int, rng: random.Random) -> list[dict[str, list[int]]]:
    batches = _chunks(sorted(rows, key=lambda row: len(row["input_ids"])), batch)
    rng.shuffle(batches)
    return [row for one in batches for row in one]


def train(
    policy: Any, tokenizer: Any, rows: list[dict[str, list[int]]], warmup: WarmupConfig, *, seed: int
) -> list[float]:
    """Supervised fine-tuning of `policy` in place through TRL; returns the losses that were reported."""
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    with tempfile.TemporaryDirectory() as scratch:
        settings = SFTConfig(
            output_dir=scratch,
            max_steps=warmup.steps,
            per_device_train_batch_size=warmup.batch,
            learning_rate=warmup.lr,
            lr_scheduler_type="cosine",
            warmup_steps=max(1, warmup.steps // 10),
            adam_beta2=0.99,
            train_sampling_strategy="sequential",
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
            logging_steps=max(1, warmup.steps // 20),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            dataloader_pin_memory=False,
            seed=seed,
        )
        trainer = SFTTrainer(policy, settings, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(_progress())
        trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def _progress() -> Any:
    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        """Says step, loss and time left at every report of the trainer."""

        started = time.monotonic()

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                left = (time.monotonic() - self.started) / state.global_step * (state.max_steps - state.global_step)
                _say(f"warm-up: step {state.global_step}/{state.max_steps}  loss {logs['loss']:.3f}  {left:.0f} s left")

    return Progress()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Read `prepare`'s arguments as one JSON object on stdin; print the folder on stdout."""
    request = json.load(sys.stdin)
    folder = prepare(
        ModelConfig.model_validate(request["model"]),
        SourceConfig.model_validate(request["source"]),
        seed=request["seed"],
        cache=Path(request["cache"]),
        exclude=request.get("exclude", ()),
    )
    print(folder)


if __name__ == "__main__":
    main()
