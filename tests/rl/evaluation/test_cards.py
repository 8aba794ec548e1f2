from pathlib import Path

import pytest

from rewards.forms import parameters
from rewards.plugins import resolve
from rl.config_file import dump
from rl.errors import BadInput
from rl.evaluation.cards import TaskCard, all_cards, card, names, of_file, of_gym
from rl.evaluation.recipes import recipe_of


def complaint(spec: object) -> str:
    with pytest.raises(BadInput) as caught:
        card(spec)  # pyright: ignore[reportArgumentType]
    return str(caught.value)


def test_the_tasks_that_come_with_ration():
    wanted = {"aime24", "aime25", "amc23", "college_math", "gpqa_diamond", "gsm8k", "gsm_plus", "humaneval"}
    wanted |= {"livecodebench", "math500", "mbpp", "minerva", "mmlu_pro", "olympiadbench", "svamp"}
    assert set(names()) == wanted
    assert [one.name for one in all_cards()] == names()


@pytest.mark.parametrize("name", names())
def test_a_built_in_card_has_a_verifier_that_takes_its_parameters_and_a_prompt(name: str):
    one = card(name)
    for term in one.reward:
        assert parameters(resolve(term.name), term.params, term.name).keys() == term.params.keys()
        assert one.deadline_s >= term.params.get("timeout_s", 6.0) + 4  # docs/code-rewards.md
    assert "{prompt}" in recipe_of(one.prompt).template
    assert one.about
    assert TaskCard.model_validate(one.model_dump(mode="json")) == one


def test_the_docs_list_every_card():
    page = (Path(__file__).parents[3] / "docs/eval-tasks.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for one in all_cards():
        row = next(line for line in rows if line.startswith(f"| `{one.name}` |"))
        assert f"`{one.data.source}`" in row
        assert f"`{one.reward[0].name}`" in row


def test_a_mapping_changes_a_card_section_by_section():
    gsm8k = card("gsm8k")
    assert gsm8k.data.options == {"name": "main"}
    limited = card({"name": "gsm8k", "data": {"limit": 5}})
    assert limited == gsm8k.model_copy(update={"data": gsm8k.data.model_copy(update={"limit": 5})})
    local = card({"name": "gsm8k", "data": {"source": "test.jsonl"}, "prompt": "l1_max", "reward": "numeric"})
    assert local.data == gsm8k.data.model_copy(update={"source": "test.jsonl", "options": {}})
    assert (local.name, local.prompt, [term.name for term in local.reward]) == ("gsm8k", "l1_max", ["numeric"])
    again = card({"base": "gpqa_diamond", "name": "gpqa_in_order", "version": 2, "options": {"shuffle": False}})
    assert (again.name, again.version) == ("gpqa_in_order", 2)
    before = card("gpqa_diamond").options
    assert before is not None
    assert again.options == before.model_copy(update={"shuffle": False})


def test_cards_of_ones_own(tmp_path: Path):
    whole = {"name": "mine", "version": 3, "data": {"source": "a.json"}, "prompt": "{prompt}!", "reward": "exact"}
    mine = card(whole)
    assert (mine.version, mine.data.source, mine.reward[0].name, mine.level) == (3, "a.json", "exact", "")
    file = tmp_path / "mine.yaml"
    file.write_text(dump(mine))
    assert card(str(file)) == mine
    above = tmp_path / "above.yaml"
    above.write_text("base: mine.yaml\nname: above\ndata: {limit: 7}\n")
    assert card(str(above)) == mine.model_copy(
        update={"name": "above", "data": mine.data.model_copy(update={"limit": 7})}
    )


def test_files_and_generated_problems_need_no_card():
    assert card("my data.v1.jsonl") == of_file("my data.v1.jsonl")
    assert of_file("x/my data.v1.jsonl").name == "my_data.v1"
    mapped = card({"name": "rows.parquet", "data": {"prompt": "q", "answer": "a"}, "reward": "exact"})
    assert mapped == of_file("rows.parquet", prompt="q", answer="a", reward="exact")
    assert card("reasoning_gym:chain_sum") == of_gym("chain_sum")
    assert card({"name": "reasoning_gym:chain_sum", "data": {"limit": 9}}).data == of_gym("chain_sum", limit=9).data


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gsm8l", "no task is named 'gsm8l'; did you mean gsm8k?; or reasoning_gym:NAME, a card's .yaml, a data file"),
        ("zzz", "no task is named 'zzz'; there are aime24, aime25, "),
        ("no/such.yaml", "no/such.yaml: no such file"),
        ({"name": "gsm8l", "data": {"limit": 5}}, "did you mean gsm8k?"),
        ({"data": {"limit": 5}}, "task: say with `name` which task is meant, not None"),
        ({"name": "gsm8k", "data": {"limt": 5}}, "task gsm8k: data.limt: unknown key; did you mean data.limit?"),
        ({"name": "gsm8k", "promt": "boxed"}, "task gsm8k: promt: unknown key; did you mean prompt?"),
        ({"name": "gsm8k", "prompt": "boxd"}, "task gsm8k: prompt: no recipe is named 'boxd'; did you mean boxed?"),
        ({"name": "gsm8k", "reward": []}, "task gsm8k: reward: "),
        ({"name": "gsm8k", "data": "test.jsonl"}, "task gsm8k: data: expected a section of keys, got 'test.jsonl'"),
        ({"name": "mmlu_pro", "options": {"gold": "number"}}, "options.gold: expected letter or text, got 'number'"),
        ({"name": "x", "version": 1, "data": {"source": "a.json"}, "prompt": "boxed"}, "task: reward: missing"),
    ],
)
def test_what_cannot_be_meant_is_told_with_the_nearest_choice(spec: object, message: str):
    assert message in complaint(spec)
