"""Folders of evaluations that nobody had to run: what the report's tests are made of."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from rewards.types import Status
from rl.evaluation.finished import RESULT
from rl.evaluation.records import SAMPLES, Problem, Thought, Trial, Verdict, to_line
from rl.evaluation.summary import summarize
from rl.log import write_manifest
from rollout.types import Finish

BUDGETS = (64, 128, 256, 512)
ATTACK = '</script><script>document.title = "broken"</script><img src="http://evil.example/a.png">'
STATUSES = {
    "c": (Status.OK, Finish.STOP),
    "w": (Status.WRONG, Finish.STOP),
    "n": (Status.UNPARSABLE, Finish.STOP),
    "x": (Status.UNPARSABLE, Finish.LENGTH),
    "e": (Status.TIMEOUT, Finish.STOP),
}


def trial(letters: str, text: str, *, tokens: int = 300, budgets: Sequence[int] = BUDGETS, say: str = "It is") -> Trial:
    """A trial whose verdicts are spelled in the letters of the page, over a thought of so many tokens."""
    verdicts: list[Verdict] = []
    for letter, budget in zip(letters, budgets, strict=True):
        status, finish = STATUSES[letter]
        used = min(budget, tokens)
        final = "" if letter in "nxe" else "4" if letter == "c" else "5"
        verdicts.append(
            Verdict(
                budget=budget,
                status=status,
                value=float(letter == "c"),
                text=f"{say} \\boxed{{{final}}}" if final else say,
                final=final,
                thought=0,
                cut=len(text) * used // tokens,
                thinking_tokens=used,
                forced=budget < tokens,
                answer_tokens=12,
                finish=finish,
                spent=used + 12 + (budget < tokens),
                confidence=0.875 if letter in "cw" else None,
                detail="the judge took too long" if letter == "e" else "",
            )
        )
    end = Finish.CLOSED if tokens <= budgets[-1] else Finish.BUDGET
    return Trial((Thought(text, tokens, end),), tuple(verdicts), sampled=min(tokens, budgets[-1]) + 12 * len(budgets))


def problem(name: str, prompt: str, trials: Sequence[Trial], level: str = "") -> Problem:
    return Problem(id=name, prompt=prompt, gold="4", source="sums", level=level, trials=tuple(trials))


def write_evaluation(folder: Path, problems: Sequence[Problem], strategy: str = "hard") -> Path:
    """The folder as `ration eval` leaves it, without its report."""
    folder.mkdir(parents=True)
    result = {"model": "/models/tiny", "data": "sums", "strategy": strategy, **summarize(problems)}
    (folder / RESULT).write_text(json.dumps(result))
    (folder / SAMPLES).write_text("".join(map(to_line, problems)), encoding="utf-8")
    (folder / "config.yaml").write_text('rollout: {closing: "\\nTime is up.\\n</think>"}\n')
    write_manifest(folder, seed=0, argv=["ration", "eval"])
    return folder


PROSE = (
    "first we add the numbers then carry over into next column because sum is larger than nine so let me check that "
    "again wait maybe I misread what was asked of me here each apple costs three coins and she buys twice as many on "
    "Sunday therefore total must be even hence answer follows from dividing both sides by common factor of seven"
)


def prose(rng: random.Random, words: int) -> str:
    """A thought of about so many words, with numbers among them."""
    known = PROSE.split()
    return " ".join(rng.choice(known) if rng.random() < 0.8 else str(rng.randrange(1000)) for _ in range(words))


def varied_problems(
    count: int, samples: int, seed: int, *, skill: float = 0.5, budgets: Sequence[int] = BUDGETS, words: int = 220
) -> list[Problem]:
    """Problems of three levels whose trials turn right, turn wrong, stay, run out or get no verdict, by chance."""
    rng = random.Random(seed)
    problems: list[Problem] = []
    for i in range(count):
        level = i % 3 + 1
        trials: list[Trial] = []
        for _ in range(samples):
            chances = [min(0.95, skill * (s + 1) / level) for s in range(len(budgets))]
            letters = "".join("c" if rng.random() < p else rng.choice("wwwnxe") for p in chances)
            tokens = max(10, round(budgets[-1] * rng.lognormvariate(-0.7, 0.7)))
            trials.append(trial(letters, prose(rng, words), tokens=tokens, budgets=budgets))
        asked = prose(random.Random(f"{seed}/{i}"), 25)  # the same whatever the skill
        problems.append(problem(f"sums/{i}", f"What is {i} + {4 - i}? {asked}.", trials, str(level)))
    return problems
