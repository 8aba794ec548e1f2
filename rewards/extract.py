"""Where in a text the final answer stands (pure string work, linear in the text)."""

from __future__ import annotations

import re

_OPEN, _CLOSE = "<answer>", "</answer>"
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(rf"(?P<box>{_BOX.pattern})|(?P<open>\{{)|(?P<close>\}})|\\.", re.DOTALL)


def marked(text: str) -> str | None:
    """What stands inside the last `<answer>…</answer>`, else inside the last `\\boxed{…}`, else None.

    A box inside the tags is unpacked too. A closing tag without an opening one ends an answer that
    begins with the text: the opening tag was then part of the prompt. A mark that was opened and
    never closed marks nothing.
    """
    inner = _tagged(text)
    boxed = _boxed(text if inner is None else inner)
    return inner if boxed is None else boxed


def unclosed(text: str) -> bool:
    """Whether the text holds a mark but no complete one: it was cut before its answer ended."""
    return marked(text) is None and (_OPEN in text or _BOX.search(text) is not None)


def _tagged(text: str) -> str | None:
    end = text.rfind(_CLOSE)
    if end < 0:
        return None
    start = text.rfind(_OPEN, 0, end)
    inner = text[start + len(_OPEN) : end] if start >= 0 else text[:end]
    return inner.split(_CLOSE)[0].strip()


def _boxed(text: str) -> str | None:
    opened: list[int] = []  # where each open brace's content starts; 0 for a brace that is not a box
    start, end = 0, 0
    for token in _BRACE.finditer(text):
        if token["close"] and opened:
            begun = opened.pop()
            if begun > start:
                start, end = begun, token.start()
        elif token["box"] or token["open"]:
            opened.append(token.end() if token["box"] else 0)
    return text[start:end].strip() if start else None
