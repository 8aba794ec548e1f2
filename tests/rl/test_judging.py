"""What is checked of rewards and gold answers before a run, and what a batch without verdicts leaves behind."""

import json
from pathlib import Path

import pytest
from example_config import TEXT, write_config
from make_groups import outcome_group

from rewards import PoolJudge
from rewards.sandbox import Ran
from rewards.types import RewardResult, ScoredGroup, Status
from rl.config import TermConfig
from rl.config_file import load
from rl.errors import BadInput, RunFailed
from rl.judging import EXCLUDED, check_tasks, check_verdicts, judge_of, start_judge
from rollout.types import Answer, Group, Task

FORMS = Path(__file__).parents[1] / "rewards/bad_forms.py"
OK, WRONG, UNPARSABLE, TIMEOUT, ERROR = Status


def verdicts(*statuses: Status, source: str = "") -> list[ScoredGroup]:
    """One group whose answers have these statuses, the first lost one with a reason."""
    results = tuple(((RewardResult(status, 0.0, detail=f"number {i}"),),) for i, status in enumerate(statuses))
    made = outcome_group([0.0] * len(statuses)).group
    return [ScoredGroup(Group(Task("t", "p", "a", source=source), made.prior, made.rollouts), results)]


def complaint(scored, limit, folder):
    try:
        check_verdicts(scored, limit=limit, folder=folder)
    except RunFailed as error:
        return str(error)
    return None


def test_a_batch_may_lose_as_many_verdicts_as_the_limit(tmp_path):
    assert complaint(verdicts(OK, TIMEOUT, WRONG, ERROR), 0.5, tmp_path) is None
    assert not (tmp_path / EXCLUDED).exists()
    text = complaint(verdicts(OK, TIMEOUT, ERROR, ERROR), 0.5, tmp_path)
    assert text.startswith("3 of 4 answers of this batch have no verdict (run.excluded_limit=0.5); the first, to task ")
    assert ": timeout: number 1. All are in " in text
    rows = [json.loads(line) for line in (tmp_path / EXCLUDED).read_text().splitlines()]
    assert [(row["status"], row["detail"]) for row in rows] == [
        ("timeout", "number 1"),
        ("error", "number 2"),
        ("error", "number 3"),
    ]


def test_a_limit_of_one_never_stops_and_a_bad_answer_is_no_lost_one(tmp_path):
    assert complaint(verdicts(ERROR, ERROR), 1.0, tmp_path) is None
    assert complaint(verdicts(UNPARSABLE, WRONG), 0.01, tmp_path) is None
    assert complaint([], 0.5, tmp_path) is None


def test_a_source_without_any_verdict_stops_the_run_however_small_its_share(tmp_path):
    sums = verdicts(*[OK, WRONG] * 20, source="sums")
    assert complaint(sums + verdicts(*[ERROR] * 7, source="words"), 0.5, tmp_path) is None
    assert complaint(sums + verdicts(*[ERROR] * 8, source="words"), 1.0, tmp_path) is None
    assert complaint(sums + verdicts(*[ERROR] * 8, WRONG, source="words"), 0.5, tmp_path) is None
    text = complaint(sums + verdicts(*[ERROR] * 4, *[TIMEOUT] * 4, source="words"), 0.5, tmp_path)
    assert text.startswith(
        "none of the 8 answers of this batch to source 'words' has a verdict; the first, to task t: "
    )
    assert len((tmp_path / EXCLUDED).read_text().splitlines()) == 8


@pytest.mark.parametrize(
    ("term", "row", "message"),
    [
        ({"name": "numeric", "params": {"rel": -1}}, {}, "ValueError: a tolerance cannot be negative"),
        ({"name": "regex", "params": {"pattern": "(a"}}, {}, "'(a' is not a regular expression"),
        ({"name": "code", "params": {"sandbox": "typo:run"}}, {}, 'there is no sandbox "typo:run"'),
        ({"name": f"{FORMS}:trl_messages"}, {}, "missing 1 required positional argument: 'solution'"),
        ({"name": "llm_judge", "params": {"url": "host:1", "model": "m"}}, {}, "does not begin with http://"),
        (
            {"name": "llm_judge", "params": {"url": "http://host", "model": "m", "key_env": "NO_SUCH_KEY"}},
            {},
            "there is no environment variable NO_SUCH_KEY",
        ),
    ],
)
def test_a_term_that_fails_on_every_task_of_its_source_stops_the_start(term, row, message):
    tasks = [Task(str(i), "?", "8", source="a" if i else "b", meta=row) for i in range(3)]
    with PoolJudge([{**term, "sources": ["a"]}, {"name": "exact", "sources": ["b"]}]) as judge:
        check_tasks(judge, tasks[:1])
        with pytest.raises(BadInput) as caught:
            check_tasks(judge, tasks)
    assert str(caught.value).startswith("reward: no answer to the 2 tasks of source 'a' can be judged; the first: ")
    assert message in str(caught.value)


def fails(files, stdin, limits):
    """A sandbox that is there and does not work."""
    return Ran(b"", b"no such image", 125)


