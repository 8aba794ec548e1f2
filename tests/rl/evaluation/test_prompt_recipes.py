import pytest

from rewards import Status, score
from rl.errors import BadInput
from rl.evaluation.recipes import RECIPES, Recipe, recipe_of
from rollout.prompts import PromptFormat, prompt_ids
from rollout.types import Answer, Task


class Letters:
    """A tokenizer of characters whose chat template shows who speaks."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return [ord(letter) for letter in text]

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str:
        return "".join(map(chr, token_ids))

    def convert_tokens_to_ids(self, tokens: str) -> int | None:
        return ord(tokens)

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: object) -> list[int]:
        return self.encode("|".join(f"{m['role']}: {m['content']}" for m in conversation), add_special_tokens=False)


def said(name: str, problem: str) -> str:
    recipe = recipe_of(name)
    style = PromptFormat(template=recipe.template, system=recipe.system)
    ids = prompt_ids(Task("t", problem, "2"), style, Letters(), budget=512, effort=0.25)
    return Letters().decode(list(ids), skip_special_tokens=False)


def test_the_wordings_that_models_were_trained_with():
    assert said("plain", "1+1?") == "user: 1+1?"
    steps = "Let's think step by step and output the final answer within \\boxed{}."
    assert said("l1_exact", "1+1?") == f"user: 1+1?\n\n{steps} Think for 512 tokens."
    assert said("l1_max", "1+1?") == f"user: 1+1?\n\n{steps} Think for maximum 512 tokens."
    assert said("think_prune", "1+1?").endswith(" The output of the assistant should be within 512 tokens.")
    assert said("effort", "1+1?").endswith(" Use relative effort r = 0.25.")
    assert said("boxed", "1+1?").removeprefix("user: 1+1?\n\n") == (
        "Please reason step by step, and put your final answer within \\boxed{}."
    )
    assert said("qwen_math", "1+1?").startswith("system: Please reason step by step")
    assert said("r1_zero", "1+1?").startswith("system: A conversation between User and Assistant.")
    assert said("r1_zero", "1+1?").endswith("|user: 1+1?")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_shows_the_problem_once_and_leaves_no_place_open(name: str):
    text = said(name, "Is {x} in {budget}?")  # a problem may hold braces
    assert text.count("Is {x} in {budget}?") == 1
    assert not any(place in text.replace("Is {x} in {budget}?", "") for place in ("{prompt}", "{budget}", "{effort}"))


@pytest.mark.parametrize(
    ("reward", "task", "text"),
    [
        ("math", Task("t", "", "2"), "\\boxed{2}"),
        ("math", Task("t", "", "2"), "<answer>2</answer>"),
        ("choice", Task("t", "", "B", meta={"options": ["x", "y"]}), "It is \\boxed{B}"),
        ("code", Task("t", "", "", meta={"test_list": ["assert one() == 1"]}), "```python\ndef one(): return 1\n```"),
    ],
)
def test_answers_in_the_form_that_recipes_ask_for_are_read(reward: str, task: Task, text: str):
    assert [result.status for result in score(reward, [task], [Answer.from_text(text)])] == [Status.OK]


def test_a_template_of_ones_own_is_a_recipe_and_a_wrong_name_is_told():
    assert recipe_of("Q: {prompt}") == Recipe("Q: {prompt}")
    with pytest.raises(BadInput, match="no recipe is named 'boxd'; did you mean boxed\\?; or write a template"):
        recipe_of("boxd")
    with pytest.raises(BadInput, match="; there are plain, boxed, "):
        recipe_of("Solve this.")
