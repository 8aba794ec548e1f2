"""How a problem is put to the model: the wordings of known recipes, by name.

A template is the user's message, in which `rollout.prompts` replaces {prompt}, {budget} and {effort}. Opening the
thought is the chat template's matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rl.config_schema import suggest
from rl.errors import BadInput
from rollout.strategies.stated import WORDINGS


@dataclass(frozen=True, slots=True)
class Recipe:
    """The user's message, and the system's where the recipe has one."""

    template: str
    system: str = ""


_PUT = "Please reason step by step, and put your final answer within \\boxed{}."
_OUTPUT = "Let's think step by step and output the final answer within \\boxed{}."
_DIALOGUE = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
    "first thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning "
    "process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., "
    "<think> reasoning process here </think> <answer> answer here </answer>."
)

RECIPES: Mapping[str, Recipe] = {
    "plain": Recipe("{prompt}"),
    # DeepSeek-R1's model card: no system message, the request stands beside the problem.
    "boxed": Recipe("{prompt}\n\n" + _PUT),
    # Qwen2.5-Math's model card: the same request as the system message.
    "qwen_math": Recipe("{prompt}", system=_PUT),
    # DeepScaleR, and AnytimeReasoner after it (arXiv 2505.13438).
    "deepscaler": Recipe("{prompt} " + _OUTPUT),
    "answer_tags": Recipe("{prompt}\n\nThink it through. Then give the final answer alone, as <answer>…</answer>."),
    # DeepSeek-R1 (arXiv 2501.12948, table 1), as a system message like its reproductions have it.
    "r1_zero": Recipe("{prompt}", system=_DIALOGUE),
    "choice": Recipe("{prompt}\n\nOne option is right. Reason step by step, and put its letter within \\boxed{}."),
    "code": Recipe(
        "{prompt}\n\nSolve this in Python. Finish with the complete program, its imports included, "
        "in one ```python fence."
    ),
    # What L1 (arXiv 2503.04697) was trained with.
    "l1_exact": Recipe("{prompt}\n\n" + _OUTPUT + WORDINGS["l1_exact"]),
    "l1_max": Recipe("{prompt}\n\n" + _OUTPUT + WORDINGS["l1_max"]),
    # ThinkPrune (arXiv 2504.01296) ends its system message with the limit; here the user's does, which has {budget}.
    "think_prune": Recipe("{prompt} " + _OUTPUT + WORDINGS["think_prune"], system=_DIALOGUE),
    # e1 (arXiv 2510.27042) names a share of the usual length; its wording is not published.
    "effort": Recipe("{prompt}\n\n" + _PUT + " Use relative effort r = {effort}."),
}


def recipe_of(prompt: str) -> Recipe:
    """The recipe of a name, or one whose user's message is the text itself.

    Raises BadInput, naming the nearest recipe, for a text that is neither a name nor has the place {prompt}.
    """
    if prompt in RECIPES:
        return RECIPES[prompt]
    if "{prompt}" not in prompt:
        hint = suggest(prompt, list(RECIPES)) or f"; there are {', '.join(RECIPES)}"
        raise BadInput(f"no recipe is named {prompt!r}{hint}; or write a template with {{prompt}} in it")
    return Recipe(prompt)
