"""What the sample browser is given: all verdicts, and the texts that fit, fairly chosen."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from make_evaluations import ATTACK, problem, trial, varied_problems

from rl.evaluation.browser_data import (
    evenly,
    index_of,
    natural,
    pack_index,
    pack_texts,
    packed_prefix,
    rows,
    stratum,
    text_of,
    utf16,
)
from rl.evaluation.finished import Finished
from rl.evaluation.records import Problem

LETTERS = ("cccc", "wwww", "ccww", "wwcc")


def run(label: str, problems: list[Problem]) -> Finished:
    return Finished(label, Path(label), {"budgets": [{"budget": b} for b in (64, 128, 256, 512)]}, tuple(problems), "")


def sums(*letters: str) -> list[Problem]:
    return [problem(f"sums/{i}", f"sum {i}", [trial(one, "so it is")]) for i, one in enumerate(letters)]


def test_names_sort_as_people_count() -> None:
    names = ["gsm8k/10", "gsm8k/9", "aime", "2", "10"]
    assert sorted(names, key=natural) == ["2", "10", "aime", "gsm8k/9", "gsm8k/10"]


def test_problems_of_several_runs_are_matched_by_id() -> None:
    matched = rows([run("a", sums("cccc", "wwww")[::-1]), run("b", [*sums("wwcc"), problem("x", "?", [])])])
    assert [row.problem.id for row in matched] == ["sums/0", "sums/1", "x"]
    assert [[trials is None for trials in row.trials] for row in matched] == [
        [False, False],
        [False, True],
        [True, False],
    ]


def test_the_index_has_every_verdict() -> None:
    runs = [run("a", sums("cwnx", "eccc"))]
    index = index_of(runs, rows(runs))
    assert index["runs"] == [{"label": "a", "budgets": [64, 128, 256, 512], "closing": ""}]
    first, second = (one["runs"][0][0] for one in index["problems"])
    assert (first["o"], second["o"]) == ("cwnx", "eccc")
    assert first["f"] == "1110"
    assert first["t"] == [64, 128, 256, 300]
    assert first["s"] == [77, 141, 269, 312]
    assert json.loads(gzip.decompress(pack_index(runs, rows(runs)))) == index


def test_a_cut_is_counted_as_javascript_counts() -> None:
    assert utf16("a𝔸b😀c", 0) == 0
    assert [utf16("a𝔸b😀c", n) for n in range(1, 6)] == [1, 3, 4, 6, 7]
    one = problem("p", "?", [trial("cccc", "😀" * 300)])
    answers = text_of(0, rows([run("a", [one])])[0])["runs"][0][0]["answers"]
    assert [answer["cut"] for answer in answers] == [128, 256, 512, 600]


def test_texts_are_shared_evenly_over_the_kinds_of_problems() -> None:
    matched = rows([run("a", sums(*["cccc"] * 20, *["wwww"] * 6, *["ccww"] * 3, *["wwcc"] * 3))])
    order = evenly(matched)
    assert sorted(order) == list(range(32))
    kinds = Counter(stratum(matched[i]) for i in order[:12])
    assert sorted(kinds.values()) == [3, 3, 3, 3]


@pytest.mark.parametrize("limit", [0, 200, 1000, 5000, 10**6])
def test_as_many_records_as_fit(limit: int) -> None:
    rng = random.Random(0)
    records = [(rng.randbytes(50).hex() + "\n").encode() for _ in range(40)]
    stream, count = packed_prefix(iter(records), limit)
    assert gzip.decompress(stream) == b"".join(records[:count])
    assert len(stream) <= max(limit, 20)  # an empty stream has its header
    if 0 < count < 40:
        assert len(stream) > limit - 120  # no room for one more
    assert (count == 40) is (limit > 4000)


def test_texts_come_back_whole() -> None:
    problems = [*varied_problems(9, 2, 0), problem("evil", ATTACK + "\u2028", [trial("wwww", ATTACK)] * 2)]
    matched = rows([run("a", problems)])
    stream, count = pack_texts(matched, 10**6)
    kept = {one["place"]: one for one in map(json.loads, gzip.decompress(stream).decode().split("\n")[:-1])}
    assert count == len(kept) == 10
    for place, row in enumerate(matched):
        thought, verdict = row.problem.trials[0].thoughts[0], row.problem.trials[0].verdicts[1]
        said = kept[place]["runs"][0][0]
        assert kept[place]["prompt"] == row.problem.prompt
        assert said["thoughts"] == [[thought.text, thought.tokens, thought.finish]]
        assert (said["answers"][1]["text"], said["answers"][1]["cut"]) == (verdict.text, verdict.cut)
