"""The page of evaluations: complete, self-contained, and safe from what a model wrote."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from make_evaluations import ATTACK, BUDGETS, problem, trial, varied_problems, write_evaluation

from rl.errors import BadInput
from rl.evaluation.finished import read_finished
from rl.evaluation.page import make_eval_report, report_of, tasks_below
from rl.evaluation.plots import curve, draw_anytime, draw_difficulty, figures, thinned, totals
from rl.evaluation.sections import gain, headline_lines, paired
from rl.plots import LIGHT


class Elements(HTMLParser):
    """Tags with their attributes, and the text in between without scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if not self.tags or self.tags[-1][0] not in ("script", "style"):
            self.text += data + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    evil = problem(ATTACK, ATTACK, [trial("cwnx", ATTACK * 3, say=ATTACK)] * 2, level=ATTACK)
    path = write_evaluation(tmp_path_factory.mktemp("evals") / "base", [*varied_problems(23, 2, 0), evil])
    make_eval_report([path])
    return path


@pytest.fixture(scope="module")
def page(folder: Path) -> Elements:
    return Elements((folder / "report.html").read_text(encoding="utf-8"))


def test_the_folder_gets_its_page_and_plots(folder: Path, page: Elements) -> None:
    assert (folder / "anytime.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (folder / "plots").iterdir()) == ["cost.png", "difficulty.png", "tokens.png"]
    assert [tag for tag, _ in page.tags].count("img") == 4


def test_nothing_is_loaded_and_only_our_script_runs(page: Elements) -> None:
    wanted = [value for _, each in page.tags for name, value in each.items() if name in ("src", "srcset", "action")]
    assert len(wanted) == 8
    assert all(value is not None and value.startswith("data:image/png;base64,") for value in wanted)
    assert [value for _, each in page.tags for name, value in each.items() if name == "href"] == ["#samples"]
    assert [each.get("type") for tag, each in page.tags if tag == "script"] == ["application/gzip"] * 2 + [None]
    (policy,) = (each["content"] for _, each in page.tags if "http-equiv" in each)
    assert policy is not None
    assert re.fullmatch(
        r"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-[\w+/]{43}='", policy
    )


def test_what_a_model_wrote_is_data_and_arrives_whole(folder: Path) -> None:
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "evil.example" not in html
    assert "document.title" not in html
    blocks = re.findall(r'<script type="application/gzip" id="packed-(\w+)">([^<]*)</script>', html)
    index, texts = (gzip.decompress(base64.b64decode(data)).decode() for _, data in blocks)
    assert [name for name, _ in blocks] == ["index", "texts"]
    assert {one["id"] for one in json.loads(index)["problems"]} >= {ATTACK, "sums/22"}
    assert [json.loads(line)["prompt"] for line in texts.splitlines()].count(ATTACK) == 1
    assert texts.count("\n") == 24


def test_the_page_tells_the_numbers_of_eval_json(folder: Path, page: Elements) -> None:
    result = json.loads((folder / "eval.json").read_text())
    assert f"{100 * result['final_accuracy']:.1f} % ± " in page.text
    half = (result["budgets"][0]["ci_high"] - result["budgets"][0]["ci_low"]) / 2
    assert f"{100 * result['budgets'][0]['accuracy']:.1f} ± {100 * half:.1f}" in " ".join(page.text.split())
    assert headline_lines(read_finished(folder, "base"))["Problems × samples × budgets"] == "24 × 2 × 4"
    assert "config.yaml" in page.text
    assert "Time is up." in page.text


def test_several_are_compared_and_the_first_keeps_its_own_page(tmp_path: Path) -> None:
    first = write_evaluation(tmp_path / "a", varied_problems(20, 2, 0))
    second = write_evaluation(tmp_path / "b", varied_problems(20, 2, 0, skill=0.9), "wait")
    own = report_of([first])[0].read_bytes()
    (path,) = report_of([first, second])
    assert path == first / "comparison.html"
    assert (first / "report.html").read_bytes() == own
    assert not (second / "report.html").exists()
    assert (first / "plots" / "compare_anytime.png").exists()
    text = Elements(path.read_text(encoding="utf-8")).text
    assert "b less a" in text
    assert "Over 20 common problems" in text


def test_a_difference_is_told_with_its_interval() -> None:
    assert gain({"difference": 0.052, "ci_low": 0.01, "ci_high": 0.094}) == "+5.2 [+1.0, +9.4] *"
    assert gain({"difference": -0.01, "ci_low": -0.03, "ci_high": 0.02}) == "-1.0 [-3.0, +2.0]"


def test_evaluations_of_other_problems_are_not_paired(tmp_path: Path) -> None:
    runs = [
        read_finished(write_evaluation(tmp_path / name, [problem(name, "?", [trial("cccc", "t")])]), name)
        for name in "ab"
    ]
    assert "no problem in common" in paired(runs)
    assert paired(runs[:1]) == ""


def test_the_report_knows_runs_from_evaluations(tmp_path: Path, folder: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.jsonl").write_text(json.dumps({"step": 0, "loss": 0.5, "time/step": 1.0}) + "\n")
    assert report_of([run]) == [run / "report.html"]
    with pytest.raises(BadInput, match=r"holds an evaluation and .* does not"):
        report_of([folder, run])
    with pytest.raises(BadInput, match="is not a run folder"):
        report_of([tmp_path])


def test_an_unfinished_evaluation_is_named(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "e", varied_problems(2, 1, 0))
    (folder / "eval.json").rename(folder / "kept")
    with pytest.raises(BadInput, match=r"no eval\.json.*run the same `ration eval` again"):
        report_of([folder])
    (folder / "eval.json").write_text("{")
    with pytest.raises(BadInput, match=r"eval\.json: not JSON"):
        report_of([folder])
    (folder / "kept").replace(folder / "eval.json")
    (folder / "samples.jsonl").write_text("")
    with pytest.raises(BadInput, match="holds no problem"):
        report_of([folder])


def test_figures_show_what_they_were_given(folder: Path) -> None:
    run = read_finished(folder, "base")
    drawn = curve(run)
    assert drawn.budgets == list(BUDGETS)
    asked, used = draw_anytime([run], LIGHT).axes
    assert list(map(float, asked.get_lines()[0].get_ydata())) == pytest.approx(drawn.accuracy)  # pyright: ignore[reportArgumentType]
    assert list(map(float, used.get_lines()[0].get_xdata())) == pytest.approx(drawn.spent)  # pyright: ignore[reportArgumentType]
    cells = [cell.get_text() for cell in draw_difficulty([run], LIGHT).axes[0].texts]
    shares = [share for stratum in run.result["strata"] for share in stratum["accuracy_S"]]
    assert cells == [f"{100 * share:.0f}" for share in shares]


def test_a_run_without_levels_or_verdicts_can_be_drawn(tmp_path: Path) -> None:
    one = [problem("p", "?", [trial("eeee", "t")])]
    folder = write_evaluation(tmp_path / "a", one)
    assert list(figures([read_finished(folder, "a")])) == ["anytime", "tokens", "cost"]
    assert "–" in Elements(report_of([folder])[0].read_text(encoding="utf-8")).text


def test_the_cost_of_forks_against_separate_runs(tmp_path: Path) -> None:
    run = read_finished(write_evaluation(tmp_path / "a", [problem("p", "?", [trial("cccc", "t")])]), "a")
    assert totals(run) == (312, 348, 77 + 141 + 269 + 312)


def test_budgets_are_thinned_from_the_largest() -> None:
    assert thinned([1, 2, 3], 9) == [1, 2, 3]
    assert thinned(list(range(250, 8001, 250)), 8) == [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000]


def test_the_folder_of_several_tasks_stands_for_theirs(tmp_path):
    for name in ("b", "a"):
        (tmp_path / "evals" / name).mkdir(parents=True)
        (tmp_path / "evals" / name / "eval.json").write_text("{}")
    run = tmp_path / "run"
    (run / "kept").mkdir(parents=True)
    (run / "kept" / "eval.json").write_text("{}")
    (run / "metrics.jsonl").write_text("")
    evals = tmp_path / "evals"
    assert tasks_below(evals) == [evals / "a", evals / "b"]
    assert tasks_below(evals / "a") == [evals / "a"]
    assert tasks_below(run) == [run]
    assert tasks_below(tmp_path / "nowhere") == [tmp_path / "nowhere"]
