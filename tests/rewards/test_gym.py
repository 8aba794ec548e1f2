import pytest

from rewards import Status
from rewards.gym import reasoning_gym
from rollout.types import Answer, Task


def judged(text: str, *, dataset: str = "chain_sum", answer: str = "-4", **metadata):
    entry = {"question": "4 - 1 - 7 =", "answer": answer, "metadata": metadata}
    task = Task("t", entry["question"], answer, meta={"dataset": dataset, "entry": entry})
    return reasoning_gym(task, Answer.from_text(text))


def test_right_and_wrong():
    assert judged("<answer>-4</answer>").status is Status.OK
    assert judged("<answer> -4.0 </answer>").value == 1.0  # chain_sum's own tolerance
    wrong = judged("<answer>4</answer>")
    assert wrong.status is Status.WRONG
    assert 0 <= wrong.value < 1


def test_partial_credit_is_the_value_of_a_wrong_answer():
    result = judged("<answer>14</answer>", dataset="gcd", answer="4")
    assert (result.status, result.value) == (Status.WRONG, 0.5)  # the gold answer is half of the text


@pytest.mark.parametrize("text", ["", "-4", "<answer></answer>", "<answer>-4", "٤ ½ 答"])
def test_unparsable_without_a_complete_mark(text):
    assert judged(text).status is Status.UNPARSABLE


def test_agrees_with_the_dataset_on_its_own_answers():
    from reasoning_gym import create_dataset

    for name in ("chain_sum", "gcd", "spell_backward", "countdown"):
        for entry in create_dataset(name, seed=3, size=5):
            task = Task("t", entry["question"], entry["answer"], meta={"dataset": name, "entry": entry})
            assert reasoning_gym(task, Answer.from_text(f"<answer>{entry['answer']}</answer>")).status is Status.OK
            assert reasoning_gym(task, Answer.from_text("<answer>no</answer>")).status is Status.WRONG


def test_a_task_of_another_source_is_an_error_of_the_data():
    result = reasoning_gym(Task("t9", "?", "8"), Answer.from_text("<answer>8</answer>"))
    assert (result.status, result.value) == (Status.ERROR, 0.0)
    assert result.detail == "task t9: no meta dataset and entry"


@pytest.mark.parametrize("text", ["", "<answer>8</answer>"])
def test_an_unknown_dataset_is_an_error_of_the_data(text):
    result = judged(text, dataset="no_such")
    assert (result.status, result.detail) == (Status.ERROR, "task t: meta dataset: Dataset 'no_such' not registered")
