"""Numbers and model text as people read them (pure)."""

from __future__ import annotations

ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


def visible(text: str) -> str:
    """Text that a terminal or a page can show: control characters are spelled out, escape codes among them."""
    return text.translate(ESCAPES)


def duration(seconds: float) -> str:
    """A length of time: `4.1 s`, `41 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count(number: float) -> str:
    """A count: `812`, `14.2 k`, `3.51 M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:  # so that what rounds up to the next unit is written in it
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"


def percent(share: float) -> str:
    """A share of one: `81.6 %`."""
    return f"{100 * share:.1f} %"


def change(pair: tuple[float, float] | None, *, share: bool) -> str:
    """From where to where: `25.0 % → 81.6 %`, or a dash when nothing was recorded."""
    if pair is None:
        return "–"
    first, last = pair
    return f"{percent(first)} → {percent(last)}" if share else f"{first:.3f} → {last:.3f}"
