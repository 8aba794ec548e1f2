"""Every form in which a reward may be written, on real workers where it matters."""

import asyncio
from functools import partial
from pathlib import Path

import bad_annotations as annotated
import bad_forms as forms
import pytest

from rewards import Status, score
from rewards.forms import ABSENT, batch_of, is_single, parameters, reads_token_ids
from rewards.terms import Term, terms_of
from rollout.types import Answer, Finish, Task

FILE = Path(forms.__file__)
TASK = Task("t", "What is 4 + 4?", "8", meta={"solution": "8"})


def answers(*texts):
    return [Answer.from_text(text) for text in texts]


def called(function, *texts, task=TASK, **given):
    batch = batch_of(function, given, "mine", asyncio.run, 1.0)
    return batch([task] * len(texts), answers(*texts))


def test_parameters_are_checked_against_signature_and_annotations():
    assert parameters(forms.near, {"rel": "0.5", "unit": " m"}, "near") == {"rel": 0.5, "unit": " m"}
    assert parameters(forms.with_default, {"bonus": 2}, "x") == {"bonus": 2.0}
    with pytest.raises(ValueError, match="has no parameter 'rell'; did you mean 'rel'"):
        parameters(forms.near, {"rell": 1}, "near")
    with pytest.raises(ValueError, match=r"params.rel = 'big': Input should be a valid number"):
        parameters(forms.near, {"rel": "big"}, "near")
    with pytest.raises(ValueError, match='reward "needs" needs params: table'):
        parameters(forms.needs, {}, "needs")


def test_annotations_are_read_only_where_a_parameter_is_given():
    assert called(annotated.typed, "8") == [1.0]
    assert called(annotated.typed, "8", rel="0.5") == [1.5]
    assert called(annotated.typed_by_a_stranger, "8") == [1.0]
    message = "reward \"mine\": the annotation of rel cannot be read: name 'Decimal' is not defined"
    with pytest.raises(ValueError, match=message):
        called(annotated.typed_by_a_stranger, "8", rel=1)


def test_partial_functions_and_objects_that_are_called():
    assert called(forms.near_half, "8", "12", "13") == [1.0, 1.0, 0.0]
    assert called(forms.near_half, "9", rel="0.0") == [0.0]
    assert called(forms.grader, "8") == [1.0]
    assert called(forms.grader, "8", half="true") == [0.5]
    assert [is_single(forms.near_half), is_single(forms.grader)] == [True, False]
    with pytest.raises(ValueError, match=r"params.half = 'very': Input should be a valid boolean"):
        called(forms.grader, "8", half="very")


def test_one_answer_at_a_time():
    assert called(forms.near, "8", "8.7", "9") == [1.0, 1.0, 0.0]
    assert called(forms.near, "8.7 m", rel=0.0, unit=" m") == [0.0]
    assert called(forms.needs, "a", "b", table="a") == [1.0, 0.0]


def test_coroutines_run_together_and_fail_alone():
    good, hung, failed = called(forms.slow_echo, "0.5", "hang", "raise")
    assert good == 0.5
    assert (hung.status, hung.detail) == (Status.TIMEOUT, "not judged within 1 s")
    assert (failed.status, failed.detail) == (Status.ERROR, "LookupError: no such thing")


def test_several_at_once():
    assert called(forms.several, "1", "0.5") == [1.0, 0.5]
    assert called(forms.several_later, "a", "b") == [2, 2]


def test_trl_functions_get_what_its_trainer_hands_them():
    assert called(forms.trl_messages, "it is 8", "it is 9") == [1.0, 0.0]
    assert called(forms.trl_messages, "8", task=Task("u", "?", "8", meta={"solution": None})) == [ABSENT]
    assert called(forms.trl_text, "8", "9", completions="text") == [1.0, 0.0]
    answer = Answer(8, 3, (7,), (5, 6), (0.0, 0.0), "8", Finish.STOP, "1+1", thought_ids=(1, 2, 3))
    assert batch_of(forms.trl_length, {}, "x", asyncio.run, 1.0)([TASK], [answer]) == [6.0]
    with pytest.raises(ValueError, match=r"params\.completions is one of messages, text"):
        called(forms.trl_text, "8", completions="chat")


