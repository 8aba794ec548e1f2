"""Every recipe is resolved and planned, on any machine and without a network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[1] / "configs"

BY_HAND = {
    "quickstart": {
        "samples / step": "512",
        "sampled tokens / step": f"<= {64 * 8 * (40 + 16):,}",
        "devices": "2",
        "parameters": "801,792",
    },
    "gsm8k-1.5b": {
        "samples / step": "512",
        "sampled tokens / step": f"<= {64 * 8 * (512 + 128):,}",
        "prompts": f"{232 * 64:,}",
        "devices": "1",
    },
    "brpo-1.5b-8k": {
        "samples / step": "512",
        "thinking budget": "2,000 to 8,000",
        "sampled tokens / step": f"<= {64 * 8 * (8000 + 4 * 4 * 118):,}",
        "prompts": f"{629 * 64:,}",
        "optimizer steps": f"{629 * 2:,}",
        "room for the prompt": f"{9215 - 8000 - 118:,}",
        "devices": "8",
    },
    "math-7b": {
        "samples / step": "1,024",
        "sampled tokens / step": f"<= {128 * 8 * (2048 + 256):,}",
        "room for the prompt": f"{4095 - 2048 - 256:,}",
        "devices": "8",
    },
    "math-7b-cluster": {
        "samples / step": "1,024",
        "sampled tokens / step": f"<= {128 * 8 * (2048 + 256):,}",
        "learner devices": "8",
        "devices": "16",
    },
}


def test_every_recipe_is_here():
    assert {path.stem for path in CONFIGS.glob("*.yaml")} == set(BY_HAND)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_recipe_resolves_to_the_plan_worked_out_by_hand(name: str, tmp_path: Path):
    command = [sys.executable, "-m", "rl", "train", str(CONFIGS / f"{name}.yaml"), "--dry-run"]
    environment = {**os.environ, "HF_HOME": str(tmp_path)}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    config, _, plan = ran.stdout.partition("# the plan\n")
    assert f"  name: {name}\n" in config
    for quantity, value in BY_HAND[name].items():
        [line] = [line for line in plan.splitlines() if line.startswith(f"{quantity}  ")]
        assert line.removeprefix(quantity).strip().split("  ")[0] == value


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_fits_on_one_screen(path: Path):
    assert len(path.read_text().splitlines()) <= 60
