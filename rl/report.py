"""A run as a page: PNG plots and one HTML file that needs no network and no server."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from rewards.types import Status
from rl.history import Headline, alarms, headline, read_rows
from rl.log import Row, replacing
from rl.plots import DARK, LIGHT, Run, Theme, figures, png
from rl.rollout_records import Sample, read_samples
from rl.wording import change, count, duration, percent, visible
from rollout.types import Finish

CAPTIONS = {
    "accuracy": "Share of right answers, in training at the sampling temperature and on held-out problems, "
    "and the reward that is optimised. Faint: every step; solid: running mean.",
    "budgets": "Accuracy of answers given after each thinking budget: curves that part say that more thought pays.",
    "held_out": "The same problems at every evaluation, answered after each thinking budget.",
    "ledger": "What became of every token: trained, masked, forced, aborted, read again, or of held-out problems.",
    "terms": "Each term of the reward before its weight: one that rises while accuracy does not is being gamed.",
    "sources": "Accuracy of the training problems of each data source.",
    "tokens": "How long the policy thinks and answers against its budget, "
    "and how often the budget or the answer's allowance cut it short.",
    "loss": "The policy-gradient loss hovers around zero by construction; the gradient norm tells how tame it is.",
    "policy": "Engine and learner should give sampled tokens the same log-probability. Lag counts the optimizer steps "
    "between sampling and training. Entropy near zero means that exploration has ended.",
    "time": "Where a step's wall time goes.",
    "throughput": "Tokens and answers sampled, per second of the whole step.",
    "signal": "Groups whose answers differ in reward are the only ones that teach. "
    "Excluded answers got no verdict and left the loss; from unparsable ones no result could be read.",
}

CSS = Path(__file__).with_name("report.css")

CLOSINGS = {
    Finish.BUDGET: "✂ closed by force at {} tokens",
    Finish.CLOSED: "closed by the model after {} tokens",
    Finish.EMPTY: "ended by the model inside the thought, after {} tokens",
}


@dataclass(frozen=True, slots=True)
class Story:
    """All that the page tells of one run."""

    label: str
    folder: Path
    rows: Sequence[Row]
    headline: Headline


def text(value: object) -> str:
    """Anything as HTML text: nothing that a model wrote can become markup."""
    return escape(visible(str(value)))


def read_story(folder: Path, label: str) -> Story:
    """Raises BadInput when the folder is not that of a run with at least one step."""
    rows = read_rows(folder)
    return Story(label, folder, rows, headline(rows))


def labels(folders: Sequence[Path]) -> list[str]:
    """Folder names, or paths where names repeat."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def time_bar(shares: dict[str, float]) -> str:
    """Where the time goes, as one stacked bar with its legend."""
    bar = "".join(f'<i class="phase-{i}" style="width:{100 * s:.2f}%"></i>' for i, s in enumerate(shares.values()))
    keys = "".join(
        f'<span class="key"><i class="phase-{i}"></i>{text(phase)} {percent(share)}</span>'
        for i, (phase, share) in enumerate(shares.items())
    )
    return f'<div class="bar">{bar}</div>{keys}'


def headline_table(stories: Sequence[Story]) -> str:
    """One column per run, one line per number."""
    heads = [story.headline for story in stories]
    span = heads[0].span
    over = f", mean of {span} steps at each end" if span > 1 else ""
    lines = [
        ("Held-out accuracy", ' class="big"', [change(head.held_out, share=True) for head in heads]),
        (f"Training accuracy{over}", ' class="big"', [change(head.accuracy, share=True) for head in heads]),
        ("Mean reward", "", [change(head.reward, share=False) for head in heads]),
        ("Steps", "", [str(head.steps) for head in heads]),
        ("Sampled tokens", "", [count(head.sampled_tokens) for head in heads]),
        ("Time", "", [f"{duration(head.seconds)}, {count(head.tokens_per_s)} tokens/s" for head in heads]),
    ]
    body = "".join(
        f"<tr><th>{text(name)}</th>{''.join(f'<td{style}>{text(cell)}</td>' for cell in cells)}</tr>"
        for name, style, cells in lines
    )
    bars = "".join(f"<td>{time_bar(head.shares)}</td>" for head in heads)
    names = "".join(f"<th>{text(story.label)}</th>" for story in stories)
    top = f"<thead><tr><th></th>{names}</tr></thead>" if len(stories) > 1 else ""
    return f'<div class="card scroll"><table>{top}{body}<tr><th>Where the time goes</th>{bars}</tr></table></div>'


def alarm_list(story: Story) -> str:
    """What deserves a second look; nothing when nothing does."""
    found = alarms(story.rows)
    items = "".join(f"<li>{text(story.label)}: {text(line)}</li>" for line in found)
    return f'<ul class="alarms">{items}</ul>' if found else ""


def data_uri(image: bytes) -> str:
    """An image inside the page."""
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


def drawing(draw: Callable[[Theme], Figure], path: Path, alt: str, caption: str) -> str:
    """Draw a figure: a PNG file in light at `path`, and both appearances as HTML."""
    light, dark = png(draw(LIGHT)), png(draw(DARK))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(light)
    return (
        f'<figure class="card"><picture><source media="(prefers-color-scheme: dark)" srcset="{data_uri(dark)}">'
        f'<img alt="{text(alt)}" src="{data_uri(light)}"></picture><figcaption>{text(caption)}</figcaption></figure>'
    )


