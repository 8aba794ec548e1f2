"""What a step costs on one GPU that engine and learner share, for a Qwen2 of a real size with random weights.

    python benchmarks/one_gpu.py run.steps=4

Such a model never ends a thought, so every sample has the whole budget and its answer's allowance: the tokens of a step
are known before. Prints, for the last steps, tokens/s of the rollout phase and of the learner, the share of each phase,
and of a publish by handle (`publish.backend: ipc`) how long it took, how long the engine stood still, and the gap.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from rl.tiny import EOS, PAD, build_tokenizer

PHASES = ("rollout", "reward", "learn", "publish")
SHAPES = {  # hidden, intermediate, layers, heads, key-value heads, vocabulary
    "0.5b": (896, 4864, 24, 14, 2, 151936),
    "1.5b": (1536, 8960, 28, 12, 2, 151936),
    "tiny": (128, 384, 4, 4, 2, 103),
}


def build(folder: Path, shape: str) -> None:
    """A model of that shape in bfloat16, with the quickstart's tokenizer of characters."""
    hidden, intermediate, layers, heads, kv_heads, vocabulary = SHAPES[shape]
    tokenizer = build_tokenizer()
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.encode(PAD)[0],
        eos_token_id=tokenizer.encode(EOS)[0],
        bos_token_id=None,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = Qwen2ForCausalLM(config)
    model.to("cpu").save_pretrained(folder)
    torch.cuda.empty_cache()
    tokenizer.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="1.5b")
    parser.add_argument("overrides", nargs="*", help="of one_gpu.yaml, as of `ration train`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        build(folder / "model", options.shape)
        command = [sys.executable, "-m", "rl", "train", str(Path(__file__).with_suffix(".yaml"))]
        command += [f"run.folder={folder}", f"model.path={folder / 'model'}", *options.overrides]
        subprocess.run(command, cwd=Path(__file__).parents[1], check=True, stdout=sys.stderr)
        rows = [json.loads(line) for line in (folder / "gpu/metrics.jsonl").read_text().splitlines()]
    print("\n".join(report(options.shape, rows[1:])))  # the first step warms up


def report(shape: str, rows: Sequence[Mapping[str, float]]) -> Iterator[str]:
    def mean(name: str) -> float:
        return sum(row[name] for row in rows) / len(rows)

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    yield f"{shape} on {device}: {len(rows)} steps of {mean('time/step'):.2f} s"
    yield ", ".join(f"{phase} {mean(f'time/{phase}') / mean('time/step'):.1%}" for phase in PHASES)
    yield f"rollout {mean('tokens/sampled') / mean('time/rollout'):,.0f} sampled tokens/s"
    yield f"learner {mean('learner/trained_tokens') / mean('time/learn'):,.0f} trained tokens/s"
    yield (
        f"publish {mean('time/publish'):.3f} s, paused {mean('publish/paused_s'):.3f} s, gap {mean('publish/gap'):.2g} "
        f"on the probe and {mean('policy/logprob_gap'):.2g} on what was sampled"
    )


if __name__ == "__main__":
    main()