@pytest.mark.parametrize(
    ("term", "row", "message"),
    [
        ({"name": "reasoning_gym"}, {"dataset": "chain_sun", "entry": {}}, "Dataset 'chain_sun' not registered"),
        (
            {"name": "instructions"},
            {"instruction_id_list": ["keywords:frequency"], "kwargs": [{"keyword": "a", "frequency": 1}]},
            "keywords:frequency: relation: Missing required keyword only argument",
        ),
        (
            {"name": "code", "params": {"sandbox": f"{__name__}:fails"}},
            {"test_list": ["assert f(1)"]},
            "the sandbox ended with 125 (ended): no such image",
        ),
    ],
)
def test_what_a_verifier_cannot_use_of_a_row_is_found_with_an_empty_answer(term, row, message):
    with PoolJudge([term]) as judge, pytest.raises(BadInput, match="1 of 1 tasks cannot be judged") as caught:
        check_tasks(judge, [Task("7", "?", "8", meta=row)])
    assert message in str(caught.value)


def test_a_reward_that_fails_on_an_empty_text_alone_may_start():
    with PoolJudge(f"{FORMS}:near") as judge:
        assert judge.judge([(Task("1", "?", "8"), Answer.from_text(""))])[0].status is ERROR
        check_tasks(judge, [Task("1", "?", "8"), Task("2", "?", "9")])


@pytest.mark.parametrize(
    ("body", "startup_s", "said"),
    [
        ("import os\nos._exit(3)", 60.0, "the rewards ended their process while loading (exit code 3)"),
        ("import time\ntime.sleep(600)", 0.5, "the rewards were not ready within 0.5 s"),
    ],
)
def test_a_reward_that_ends_or_hangs_when_it_is_imported_is_bad_input(tmp_path, body, startup_s, said):
    (tmp_path / "mine.py").write_text(body)
    name = f"{tmp_path}/mine.py:mine"
    with pytest.raises(BadInput) as caught:
        judge_of([TermConfig(name=name)], workers=1, deadline_s=5.0, startup_s=startup_s)
    assert str(caught.value) == f"reward: {said}: see what {name} does when it is imported"


def test_workers_that_are_killed_again_and_again_stop_the_run():
    group = outcome_group([0.0]).group
    with (
        judge_of([TermConfig(name=f"{FORMS}:kill_nursery")], workers=1, deadline_s=5.0) as judge,
        pytest.raises(RunFailed, match="was killed 3 times while judging"),
    ):
        judge.score([group])


def test_gold_answers_that_cannot_be_read_stop_the_start():
    tasks = [Task(str(i), "?", gold) for i, gold in enumerate(["8", "\\frac{1}{2}", "\\boxed{}", "12"])]
    with PoolJudge("math") as judge:
        check_tasks(judge, [tasks[0], tasks[1], tasks[3]])
        with pytest.raises(
            BadInput, match=r"1 of 4 tasks cannot be judged; mend or remove their rows:\n  task 2: "
        ) as e:
            check_tasks(judge, tasks)
    assert "cannot read the gold answer" in str(e.value)


def test_a_slow_reward_is_asked_about_what_its_patience_allows(caplog):
    tasks = [Task(str(i), "?", "8") for i in range(1000)]
    with PoolJudge("exact") as judge:
        check_tasks(judge, tasks, patience_s=1e-9)
    assert caplog.messages == ["the rewards are slow: only the first 0 of 1000 gold answers were checked"]


def test_terms_of_the_file_reach_the_judge_with_all_they_have(tmp_path):
    folder = write_config(tmp_path, TEXT)
    asked = [
        "reward.terms=[{name: exact, weight: 2, sources: ['reasoning_gym:chain_sum']}, {name: exact, label: other}]",
        "reward.deadline_s=3",
    ]
    with start_judge(load(folder, asked)) as judge:
        (one, two) = judge.judge(
            [(Task("1", "?", "8", source=s), Answer.from_text("8")) for s in ("reasoning_gym:chain_sum", "b")]
        )
    assert (one.value, dict(one.parts)) == (3.0, {"exact": 1.0, "other": 1.0})
    assert (two.value, dict(two.parts)) == (1.0, {"other": 1.0})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("reward.terms=[{name: maths}]", 'reward: no reward is named "maths"; did you mean "math"'),
        ("reward.terms=[{name: exact, params: {rel: 1}}]", "reward \"exact\" has no parameter 'rel'"),
        ("reward.terms=[{name: exact}, {name: exact}]", "two rewards are called 'exact'"),
        ("reward.value=exakt * 2", 'no term is called "exakt"'),
        (
            "reward={terms: [{name: code, params: {timeout_s: 8}}], deadline_s: 8}",
            'reward "code": timeout_s=8 is not below the deadline of 8 s for an answer: lower params.timeout_s, or',
        ),
        ("reward={terms: [{name: code}], deadline_s: 5}", "timeout_s=6 is not below the deadline of 5 s"),
    ],
)
def test_a_reward_that_cannot_be_had_is_bad_input(tmp_path, override, message):
    with pytest.raises(BadInput, match=message):
        start_judge(load(write_config(tmp_path, TEXT), [override]))