def test_trl_coroutines_are_awaited_and_may_log():
    assert called(forms.trl_later, "8", "9") == [1.0, 0.0]
    results = on_workers(f"{FILE}:trl_later", [TASK] * 2, answers("8", "9"))
    assert [(r.status, r.value) for r in results] == [(Status.OK, 1.0), (Status.WRONG, 0.0)]


def test_trl_completions_hold_the_thought_as_well():
    seen = []

    def keep(completions):
        seen.extend(completions)
        return [0.0] * len(completions)

    batch = batch_of(keep, {"completions": "text"}, "keep", asyncio.run, 1.0)
    batch([TASK, TASK], [Answer.from_text("8", thought="4+4</think>"), Answer.from_text("8", thought="4+")])
    assert seen == ["4+4</think>8", "4+</think>8"]


def test_forms_are_told_apart():
    single = {f.__name__: is_single(f) for f in (forms.near, forms.slow_echo, forms.several, forms.trl_length)}
    assert single == {"near": True, "slow_echo": False, "several": False, "trl_length": False}
    assert [reads_token_ids(f) for f in (forms.near, forms.trl_length, forms.trl_messages)] == [False, True, False]
    with pytest.raises(ValueError, match=r"has the signature \(task, answer, extra\); a reward takes"):
        batch_of(forms.three, {}, "three", asyncio.run, 1.0)


def test_terms_come_in_every_spelling():
    named = {"name": "m:f", "weight": 2, "params": {"rel": 1}, "sources": ["a"], "label": "g"}
    assert terms_of(["math", ("exact", 0.5), named, Term("x.py:y")]) == (
        Term("math", 1.0, {}, (), "math"),
        Term("exact", 0.5, {}, (), "exact"),
        Term("m:f", 2.0, {"rel": 1}, ("a",), "g"),
        Term("x.py:y", 1.0, {}, (), "y"),
    )
    with pytest.raises(ValueError, match="two rewards are called 'f': give one another `label`"):
        terms_of(["a:f", "b:f"])
    with pytest.raises(ValueError, match="no reward is named"):
        terms_of([])
    with pytest.raises(TypeError, match="'wait': 2"):
        terms_of([{"name": "exact", "wait": 2}])


on_workers = partial(score, timeout_s=2.0)


def test_one_bad_answer_of_a_call_is_found_by_judging_each_alone():
    bad = {3: "hang", 9: "exit", 20: "raise", 33: "count"}
    texts = [bad.get(i, str(i)) for i in range(40)]
    results = on_workers(f"{FILE}:several", [TASK] * 40, answers(*texts))
    assert [results[i].value for i in range(40) if i not in bad] == [float(i) for i in range(40) if i not in bad]
    assert [results[i].status for i in bad] == [Status.TIMEOUT, Status.ERROR, Status.ERROR, Status.ERROR]
    assert "exit code 4" in results[9].detail
    assert "LookupError: one of them" in results[20].detail
    assert "returned 2 values for 1 answers" in results[33].detail


def test_a_routed_term_judges_its_sources_alone():
    terms = [{"name": "exact", "sources": ["words"]}, {"name": "math", "sources": ["sums"]}]
    tasks = [Task("1", "?", "8", source="words"), Task("2", "?", "8", source="sums"), Task("3", "?", "8", source="x")]
    results = on_workers(terms, tasks, answers("8.0", "8.0", "8.0"))
    assert [(r.status, dict(r.parts)) for r in results] == [
        (Status.WRONG, {"exact": 0.0}),
        (Status.OK, {"math": 1.0}),
        (Status.ERROR, {}),
    ]
    assert results[2].detail == "task 3: no reward judges source 'x'"


def test_several_forms_in_one_reward():
    terms = ["exact", (f"{FILE}:slow_echo", 0.1), (f"{FILE}:trl_messages", 10.0)]
    results = on_workers(terms, [TASK] * 2, answers("8", "9"))
    assert [r.value for r in results] == pytest.approx([1 + 0.8 + 10, 0 + 0.9 + 0])
    assert dict(results[0].parts) == {"exact": 1.0, "slow_echo": 8.0, "trl_messages": 1.0}
