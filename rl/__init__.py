"""Floor 3: what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rl.config import TrainConfig
    from rl.evaluation.config import EvalConfig

__all__ = ["evaluate", "train"]


def train(config: TrainConfig | str | Path, *, resume: str | None = None) -> Path:
    """Run a training from a config or the path of a YAML file; returns the run folder.

    `resume` is a run folder, or "auto" for the newest run of this name. Raises `rl.errors.BadInput`
    for what the user can mend before the start, `rl.errors.RunFailed` for what went wrong after it.
    """
    from rl.config_file import load

    loaded = load(config) if isinstance(config, str | Path) else config
    from rl.launch import train as launch  # brings the engines' libraries: after the config is known to be good

    return launch(loaded, resume=resume)


def evaluate(config: EvalConfig | str | Path) -> Path:
    """Run an evaluation from a config or the path of a YAML file; returns its folder. What is finished there is kept.

    Raises as `train` does.
    """
    from rl.evaluation.command import assemble

    loaded = assemble([str(config)], []) if isinstance(config, str | Path) else config
    from rl.evaluation.run import evaluate as launch

    return launch(loaded)
