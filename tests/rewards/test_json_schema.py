import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import Status, score
from rewards.json_schema import json_schema
from rewards.terms import Term
from rollout.types import Answer, Task

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}


def judged(text: str, gold: str = "", schema=PERSON, **knobs):
    task = Task("t2", "?", gold, meta={} if schema is None else {"schema": schema})
    result = json_schema(task, Answer.from_text(text), **knobs)
    assert result.value == (1.0 if result.status is Status.OK else 0.0)
    return result


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ada", "age": 36}',
        ' {"name": "Ada"}\n',
        'Here: <answer>{"name": "Ada"}</answer>',
        'Here: <answer>\n```json\n{"name": "Ada"}\n```\n</answer>',
        'First\n```json\n{"name": 1}\n```\nthen\n```JSON\n{"name": "Ada"}\n```\nthat is it.',
        'In a line: ```json {"name": "Ada"}``` so.',
        '```json\n{"name": "```"}\n```',
        '{"name": "<answer>1</answer>"}',
    ],
)
def test_valid_wherever_it_stands(text):
    assert judged(text).status is Status.OK
    assert judged(text, schema=json.dumps(PERSON)).status is Status.OK


def test_invalid_says_where():
    assert judged('{"name": "Ada", "age": -1}').detail == "$.age: -1 is less than the minimum of 0"
    assert judged("{}").detail == "$: 'name' is a required property"
    assert judged('{"name": "Ada", "x": 1}').status is Status.WRONG
    assert judged("[]").status is Status.WRONG


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "{'name': 'Ada'}",
        '{"name": "Ada"',
        '<answer>{"name": "Ada"}',
        '<answer>\n```json\n{"name": "Ada"}\n```',
        '```json\n{"name": "Ada"}',
        '{"name": "Ada", "age": NaN}',
        "-Infinity",
        "9" * 10**6,
        "[" * 10**6,
        "[" * 10**5 + "]" * 10**5,
        "```json" * 10**5,
        "{" * 10**6,
    ],
)
def test_unparsable(text):
    assert judged(text).status is Status.UNPARSABLE


@pytest.mark.parametrize(
    ("gold", "text", "equal"),
    [
        ('{"a": [1, 2], "b": null}', '{"b": null, "a": [1.0, 2]}', True),
        ("1", "1.0", True),
        ("1", "true", False),
        ("0", "false", False),
        ("[1, true]", "[true, 1]", False),
        ("[1, 2]", "[2, 1]", False),
        ('"8"', "8", False),
        ("null", "null", True),
    ],
)
def test_equality_is_that_of_json(gold, text, equal):
    assert judged(text, gold, schema=None).status is (Status.OK if equal else Status.WRONG)
    assert judged(text, gold, schema=True, match="schema").status is Status.OK


def test_a_gold_must_be_matched_besides_the_schema():
    assert judged('{"name": "Ada"}', '{"name": "Ada"}').status is Status.OK
    wrong = judged('{"name": "Bob"}', '{"name": "Ada"}')
    assert (wrong.status, wrong.detail) == (Status.WRONG, "$: {'name': 'Ada'} was expected")
    assert judged('{"name": 1}', '{"name": 1}').status is Status.WRONG  # equal, but invalid
    assert judged('{"name": "Bob"}', '{"name": "Ada"}', match="schema").status is Status.OK


def test_the_schema_of_a_file(tmp_path):
    file = tmp_path / "person.json"
    file.write_text(json.dumps(PERSON))
    task = Task("t", "?", "")
    ok = json_schema(task, Answer.from_text('{"name": "Ada"}'), schema=str(file))
    wrong = json_schema(task, Answer.from_text("{}"), schema=str(file))
    assert [ok.status, wrong.status] == [Status.OK, Status.WRONG]
    own = Task("t", "?", "", meta={"schema": {"type": "integer"}})
    assert json_schema(own, Answer.from_text("8"), schema=str(file)).status is Status.OK  # the task's own goes first
    with pytest.raises(ValueError, match=r"nowhere\.json' cannot be read: No such file"):
        json_schema(task, Answer.from_text("8"), schema=str(tmp_path / "nowhere.json"))
    file.with_name("bad.json").write_text('{"type": 3}')
    with pytest.raises(ValueError, match="is not a JSON schema"):
        json_schema(task, Answer.from_text("8"), schema=str(file.with_name("bad.json")))


@pytest.mark.parametrize(
    ("gold", "schema", "detail"),
    [
        ("", None, "neither a schema nor a gold answer"),
        ("{a}", PERSON, "the gold '{a}' is not JSON"),
        ("", "{", "'{' is not a JSON schema: Expecting property name"),
        ("", {"type": 3}, "is not a JSON schema: 3 is not valid under any of the given schemas"),
        ("", {"$ref": "#/nowhere"}, "PointerToNowhere"),
    ],
)
def test_what_cannot_be_used_is_an_error_of_the_data(gold, schema, detail):
    result = judged("{}", gold, schema)
    assert result.status is Status.ERROR
    assert result.detail.startswith("task t2: ")
    assert detail in result.detail
    assert "\n" not in result.detail


def test_a_remote_reference_is_never_fetched():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        result = judged("{}", schema={"$ref": f"http://127.0.0.1:{server.getsockname()[1]}/person.json"})
        with pytest.raises(TimeoutError):
            server.accept()
    assert result.status is Status.ERROR
    assert "Unresolvable" in result.detail


def test_the_drafts_themselves_may_be_referred_to():
    schema = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
    assert judged(json.dumps(PERSON), schema=schema).status is Status.OK
    assert judged('{"type": 3}', schema=schema).status is Status.WRONG


def test_the_schema_names_its_draft():
    old = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": True}
    assert judged("4", schema=old).status is Status.OK
    assert judged("3", schema=old).status is Status.WRONG


def test_an_answer_nested_too_deeply_for_a_recursive_schema_is_wrong():
    nested = {"type": "array", "items": {"$ref": "#"}}
    assert judged("[[[]]]", schema=nested).status is Status.OK
    assert judged("[" * 900 + "]" * 900, schema=nested).detail == "nested too deeply for the schema"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("value", [{"\\boxed{": None}, ["\\boxed{1}"], {"<answer>": "2</answer>"}])
def test_marks_inside_a_fence_are_characters_of_the_json(value):
    fenced = f"so\n```json\n{json.dumps(value)}\n```\n"
    assert judged(fenced, json.dumps(value), schema=None).status is Status.OK
    assert judged(f"{fenced}and \\boxed{{", json.dumps(value), schema=None).status is Status.UNPARSABLE


@given(JSON)
def test_every_value_equals_itself_however_it_is_written(value):
    assert judged(json.dumps(value, indent=1), json.dumps(value, ensure_ascii=False), schema=None).status is Status.OK
    fenced = f"so\n```json\n{json.dumps(value, indent=1)}\n```\n"
    assert judged(fenced, json.dumps(value), schema=None).status is Status.OK


@given(st.text())
def test_no_text_raises(text):
    assert judged(text).status in (Status.WRONG, Status.UNPARSABLE)


def test_on_a_worker():
    task = Task("t", "?", '{"name": "Ada"}', meta={"schema": PERSON})
    answers = [Answer.from_text(text) for text in ('{"name": "Bob"}', "{}", "Bob")]
    term = Term("rewards.json_schema:json_schema", params={"match": "schema"})
    results = score(term, [task] * 3, answers, workers=1)
    assert [result.status for result in results] == [Status.OK, Status.WRONG, Status.UNPARSABLE]
