"""Mathematical equivalence by math-verify: the only home of that library.

Its own time limits are signals: they fail outside a main thread and read as a wrong answer inside
one. Here they are off; whoever runs the reward holds the deadline (`rewards.judge`).
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import Any, cast

from math_verify import parse, verify  # pyright: ignore[reportMissingTypeStubs]

from rewards.extract import marked, unclosed
from rewards.types import RewardResult, Status
from rollout.types import Answer, Task

# It warns once per process that its limits are off: they are, and on purpose.
logging.getLogger("math_verify").setLevel(logging.ERROR)

_TAIL = 4000  # characters of prose: the answer stands near the end, and the patterns are quadratic in the text
_FORMULA = 400  # characters of one formula: the longest answer of MATH has 159, and 400 times "(" takes a second
_LABEL = re.compile(r"^\s*(?:(?:final\s+)?answer|a)\s*:\s*", re.IGNORECASE)
_LATEX_WORD = re.compile(r"\\(?:text|textbf|mathrm|mbox|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+")
_PLAIN_WORD = re.compile(r"(?:^|\s)[A-Za-z]{3,}(?=[\s.,:;!?]|$)")


def math(task: Task, answer: Answer) -> RewardResult:
    """1 if the final answer equals the gold answer mathematically, else 0.

    The final answer is what stands in the last `<answer>…</answer>`, else in the last `\\boxed{…}`,
    else behind the last `####`, else what math-verify finds in the text itself. A text that was cut
    inside its mark, or in which nothing can be read, is unparsable. A gold answer that cannot be
    read is an error of the data and never gives a reward.
    """
    gold = _gold_text(task.answer)
    if not _read(gold):
        return RewardResult(Status.ERROR, 0.0, detail=f"task {task.id}: cannot read the gold answer {gold[:80]!r}")
    found = _answer_text(answer.text)
    if found is None or not _read(found):
        return RewardResult(Status.UNPARSABLE, 0.0, detail="no mathematical answer in the text")
    if _equal(gold, found):
        return RewardResult(Status.OK, 1.0)
    return RewardResult(Status.WRONG, 0.0, detail=f"{found[-80:]!r} is not {gold[:80]!r}")


def _gold_text(text: str) -> str:
    inner = marked(text)
    return _clean(text.rpartition("####")[2] if inner is None else inner)


def _answer_text(text: str) -> str | None:
    inner = marked(text)
    if inner is not None:
        return _clean(inner)
    if unclosed(text):
        return None
    _, mark, behind = text.rpartition("####")
    if mark:
        return _clean(behind.strip().partition("\n")[0])
    tail = text[-_TAIL:].strip() if "\n" in text.strip() else _clean(text)
    return tail if _expressions(tail) or not _prose(tail) else None


def _clean(text: str) -> str:
    """One line without its label, Markdown emphasis and closing punctuation."""
    line = _LABEL.sub("", " ".join(text.split()).replace("−", "-"))
    return line.strip("* ").rstrip(".,; ")


def _read(text: str) -> tuple[Any, ...]:
    """The expressions that math-verify reads in a text; empty when there is none.

    It searches prose for an answer, and takes everything in a box for one formula; bare formulas
    are therefore put in a box, and words are not (`18 dollars` would be a product of letters).
    """
    boxed = f"\\boxed{{{text}}}"
    if len(text) > _FORMULA:
        return _expressions(text[-_TAIL:])
    if _prose(text):
        return _expressions(text) or _expressions(boxed)
    return _expressions(boxed) or _expressions(text)


def _prose(text: str) -> bool:
    return "\n" in text or (" " in text and _PLAIN_WORD.search(_LATEX_WORD.sub(" ", text)) is not None)


@lru_cache(maxsize=8192)
def _expressions(text: str) -> tuple[Any, ...]:
    try:
        found = cast(
            list[Any],
            parse(text, fallback_mode="no_fallback", parsing_timeout=cast(int, None), raise_on_error=True),
        )
    except (ValueError, RecursionError):  # a number of 5,000 digits, 5,000 open brackets
        return ()
    return tuple(found)


@lru_cache(maxsize=8192)
def _equal(gold: str, found: str) -> bool:
    if gold == found:
        return True
    return verify(list(_read(gold)), list(_read(found)), timeout_seconds=None, raise_on_error=True)
