"""The sample browser, driven in a headless Chromium from a file: every filter, the keys, the dark, no network."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chromium import Page, chromium, find
from make_evaluations import ATTACK, BUDGETS, problem, trial, varied_problems, write_evaluation

from rewards.types import Status
from rl.evaluation.outcomes import Outcome, outcome, right_early_wrong_late, wrong_early_right_late
from rl.evaluation.page import PAGE_BYTES, make_eval_report
from rl.evaluation.records import Problem, Trial, Verdict

pytestmark = pytest.mark.skipif(find() is None, reason="needs chromium or google-chrome")

EVIL = problem("evil", ATTACK, [trial("cwnx", f"😀 {ATTACK} " * 20, say=ATTACK)] * 3, level="9")
FIRST = [*varied_problems(40, 3, 0), EVIL]
SECOND = [*varied_problems(44, 3, 1, skill=0.6), EVIL]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("evals")
    made = [write_evaluation(root / "base", FIRST), write_evaluation(root / "trained", SECOND, "wait")]
    make_eval_report(made[:1])
    make_eval_report(made)
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser: Page, folders: list[Path]) -> Iterator[Page]:
    """The page of one evaluation, freshly loaded; at its end nothing has failed or been asked of the network."""
    yield from watched(browser, folders[0] / "report.html")


@pytest.fixture
def comparison(browser: Page, folders: list[Path]) -> Iterator[Page]:
    yield from watched(browser, folders[0] / "comparison.html")


def watched(browser: Page, path: Path) -> Iterator[Page]:
    browser.errors.clear()
    browser.requests.clear()
    browser.appearance("light")
    browser.size(1400, 1000)
    browser.open(path)
    yield browser
    assert browser.errors == []
    assert {url.partition(":")[0] for url in browser.requests} <= {"file", "data"}
    assert [url for url in browser.requests if url.startswith("file:")] == [path.resolve().as_uri()]
    assert browser.js("document.title") != "broken"


def choose(page: Page, **filters: str) -> list[str]:
    """Set the filters as a reader does, everything else at `any`; returns the ids that are left."""
    page.js("document.getElementById('filters').reset()")
    for name, value in filters.items():
        page.js(f"document.getElementById({name!r}).value = {value!r}")
    page.js("document.getElementById('filters').dispatchEvent(new Event('input', {bubbles: true}))")
    left = page.js("[...document.querySelectorAll('#problems > div:not([hidden]) b')].map((b) => b.textContent)")
    total = page.js("document.querySelectorAll('#problems > div').length")
    assert page.js("document.getElementById('count').textContent") == f"{len(left):,} of {total:,} problems"
    return left


def names(problems: list[Problem], wanted: Callable[[Problem], bool]) -> set[str]:
    return {one.id for one in problems if wanted(one)}


def verdicts(one: Problem, budget: int | None = None) -> list[Verdict]:
    return [v for t in one.trials for v in t.verdicts if budget in (None, v.budget)]


def right(found: list[Verdict]) -> list[bool]:
    return [v.status is Status.OK for v in found if v.status.judged]


LETTERS = dict(zip("cwnxe", Outcome, strict=True))


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("budget", [None, 64, 512])
def test_outcome_and_budget(page: Page, letter: str, budget: int | None) -> None:
    left = choose(page, outcome=letter, budget=str(budget or ""))
    expected = names(FIRST, lambda p: LETTERS[letter] in map(outcome, verdicts(p, budget)))
    assert set(left) == expected
    assert len(left) == len(expected) > 0


@pytest.mark.parametrize("budget", [None, 256])
def test_correctness(page: Page, budget: int | None) -> None:
    tests: dict[str, Callable[[list[bool]], bool]] = {
        "all": lambda seen: bool(seen) and all(seen),
        "some": lambda seen: any(seen) and not all(seen),
        "none": lambda seen: bool(seen) and not any(seen),
    }
    for value, test in tests.items():
        left = choose(page, correct=value, budget=str(budget or ""))
        assert set(left) == names(FIRST, lambda p, test=test: test(right(verdicts(p, budget))))


def test_verdicts_that_turn(page: Page) -> None:
    over = names(FIRST, lambda p: any(map(right_early_wrong_late, p.trials)))
    pays = names(FIRST, lambda p: any(map(wrong_early_right_late, p.trials)))
    assert 0 < len(over) < len(FIRST)
    assert 0 < len(pays) < len(FIRST)
    assert set(choose(page, pattern="over")) == over
    assert set(choose(page, pattern="pays")) == pays
    by_id = {one.id: one for one in FIRST}
    for _ in range(5):  # the view opens at a sample that turns
        name, sample, _ = chosen(page)
        assert wrong_early_right_late(by_id[name].trials[int(sample) - 1])
        page.press("j")


def test_level_and_words(page: Page) -> None:
    assert set(choose(page, level="2")) == names(FIRST, lambda p: p.level == "2")
    assert choose(page, query="EVIL.example script") == ["evil"]
    assert "sums/7" in choose(page, query="what is 7 + -3")
    assert choose(page, query="no such words") == []
    assert page.js("document.getElementById('detail').textContent") == "No problem passes these filters."
    assert len(choose(page)) == len(FIRST)


def test_filters_add_up_and_reset(page: Page) -> None:
    left = choose(page, level="1", budget="64", outcome="w", pattern="pays")
    assert set(left) == names(
        FIRST,
        lambda p: (
            p.level == "1"
            and Outcome.WRONG in map(outcome, verdicts(p, 64))
            and any(map(wrong_early_right_late, p.trials))
        ),
    )
    page.js("document.querySelector('#filters button[type=reset]').click()")
    page.until(f"document.getElementById('count').textContent === '{len(FIRST)} of {len(FIRST)} problems'")


def chosen(page: Page) -> tuple[str, str, str]:
    """The problem, the sample and the budget in view."""
    return (
        page.js("document.querySelector('#detail h3').textContent"),
        page.js("document.querySelector('.pick[aria-pressed=true]').textContent[0]"),
        page.js("document.querySelector('.verdicts [aria-current=true]').textContent"),
    )


def focused(page: Page) -> str:
    return page.js("document.activeElement.id || document.activeElement.dataset.key || document.activeElement.tagName")


def test_the_keyboard_moves(page: Page) -> None:
    first, second, third = page.js(
        "[...document.querySelectorAll('#problems b')].slice(0, 3).map((b) => b.textContent)"
    )
    assert chosen(page) == (first, "1", "512")
    page.press("j", "j")
    assert chosen(page)[0] == third
    page.press("k", "2", "l")
    assert chosen(page) == (second, "2", "128")
    page.press("l", "l", "h")
    assert chosen(page)[1] == "3"
    page.press("/")
    assert focused(page) == "query"
    page.press("j")  # typed, not a command
    assert page.js("document.getElementById('query').value") == "j"
    page.press("Escape")
    assert focused(page) == "problems"
    page.js("document.getElementById('query').value = ''")
    choose(page)
    page.press("ArrowDown")
    assert chosen(page)[0] == third
    page.press("ArrowUp", "Enter")
    assert (chosen(page)[0], focused(page)) == (second, "detail")
    page.press("Escape")
    assert focused(page) == "problems"
    assert page.js("document.getElementById('problems').getAttribute('aria-activedescendant')") == "problem-1"
    assert page.js("document.querySelectorAll('#problems [aria-selected=true]').length") == 1


def test_the_first_tab_leads_past_the_numbers(page: Page) -> None:
    page.press("Tab")
    assert page.js("document.activeElement.className") == "skip"
    assert page.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_button_keeps_the_focus_when_it_changes_the_view(page: Page) -> None:
    page.js("document.querySelector('[data-key=\"budget-0-64\"]').focus()")
    page.press("Enter")
    page.until("document.querySelector('.verdicts [aria-current=true]').textContent === '64'")
    assert focused(page) == "budget-0-64"


def test_a_thought_shows_where_budgets_cut_it(page: Page) -> None:
    choose(page, query="evil.example")
    page.press("2")
    text = page.js("document.querySelector('#detail .thought').textContent")
    marks = page.js("[...document.querySelectorAll('#detail .mark')].map((m) => m.textContent)")
    assert marks == ["✂ 64 ✓", "✂ 128 ✗ closed by force", "✂ 256 ∅", "■ 512 ⇥"]
    assert page.js("document.querySelector('#detail .forced').textContent") == "\nTime is up.\n</think>"
    thought = EVIL.trials[0].thoughts[0].text
    cuts = [verdict.cut for verdict in EVIL.trials[0].verdicts]
    assert text.startswith(f"{thought[: cuts[0]]}✂ 64 ✓{thought[cuts[0] : cuts[1]]}✂ 128 ✗")
    beyond = page.js("[...document.querySelectorAll('#detail .thought .beyond')].map((s) => s.textContent).join('')")
    assert beyond == thought[cuts[1] :]
    assert ATTACK in page.js("document.querySelector('#detail .answer').textContent")
    assert page.js("document.querySelectorAll('#detail img, #detail script').length") == 0


def test_tables_can_be_copied(page: Page) -> None:
    page.js("document.querySelector('[data-copy=table-LaTeX]').click()")
    page.until("/Copied|Ctrl-C/.test(document.querySelector('[data-copy=table-LaTeX]').textContent)")
    assert page.js("document.getElementById('table-LaTeX').textContent").startswith("\\begin{tabular}")
    page.until("document.querySelector('[data-copy=table-LaTeX]').textContent === 'Copy LaTeX'")


def test_dark_and_narrow(page: Page) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.js(colour) == "rgb(247, 248, 250)"
    page.appearance("dark")
    assert page.js(colour) == "rgb(15, 18, 24)"
    page.size(390, 800)
    assert page.js("document.documentElement.scrollWidth") <= 390
    sides = page.js("['problems', 'detail'].map((id) => document.getElementById(id).getBoundingClientRect().left)")
    assert sides[0] == sides[1]  # one above the other


def test_runs_side_by_side(comparison: Page) -> None:
    choose(comparison, query="what is 3 + 1")
    assert comparison.js("[...document.querySelectorAll('#detail h4')].map((h) => h.textContent)") == [
        "base",
        "trained",
    ]
    left, width = comparison.js(
        "(([a, b]) => [a.right <= b.left, b.right])([...document.querySelectorAll('.run')]"
        ".map((run) => run.getBoundingClientRect()))"
    )
    assert left is True
    assert width <= 1400
    choose(comparison, query="what is 43 + -39")  # a problem of the second run alone
    assert comparison.js("[...document.querySelectorAll('#detail h4')].map((h) => h.textContent)") == ["trained"]


def half_right(one: Problem, budget: int) -> set[bool]:
    found = right(verdicts(one, budget))
    return {sum(found) / len(found) >= 0.5} if found else set()


@pytest.mark.parametrize("budget", [None, *BUDGETS])
def test_the_verdict_differs_between_runs(comparison: Page, budget: int | None) -> None:
    base = {one.id: one for one in FIRST}
    expected = {
        one.id
        for one in SECOND
        for b in ([budget] if budget else BUDGETS)
        if one.id in base and len(half_right(base[one.id], b) | half_right(one, b)) == 2
    }
    assert 0 < len(expected) < len(SECOND)
    assert set(choose(comparison, pattern="differs", budget=str(budget or ""))) == expected


def test_filters_of_one_run_among_several(comparison: Page) -> None:
    wanted = names(SECOND, lambda p: Outcome.CUT in map(outcome, verdicts(p, 128)))
    assert set(choose(comparison, run="1", outcome="x", budget="128")) == wanted
    both = wanted | names(FIRST, lambda p: Outcome.CUT in map(outcome, verdicts(p, 128)))
    assert set(choose(comparison, outcome="x", budget="128")) == both
    assert both > wanted


SYLLABLES = [a + b for a in "bcdfghjklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "ing", "ou")]


def test_a_thousand_problems_fit_and_are_quick(browser: Page, tmp_path: Path) -> None:
    rng = random.Random(0)
    vocabulary = ["".join(rng.choices(SYLLABLES, k=rng.choice((1, 2, 2, 3)))) for _ in range(20_000)]
    weights = [1 / (rank + 3) for rank in range(len(vocabulary))]  # words as people use them
    budgets = (128, 256, 384, 512, 640, 768, 896, 1024)

    def sampled() -> Trial:
        letters = "".join(rng.choices("cwnxe", (5, 3, 1, 1, 0.2), k=8))
        text = " ".join(rng.choices(vocabulary, weights, k=750))
        return trial(letters, text, tokens=1024, budgets=budgets, say=text[: rng.randrange(60)])

    asked = (" ".join(rng.choices(vocabulary, weights, k=50)) for _ in range(1000))
    problems = [problem(f"big/{i}", ask, [sampled() for _ in range(4)], str(i % 5)) for i, ask in enumerate(asked)]
    folder = write_evaluation(tmp_path / "big", problems)
    before = time.monotonic()
    path = make_eval_report([folder])
    assert time.monotonic() - before < 60
    assert 0.9 * PAGE_BYTES < path.stat().st_size <= PAGE_BYTES
    for big in watched(browser, path):
        assert big.js("document.getElementById('kept').textContent").startswith("Texts of ")
        over = names(problems, lambda p: any(map(right_early_wrong_late, p.trials)))
        before = time.monotonic()
        assert set(choose(big, pattern="over")) == over
        assert time.monotonic() - before < 5
        assert 200 < big.js("texts.size") < len(problems)  # far more than the page can hold
