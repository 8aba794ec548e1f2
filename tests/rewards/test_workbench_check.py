"""The check on real workers: every planted flaw is named, and the built-in rewards have none."""

from pathlib import Path

import pytest

from rewards.plugins import BUILTIN
from rewards.workbench.cases import CASES, SUITES, own_cases
from rewards.workbench.check import check, suited
from rollout.types import Task

FLAWS = Path(__file__).with_name("bad_flaws.py")
SUM = CASES["integers"][:1]


def failing(function, *, cases=SUM, timeout_s=30.0, **more):
    found = check(f"{FLAWS}:{function}", {}, cases=cases, timeout_s=timeout_s, **more)
    return {one.check: one for one in found if one.level == "fail"}


@pytest.mark.parametrize(
    ("flaw", "checks"),
    [
        ("always_right", {"wrong", "no_gold", "many", "echo", "claim", "empty", "contains"}),
        ("gold_anywhere", {"wrong", "many", "contains"}),
        ("raises_on_junk", {"fails"}),
        ("draws_lots", {"repeatable", "independent"}),
        ("depends_on_the_batch", {"independent"}),
        ("pays_once", {"repeatable"}),
        ("depends_on_the_hash_seed", {"independent"}),
        ("takes_notes_in_the_task", {"task"}),
        ("seeds_the_generator", {"random"}),
        ("draws_from_numpy", {"random"}),
        ("prints", {"prints"}),
        ("nan_on_garbage", {"finite"}),
        ("any_box", {"many"}),
        ("likes_the_question", {"echo"}),
        ("believes_claims", {"claim"}),
        ("pays_for_silence", {"empty"}),
        ("grows_with_the_text", {"range"}),
        ("half_marks", {"gold"}),
        ("trusts_any_gold", {"no_gold"}),
    ],
)
def test_a_planted_flaw_is_called_by_its_name(flaw, checks):
    found = failing(flaw).keys()
    assert checks <= found
    if len(checks) == 1:  # and by no other, but that a verdict which changes shows in two ways
        assert found - checks <= {"independent"}


def test_a_reward_that_writes_files_is_told_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = failing("keeps_a_log")
    assert found.keys() == {"files"}
    assert f"[{tmp_path}/judged.log]" in found["files"].examples[0]


def test_a_power_tower_hangs_and_may_be_known_to():
    found = failing("computes_powers", timeout_s=3.0)
    assert "a power tower: '9**9**9**9' → timeout" in found["hangs"].examples[0]
    name = f"{FLAWS}:computes_powers"
    towers = ("a power tower", "a power tower in LaTeX")
    noted = check(name, {}, cases=SUM, known=towers, timeout_s=30.0)
    assert [one.found for one in noted if one.check == "known"] == [f"not tried: {t}: known to fail" for t in towers]
    assert not any(one.level == "fail" for one in noted)
    with pytest.raises(ValueError, match='no junk is called "power tower"; did you mean "a power tower"'):
        check(name, {}, known=["power tower"])


def test_it_gives_up_on_a_reward_that_hangs_and_hangs():
    found = check(f"{FLAWS}:sleeps_on_long_texts", {}, cases=SUM, timeout_s=1.0)
    levels = {one.check: one.level for one in found}
    assert (levels["hangs"], levels["unasked"]) == ("fail", "note")


def test_a_sound_reward_is_tried_on_the_kinds_that_it_judges():
    told = list[tuple[int, int]]()
    found = check(f"{FLAWS}:careful", {}, timeout_s=30.0, advance=lambda done, total: told.append((done, total)))
    assert {one.level for one in found} <= {"pass", "note"}
    assert found[0].found == "7 right answers score full; all of them when: plain, boxed, <answer>"
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert told[-1][0] == told[-1][1]
    kinds = {case.kind for case in suited(f"{FLAWS}:careful", {}, timeout_s=30.0)}
    assert kinds == {"integers", "decimals", "reasoning_gym"}


def test_a_shaping_term_is_only_asked_to_behave():
    name = f"{FLAWS}:shaping"
    assert check(name, {}, cases=SUM, timeout_s=30.0)[0].level == "fail"
    found = check(name, {"target": 10}, shaping=True, timeout_s=30.0)
    assert {one.level for one in found} == {"pass"}
    assert "gold" not in {one.check for one in found}


def test_tasks_of_the_authors_own():
    tasks = [Task(str(number), f"{word} = ?", gold) for number, (word, gold) in enumerate([("a", "4"), ("b", "4.0")])]
    cases = own_cases(tasks, [task.answer for task in tasks])
    assert [case.wrong for case in cases] == [("4.0",), ("4",)]
    assert own_cases(tasks[:1], ["4"])[0].wrong == ("something else",)
    three = own_cases([*tasks, Task("3", "c = ?", "5")], ["4", "4.0", "5"])
    found = {one.check: one.level for one in check(f"{FLAWS}:careful", {}, cases=three, timeout_s=30.0)}
    assert found["wrong"] == "note"  # 4.0 for 4
    assert "fail" not in found.values()


@pytest.mark.parametrize("name", BUILTIN)
def test_built_in_rewards_pass(name):
    assert BUILTIN[name] in SUITES
    found = check(name, {}, timeout_s=60.0)
    assert [one for one in found if one.level == "fail"] == []
    skipped = {"confidence", "flawed_positive", "llm_judge"}  # these need a model
    assert (found[0].level == "skip") == (name in skipped)


def test_a_judging_model_is_named_before_it_is_checked():
    (skipped,) = check("llm_judge", {"model": "m"})
    assert skipped.found == "it asks a model on a server: say --params url=…"


def test_bundled_prompts_do_not_hold_their_answers():
    plain = [case for cases in CASES.values() for case in cases if case.kind not in ("choice", "instructions")]
    assert [case.task.id for case in plain if case.right in case.task.prompt.split()] == []
    assert all(case.wrong and case.right not in case.wrong for cases in CASES.values() for case in cases)


def test_what_a_reward_is_called_with_must_fit():
    with pytest.raises(ValueError, match="has no parameter 'tol'"):
        check(f"{FLAWS}:shaping", {"tol": 1})
    with pytest.raises(ValueError, match='no reward is named "maht"'):
        check("maht", {})