def curves(stories: Sequence[Story], folder: Path, prefix: str) -> str:
    """Draw every figure: PNG files in `folder`, and HTML."""
    drawn = figures([Run(story.label, story.rows) for story in stories]).items()
    return "".join(
        drawing(draw, folder / f"{prefix}{name}.png", f"{name} by step", CAPTIONS[name]) for name, draw in drawn
    )


def transcript(when: str, sample: Sample) -> str:
    """One answer: the thought, how it was closed, the answer and its verdict."""
    closing = CLOSINGS[Finish(sample["thought_finish"])].format(sample["thought_tokens"])
    forced = " forced" if sample["thought_finish"] == Finish.BUDGET else ""
    verdict = f"{sample['status']}, reward {sample['reward']:.2f}"
    badge = "badge ok" if sample["status"] == Status.OK else "badge"
    return (
        f'<div><div class="when"><b>{text(when)}</b><span class="{badge}">{text(verdict)}</span></div>'
        f'<p class="text thought">{text(sample["thought"])}</p><p class="closing{forced}">{text(closing)}</p>'
        f'<p class="text">{text(sample["answer"])}</p></div>'
    )


def paired(before: Sequence[Sample], after: Sequence[Sample]) -> list[list[tuple[str, Sample]]]:
    """Samples of the same problem side by side, matched by its prompt, in the order in which they were first seen."""
    problems: dict[str, list[tuple[str, Sample]]] = {}
    for when, samples in (("Before", before), ("After", after)):
        for sample in samples:
            problems.setdefault(sample["prompt"], []).append((when, sample))
    return list(problems.values())


def transcripts(story: Story) -> str:
    """Sample transcripts before and after training, where the run kept any."""
    pairs = paired(read_samples(story.folder, "samples_before"), read_samples(story.folder, "samples_after"))
    cards = [
        f'<div class="card sample"><p class="text">{text(pair[0][1]["prompt"])}</p>'
        f'<p class="closing">expected: {text(pair[0][1]["gold"])}</p>'
        f'<div class="pair">{"".join(transcript(when, sample) for when, sample in pair)}</div></div>'
        for pair in pairs
    ]
    return f"<h2>Transcripts, {text(story.label)}</h2>{''.join(cards)}" if cards else ""


def settings(label: str, folder: Path) -> str:
    """The config and manifest in a folder, folded away."""
    files = [folder / name for name in ("config.yaml", "manifest.json")]
    return "".join(
        f'<details class="card"><summary>{text(label)}: {text(path.name)}</summary>'
        f'<p class="text">{text(path.read_text(encoding="utf-8"))}</p></details>'
        for path in files
        if path.exists()
    )


def started(folder: Path) -> str:
    """When and on what, as the manifest in a folder tells."""
    path = folder / "manifest.json"
    if not path.exists():
        return "ration"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    machine = manifest["hardware"]
    device = ", ".join(machine["gpus"]) or f"{machine['cores']} × {machine['cpu']}"
    return f"ration {manifest['versions'].get('ration', '')} · {manifest['started']} · {device}"


def styles(path: Path) -> str:
    """A style sheet in the page."""
    return f"<style>{path.read_text(encoding='utf-8')}</style>"


def document(kind: str, title: str, folders: Sequence[Path], *, policy: str, head: str, body: str) -> str:
    """A whole HTML document. `policy` is its content security policy, and forbids it to load anything."""
    about = "".join(f"<p>{text(started(folder))}</p>" for folder in folders)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{text(title)}</title>'
        f"{head}</head><body><header><p>{text(kind)}</p><h1>{text(title)}</h1>{about}</header>{body}</body></html>\n"
    )


def page(stories: Sequence[Story], drawn: str) -> str:
    """The report of training runs as an HTML document."""
    return document(
        "Training report",
        " and ".join(story.label for story in stories),
        [story.folder for story in stories],
        policy="default-src 'none'; img-src data:; style-src 'unsafe-inline'",
        head=styles(CSS),
        body=f"<h2>In short</h2>{headline_table(stories)}{''.join(alarm_list(story) for story in stories)}"
        f"<h2>Curves</h2>{drawn}{''.join(transcripts(story) for story in stories)}"
        f"<h2>Settings</h2>{''.join(settings(story.label, story.folder) for story in stories)}"
        f"<footer>Made from metrics.jsonl by ration report. Self-contained: nothing is loaded.</footer>",
    )


def make_report(runs: Sequence[Path]) -> Path:
    """Write the report of one run into its folder, or a comparison of several into the first one's.

    One run: report.html and plots/NAME.png. Several: comparison.html and plots/compare_NAME.png,
    so the first run's own report stays. Returns the page's path. Raises BadInput when a folder is
    not a run's.
    """
    stories = [read_story(folder, label) for folder, label in zip(runs, labels(runs), strict=True)]
    several = len(stories) > 1
    path = runs[0] / ("comparison.html" if several else "report.html")
    drawn = curves(stories, runs[0] / "plots", "compare_" if several else "")
    with replacing(path) as temporary:
        temporary.write_text(page(stories, drawn), encoding="utf-8")
    return path
