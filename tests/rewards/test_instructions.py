import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import Status, score
from rewards.instructions import instructions
from rewards.terms import Term
from rollout.types import Answer, Task

# A row as the published data has it: every parameter in every mapping, None where it is not one.
META = {
    "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words", "startend:end_checker"],
    "kwargs": [
        {"num_words": None, "relation": None, "end_phrase": None},
        {"num_words": 3, "relation": "at least", "end_phrase": None},
        {"num_words": None, "relation": None, "end_phrase": "the end"},
    ],
}


def judged(text: str, meta=META, **knobs):
    return instructions(Task("t4", "?", "", meta=meta), Answer.from_text(text), **knobs)


def test_all_must_hold():
    result = judged("this is the end")
    assert (result.status, result.value) == (Status.OK, 1.0)
    assert result.parts == dict.fromkeys(META["instruction_id_list"], 1.0)
    result = judged("well, this is the end")
    assert (result.status, result.value) == (Status.WRONG, 0.0)
    assert list(result.parts.values()) == [0.0, 1.0, 1.0]
    assert result.detail == "not followed: punctuation:no_comma"


def test_the_share_that_holds():
    assert judged("this is the end", share=True).value == 1.0
    result = judged("well, what", share=True)
    assert (result.status, result.value) == (Status.WRONG, 0.0)
    result = judged("well, this is it", share=True)
    assert (result.status, result.value) == (Status.WRONG, pytest.approx(1 / 3))


def test_the_response_is_the_whole_text_or_what_stands_in_the_tags():
    assert judged("well, so: <answer>this is the end</answer>").status is Status.OK
    assert judged("this is the end\n").status is Status.OK
    for text in ("", " \n", "<answer>this is the end", "so <answer> </answer>"):
        assert judged(text).status is Status.UNPARSABLE


def test_an_instruction_that_comes_twice_has_two_parts():
    meta = {
        "instruction_id_list": ["keywords:existence"] * 2,
        "kwargs": [{"keywords": ["cat"]}, {"keywords": ["dog"]}],
    }
    assert judged("a cat", meta).parts == {"keywords:existence": 1.0, "keywords:existence#2": 0.0}


@pytest.mark.parametrize(
    ("meta", "detail"),
    [
        ({}, "no meta instruction_id_list and kwargs"),
        ({"instruction_id_list": ["punctuation:no_comma"]}, "no meta kwargs"),
        ({"instruction_id_list": [], "kwargs": []}, "0 instructions with 0 kwargs, which are one mapping for each"),
        (
            {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}, {}]},
            "1 instructions with 2 kwargs, which are one mapping for each",
        ),
        (
            {"instruction_id_list": ["punctuation:no_comma"], "kwargs": ["x"]},
            "1 instructions with 1 kwargs, which are one mapping for each",
        ),
        (
            {"instruction_id_list": ["punctuation:no_coma"], "kwargs": [{}]},
            'no instruction is named "punctuation:no_coma"; did you mean "punctuation:no_comma"?',
        ),
        (
            {"instruction_id_list": ["keywords:frequency"], "kwargs": [{"keyword": "a", "frequency": 1}]},
            "keywords:frequency: relation: Missing required keyword only argument",
        ),
        (
            {"instruction_id_list": ["startend:quotation"], "kwargs": [{"language": "en"}]},
            "startend:quotation: language: Unexpected keyword argument",
        ),
        (
            {"instruction_id_list": ["language:response_language"], "kwargs": [{"language": "xx"}]},
            "language:response_language: no language has the code 'xx'",
        ),
    ],
)
def test_what_cannot_be_checked_is_an_error_of_the_data(meta, detail):
    for text in ("text", ""):
        result = judged(text, meta)
        assert (result.status, result.value, result.detail) == (Status.ERROR, 0.0, f"task t4: {detail}")


@given(st.text())
def test_no_text_raises(text):
    names = ["detectable_format:json_format", "detectable_format:title", "combination:two_responses"]
    result = judged(text, {"instruction_id_list": names, "kwargs": [{}] * 3})
    assert result.status in (Status.OK, Status.WRONG, Status.UNPARSABLE)


def test_on_a_worker():
    term = Term("rewards.instructions:instructions", params={"share": True})
    answers = [Answer.from_text(text) for text in ("this is the end", "the end", "")]
    results = score(term, [Task("t", "?", "", meta=META)] * 3, answers, workers=1)
    assert [result.status for result in results] == [Status.OK, Status.WRONG, Status.UNPARSABLE]
    assert [result.value for result in results] == [1.0, pytest.approx(2 / 3), 0.0]
