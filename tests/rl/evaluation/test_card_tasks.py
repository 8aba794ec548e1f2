import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rewards import Status, score
from rewards.terms import Term
from rl.errors import DataError
from rl.evaluation.card_tasks import level_of, tasks_of
from rl.evaluation.cards import TaskCard, card, of_file, of_gym
from rollout.types import Answer, Task

DATA = Path(os.environ.get("RATION_DATA", Path(__file__).parents[3].parent / "shared/data"))
TREES = {"Question": "A leaf?", "Correct Answer": " green ", "Record ID": "r1", "High-level domain": "Biology"}
TREES |= {"Incorrect Answer 1": "red", "Incorrect Answer 2": "blue", "Incorrect Answer 3": "grey"}
SUMS = {"question_id": 7, "question": "1+1?", "options": ["1", "2", "3"], "answer": "B", "category": "math"}


def local(path: Path, name: str, rows: list[dict[str, Any]], **changes: Any) -> TaskCard:
    """A built-in card over rows of one's own."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return card({"name": name, "data": {"source": str(path)}, **changes})


def verdicts(card: TaskCard, tasks: list[Task], texts: list[str]) -> list[Status]:
    term = card.reward[0]
    answers = [Answer.from_text(text) for text in texts]
    results = score(Term(term.name, 1.0, term.params), tasks, answers, timeout_s=card.deadline_s)
    return [result.status for result in results]


def complaint(card: TaskCard) -> str:
    with pytest.raises(DataError) as caught:
        tasks_of(card)
    return str(caught.value)


def test_options_in_their_own_order_stand_under_the_problem(tmp_path: Path):
    mmlu = local(tmp_path / "a.jsonl", "mmlu_pro", [SUMS])
    (task,) = tasks_of(mmlu)
    assert (task.id, task.prompt, task.answer) == ("7", "1+1?\n\nA. 1\nB. 2\nC. 3", "B")
    assert (task.meta["options"], level_of(mmlu, task)) == (["1", "2", "3"], "math")
    assert verdicts(mmlu, [task] * 3, ["\\boxed{B}", "\\boxed{2}", "\\boxed{C}"]) == [
        Status.OK,
        Status.OK,
        Status.WRONG,
    ]


def test_shuffled_options_keep_the_right_one_and_depend_on_nothing_but_the_texts(tmp_path: Path):
    rows = [{**TREES, "Question": f"Leaf {i}?", "Record ID": f"r{i}"} for i in range(200)]
    gpqa = local(tmp_path / "a.jsonl", "gpqa_diamond", rows)
    tasks = tasks_of(gpqa)
    lines = [dict(line.split(". ") for line in task.prompt.splitlines()[2:]) for task in tasks]
    assert all(list(line) == ["A", "B", "C", "D"] for line in lines)
    assert {line[task.answer] for task, line in zip(tasks, lines, strict=True)} == {"green"}
    share = Counter(task.answer for task in tasks)
    assert min(share[letter] for letter in "ABCD") > 30  # 50 expected, standard deviation 6
    assert verdicts(gpqa, tasks[:5], [f"\\boxed{{{task.answer}}}" for task in tasks[:5]]) == [Status.OK] * 5
    assert level_of(gpqa, tasks[0]) == "Biology"
    swapped = {"Incorrect Answer 1": "grey", "Incorrect Answer 3": "red", "Record ID": "other"}
    other = tasks_of(local(tmp_path / "b.jsonl", "gpqa_diamond", [{**row, **swapped} for row in rows[:1]]))
    assert (other[0].prompt, other[0].answer) == (tasks[0].prompt, tasks[0].answer)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("mmlu_pro", {"answer": "D"}, "7: the answer 'D' is no letter from A to C"),
        ("mmlu_pro", {"options": ["2"]}, "task mmlu_pro: 7 has 1 options, expected 2 to 26, in options"),
        ("mmlu_pro", {"options": None}, "task mmlu_pro: 7 has 0 options, expected 2 to 26, in options"),
        ("mmlu_pro", {"options": ["1", None, "2"]}, "task mmlu_pro: 7 has an empty option, in options"),
        ("gpqa_diamond", {"Incorrect Answer 3": None}, None),
    ],
)
def test_options_that_cannot_be_used_are_told(tmp_path: Path, name: str, change: dict[str, Any], message: str | None):
    one = local(tmp_path / "a.jsonl", name, [{**(SUMS if name == "mmlu_pro" else TREES), **change}])
    if message is None:
        assert len(tasks_of(one)[0].meta["options"]) == 3
    else:
        assert message in complaint(one)


def test_a_gold_text_that_is_no_option_is_told(tmp_path: Path):
    gpqa = local(tmp_path / "a.jsonl", "gpqa_diamond", [TREES], options={"columns": ["Incorrect Answer 1", "Question"]})
    assert complaint(gpqa) == "r1: the answer 'green' is none of its options"


def test_programs_are_judged_by_the_columns_of_their_data_set(tmp_path: Path):
    mbpp_row = {"task_id": 2, "prompt": "Double it.", "code": "-", "test_list": ["assert double(2) == 4"] * 2}
    mbpp = local(tmp_path / "mbpp.jsonl", "mbpp", [mbpp_row])
    (double,) = tasks_of(mbpp)
    tests = "assert double(2) == 4\nassert double(2) == 4"
    assert double.prompt == f"Double it.\n\nYour program must pass these tests:\n{tests}"
    right, wrong = "```python\ndef double(x): return 2 * x\n```", "```python\ndef double(x): return x\n```"
    assert verdicts(mbpp, [double] * 2, [right, wrong]) == [Status.OK, Status.WRONG]

    stub = 'def double(x):\n    """Twice x."""\n'
    human = {"task_id": "HumanEval/0", "prompt": stub, "entry_point": "double", "canonical_solution": "  return 2 * x"}
    humaneval = local(
        tmp_path / "human.jsonl", "humaneval", [{**human, "test": "def check(candidate):\n  assert candidate(2) == 4"}]
    )
    assert verdicts(humaneval, tasks_of(humaneval) * 2, [right, wrong]) == [Status.OK, Status.WRONG]


def test_contest_problems_are_called_or_read_their_input(tmp_path: Path):
    printed = {"problem": "Double the input.", "starter_code": "", "metadata": {"func_name": None}}
    printed["tests"] = json.dumps([{"input": "2\n", "output": "4\n", "testtype": "stdin"}])
    called = {"problem": "Double x.", "starter_code": "class Solution:", "metadata": {"func_name": "double"}}
    called["tests"] = json.dumps([{"input": "2", "output": "4", "testtype": "functional"}])
    contest = local(tmp_path / "lcb.jsonl", "livecodebench", [printed, called])
    tasks = tasks_of(contest)
    assert [task.prompt for task in tasks] == ["Double the input.", "Double x.\n\nclass Solution:"]
    assert [task.answer for task in tasks] == ["", ""]
    programs = ["print(2 * int(input()))", "class Solution:\n    def double(self, x):\n        return 2 * x"]
    fenced = [f"```python\n{program}\n```" for program in programs]
    assert verdicts(contest, tasks, fenced) == [Status.OK, Status.OK]
    assert verdicts(contest, tasks, fenced[::-1]) == [Status.WRONG, Status.WRONG]


def test_rows_are_left_out_by_a_column(tmp_path: Path):
    kinds = ["reversing operation", "critical thinking", "problem understanding"]
    rows = [{"question": f"q{i}", "answer": "1", "perturbation_type": kind} for i, kind in enumerate(kinds)]
    plus = local(tmp_path / "a.jsonl", "gsm_plus", rows)
    assert [(task.prompt, level_of(plus, task)) for task in tasks_of(plus)] == [("q0", kinds[0]), ("q2", kinds[2])]
    assert "a.jsonl: every row is left out by without" in complaint(local(tmp_path / "a.jsonl", "gsm_plus", [rows[1]]))


def test_strata_are_text_and_an_unknown_column_is_told_before_anything_is_sampled(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    rows = [
        {"prompt": f"q{i}", "answer": "1", "hard": {"level": level}} for i, level in enumerate([5.0, 4.75, 3, None])
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    leveled = card({"name": str(path), "level": "hard.level"})
    assert [level_of(leveled, task) for task in tasks_of(leveled)] == ["5", "4.75", "3", ""]
    assert [level_of(of_file(str(path)), task) for task in tasks_of(of_file(str(path)))] == [""] * 4
    for column, hint in (
        ("hrd", "; did you mean hard?"),
        ("hard.lvl", ""),
        ("zzz", "; there are prompt, answer, hard"),
    ):
        unknown = card({"name": str(path), "level": column})
        assert complaint(unknown).startswith(f"task a: level: a.jsonl:1 has no column '{column}'{hint}")
    assert "no column 'question' for the prompt" in complaint(of_file(str(path), prompt="question"))
    assert "no such data file; did you mean" in complaint(of_file(str(tmp_path / "b.jsonl")))
    path.write_text("")
    assert complaint(of_file(str(path))) == f"{path}: no rows"


def test_a_limit_takes_the_first_problems(tmp_path: Path):
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"p{i}", "answer": "1"}) + "\n" for i in range(9)), encoding="utf-8")
    assert [task.prompt for task in tasks_of(of_file(str(path)), limit=3)] == ["p0", "p1", "p2"]
    assert len(tasks_of(of_file(str(path)))) == len(tasks_of(of_file(str(path)), limit=10)) == 9


def test_generated_problems_are_judged_by_their_own_scorer():
    sums = of_gym("chain_sum", limit=6)
    tasks = tasks_of(sums, seed=3)
    assert len(tasks) == 6
    assert tasks == tasks_of(sums, seed=3)
    assert tasks != tasks_of(sums, seed=4)
    assert verdicts(sums, tasks, [f"<answer>{task.answer}</answer>" for task in tasks]) == [Status.OK] * 6
    assert verdicts(sums, tasks[:1], ["<answer>none</answer>"]) == [Status.WRONG]
    leveled = card({"name": "reasoning_gym:chain_sum", "data": {"limit": 4}, "level": "metadata.num_terms"})
    assert all(level_of(leveled, task).isdigit() for task in tasks_of(leveled))


@pytest.mark.parametrize("name", ["boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"])
def test_puzzles_with_many_right_answers_have_no_gold(name: str):
    assert [task.answer for task in tasks_of(of_gym(name, limit=2))] == ["", ""]


def test_an_unknown_generated_data_set_is_told():
    assert "no such data set; did you mean chain_sum?" in complaint(of_gym("chain_sums"))


@pytest.mark.parametrize(
    ("name", "file", "changes", "count", "levels"),
    [
        ("gsm8k", "gsm8k_test.jsonl", {}, 1319, {"": 1319}),
        (
            "math500",
            "math500_test.json",
            {"level": "difficulty"},
            500,
            {"1": 43, "2": 90, "3": 105, "4": 128, "5": 134},
        ),
        ("aime24", "aime24_test.json", {}, 30, {"": 30}),
    ],
)
def test_the_real_data_counts_and_its_golds_are_right_answers(
    name: str, file: str, changes: dict[str, str], count: int, levels: dict[str, int]
):
    if not (DATA / file).is_file():
        pytest.skip(f"no {file} in {DATA}; RATION_DATA names another folder")
    one = card({"name": name, "data": {"source": str(DATA / file)}, **changes})
    tasks = tasks_of(one)
    assert len(tasks) == len({task.id for task in tasks}) == count
    assert Counter(level_of(one, task) for task in tasks) == levels
    some = tasks_of(one, limit=40)
    assert verdicts(one, some, [f"So it is \\boxed{{{task.answer}}}." for task in some]) == [Status.OK] * len(some)
