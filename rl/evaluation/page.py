"""Evaluations as a page: PNG plots and one HTML file with every verdict, that needs no network and no server."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from rl import report
from rl.errors import BadInput
from rl.evaluation import sections
from rl.evaluation.browser_data import pack_index, pack_texts, rows
from rl.evaluation.finished import RESULT, Finished, read_finished, read_result
from rl.evaluation.plots import CAPTIONS, figures
from rl.evaluation.records import SAMPLES
from rl.log import replacing

PAGE_BYTES = 5_000_000
"""What a page may weigh. Verdicts and figures come first; the texts of as many problems as fit take the rest."""


def drawings(runs: Sequence[Finished]) -> str:
    """Draw every figure: anytime.png into the folder of a single run, all else into plots/ of the first one."""
    folder, prefix = runs[0].folder / "plots", "compare_" if len(runs) > 1 else ""
    paths = {name: folder / f"{prefix}{name}.png" for name in CAPTIONS}
    if len(runs) == 1:
        paths["anytime"] = runs[0].folder / "anytime.png"
    return "".join(
        report.drawing(draw, paths[name], f"{name} by budget", CAPTIONS[name]) for name, draw in figures(runs).items()
    )


def beside(name: str) -> Path:
    """A file of this package's own."""
    return Path(__file__).with_name(name)


def packed(name: str, data: bytes) -> str:
    """A data block of the page: base64 has no character that could end it."""
    return f'<script type="application/gzip" id="packed-{name}">{base64.b64encode(data).decode()}</script>'


def policy(script: str) -> str:
    """Nothing may be loaded from anywhere, and no script may run but this one."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def page(runs: Sequence[Finished], drawn: str, data: str) -> str:
    """The whole HTML document; `data` are its data blocks."""
    script = beside("browser.js").read_text(encoding="utf-8")
    settings = "".join(report.settings(run.label, run.folder) for run in runs)
    return report.document(
        "Evaluation",
        " and ".join(run.label for run in runs),
        [run.folder for run in runs],
        policy=policy(script),
        head=report.styles(report.CSS) + report.styles(beside("browser.css")),
        body=f'<a class="skip" href="#samples">Skip to the samples</a><h2>In short</h2>{sections.headline(runs)}'
        f"<h2>Curves</h2>{drawn}<h2>What became of the answers</h2>{sections.outcomes(runs)}"
        f"<h2>At every budget</h2>{sections.points(runs)}{sections.paired(runs)}"
        f"<h2>For a paper</h2>{sections.paper(runs)}{beside('browser.html').read_text(encoding='utf-8')}"
        f"<h2>Settings</h2>{settings}<footer>Made from eval.json and samples.jsonl by ration report. "
        f"Self-contained: nothing is loaded.</footer>{data}<script>{script}</script>",
    )


def fitted(runs: Sequence[Finished], drawn: str) -> str:
    """The document with the texts of as many problems as fit into PAGE_BYTES."""
    matched = rows(runs)
    index = packed("index", pack_index(runs, matched))
    bare = len(page(runs, drawn, index + packed("texts", b"")).encode())
    texts, _ = pack_texts(matched, (PAGE_BYTES - bare) // 4 * 3)
    return page(runs, drawn, index + packed("texts", texts))


def make_eval_report(folders: Sequence[Path]) -> Path:
    """Write the report of one evaluation into its folder, or a comparison of several into the first one's.

    One: report.html, anytime.png and plots/NAME.png. Several: comparison.html and plots/compare_NAME.png,
    so the first one's own report stays. Returns the page's path. Raises BadInput when a folder is not that of a
    finished evaluation.
    """
    runs = [read_finished(folder, label) for folder, label in zip(folders, report.labels(folders), strict=True)]
    path = folders[0] / ("report.html" if len(runs) == 1 else "comparison.html")
    html = fitted(runs, drawings(runs))
    with replacing(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return path


def is_evaluation(folder: Path) -> bool:
    """Whether a folder holds an evaluation, finished or not, and no training run."""
    return any((folder / name).is_file() for name in (RESULT, SAMPLES)) and not (folder / "metrics.jsonl").exists()


def tasks_below(folder: Path) -> list[Path]:
    """The folders of an evaluation's tasks; of anything else the folder itself."""
    own = any((folder / name).exists() for name in (RESULT, SAMPLES, "metrics.jsonl"))
    below = [] if own else sorted(path.parent for path in folder.glob(f"*/{RESULT}"))
    return below or [folder]


def report_of(folders: Sequence[Path]) -> list[Path]:
    """The reports of training runs or of evaluations, whichever the folders hold. Raises BadInput for a mixture.

    The folder of an evaluation of several tasks stands for theirs, and each task is compared on a page of its own.
    """
    folders = [one for folder in folders for one in tasks_below(folder)]
    kinds = [is_evaluation(folder) for folder in folders]
    if not any(kinds):
        return [report.make_report(folders)]
    if not all(kinds):
        evaluation, run = folders[kinds.index(True)], folders[kinds.index(False)]
        raise BadInput(f"{evaluation} holds an evaluation and {run} does not: they cannot be compared on one page")
    of_task: dict[str, list[Path]] = {}
    for folder in folders:
        of_task.setdefault(read_result(folder)["data"], []).append(folder)
    return [make_eval_report(same) for same in of_task.values()]
