"""Starts `ration train` for real, and finds what it leaves behind. Linux only, as the engines are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from example_config import write_config

from rl.tiny import build_model, build_tokenizer

ROOT = Path(__file__).parents[2]
REWARD = Path(__file__).with_name("digit_reward.py")
PATIENCE_S = 240


class Runs:
    """Runs of one untrained tiny model on one small config; every process that they start carries a mark."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, folder / "runs"
        self._mark = f"RATION_TEST_MARK={uuid.uuid4()}"
        self.environment = {**os.environ, **dict([self._mark.split("=")])}
        self.config = write_config(folder)
        tokenizer = build_tokenizer()
        build_model(tokenizer, context=64, tie_embeddings=True, seed=0).save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
        self.settings = [
            *(f"run.folder={self.runs}", "run.steps=8", "run.save_every=2"),
            *(f"model.path={folder / 'model'}", "model.context=64"),
            *("rollout.prompts_per_step=8", "rollout.answer_tokens=8", "rollout.max_in_flight=32"),
            *("rollout.group_size=4", "algorithm.budget=12", "learner.lr=1e-3"),
            *("reward.workers=1", f'reward.terms=[{{name: "{REWARD}:digits"}}]'),
            "data.held_out={source: reasoning_gym:chain_sum, prompt: metadata.expression, limit: 8}",
        ]

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """`ration train` on the config, with further overrides or options; what it prints goes to NAME.txt."""
        return self.spawn(name, "train", str(self.config), *self.settings, f"run.name={name}", *arguments)

    def spawn(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """`ration` with these words; what it prints goes to NAME.txt."""
        with self.printed(name).open("a") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "rl", *words],
                cwd=ROOT,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def printed(self, name: str) -> Path:
        return self.folder / f"{name}.txt"

    def end(self, process: subprocess.Popen[bytes]) -> int:
        return process.wait(timeout=PATIENCE_S)

    def rows(self, name: str) -> list[dict[str, float]]:
        """What metrics.jsonl holds by now, without a line that is being written."""
        path = self.runs / name / "metrics.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    def when(self, process: subprocess.Popen[bytes], name: str, reached: Callable[[], Any], number: int) -> None:
        """Send a signal as soon as the run has reached a point."""
        self.until(process, name, reached)
        process.send_signal(number)

    def until(self, process: subprocess.Popen[bytes], name: str, reached: Callable[[], Any]) -> None:
        """Wait for a run to reach a point."""
        end = time.monotonic() + PATIENCE_S
        while not reached():
            assert process.poll() is None, self.printed(name).read_text()[-3000:]
            assert time.monotonic() < end, f"{name} does not get there"
            time.sleep(0.01)

    def alive(self) -> dict[int, str]:
        """Process id and command line of everything that carries the mark."""
        found: dict[int, str] = {}
        for process in (path for path in Path("/proc").iterdir() if path.name.isdigit()):
            try:
                if self._mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                    found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it has ended, or is not ours to read
                continue
        return found

    def close(self) -> None:
        for process in self.alive():
            os.kill(process, signal.SIGKILL)
