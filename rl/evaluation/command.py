"""What `ration eval` makes of its words and flags, and what it shows at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rl.config_file import completed, drafted
from rl.errors import BadInput
from rl.evaluation.cards import all_cards
from rl.evaluation.config import EvalConfig
from rl.evaluation.finished import RESULT
from rl.evaluation.models import SERVER, from_run, locate
from rl.evaluation.sections import known_percent
from rl.wording import percent


def overrides(model: str, data: str, budgets: str, samples: int, strategy: str, check_forks: int) -> list[str]:
    """The flags as overrides; a flag that was not given gives none."""
    tasks = [{"name": name} for name in data.split(",")]
    given = {
        "model.path": model,
        "tasks": json.dumps(tasks) if data else "",
        "budgets": f"[{budgets}]" if budgets else "",
        "samples": str(samples or ""),
        "strategy.type": strategy,
        "check_forks": str(check_forks or ""),
    }
    return [f"{key}={value}" for key, value in given.items() if value]


def assemble(words: Sequence[str], flags: Sequence[str]) -> EvalConfig:
    """The evaluation that a config file (the first word, if it is no override), flags and overrides describe.

    A model that is a run's, or one of its checkpoints, is asked and judged as in that run, on its held-out
    problems, unless something else is said. Raises BadInput.
    """
    named = bool(words) and "=" not in words[0]
    path, rest = (words[0], words[1:]) if named else (None, words)
    written = drafted(EvalConfig, path, [*flags, *rest])
    model = _at(written.values, "model", "path")
    if not isinstance(model, str):
        raise BadInput("which model? `ration eval --model PATH --data TASK --budgets 128,512`, or name a config file")
    run = None if model.startswith(SERVER) else locate(model).run
    below = from_run(run) if run else {}
    for key, remedy in (("tasks", "--data gsm8k (see `ration eval --tasks`)"), ("budgets", "--budgets 128,512,2048")):
        if key not in written.values and key not in below:
            raise BadInput(f"which {key}? Say {remedy}")
    return completed(EvalConfig, written, below, path or "command line")


def _at(values: Any, *keys: str) -> Any:
    for key in keys:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def listing() -> str:
    """The built-in tasks, aligned: name and what they are."""
    cards = all_cards()
    width = max(len(card.name) for card in cards)
    return "\n".join(f"{card.name:<{width}}  {card.about}" for card in cards)


def show(root: Path) -> None:
    """Print the accuracy at each budget of every task, and where the page lies."""
    for path in sorted([root / RESULT, *root.glob(f"*/{RESULT}")]):
        if path.exists():
            print("\n".join(_lines(path.parent, json.loads(path.read_text(encoding="utf-8")))))


def _lines(folder: Path, result: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n{result['model']} on {result['data']}: {result['n_problems']} problems, {result['samples']} samples each"
    yield f"{'budget':>8}  {'accuracy':>8}  {'95 % interval':>17}  {'thinking':>8}  {'forced':>7}  {'no answer':>9}"
    for point in result["budgets"]:
        low, high = percent(point["ci_low"]), percent(point["ci_high"])
        none = point["unparsable_rate"]
        yield (
            f"{point['budget']:>8}  {percent(point['accuracy']):>8}  {f'{low} – {high}':>17}  "
            f"{point['thinking_tokens']:>8.1f}  {percent(point['forced_rate']):>7}  "
            f"{'' if none is None else percent(none):>9}"
        )
    anytime, final = known_percent(result["anytime_accuracy"]), known_percent(result["final_accuracy"])
    yield f"anytime accuracy {anytime}, final {final}"
    if forks := result.get("forks"):
        yield f"forks against separate runs on {forks['n_problems']} problems: see {RESULT}"
    yield f"page: {folder / 'report.html'}"
