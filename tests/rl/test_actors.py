"""What an engine actor proves before it serves, and how a run puts its tasks to the model."""

from __future__ import annotations

import pytest
from example_config import TEXT, write_config
from make_groups import make_answer, make_rollout

from rl.actors import CANARY_BUDGET, check_canary, prompt_format
from rl.config_file import load
from rollout.prompts import PromptFormat
from rollout.types import BudgetPrior, Group, Task


def group_of(*lengths: int) -> Group:
    """Thoughts of these lengths, each with an answer of twenty tokens, which a budget does not bind."""
    prior = BudgetPrior.single(CANARY_BUDGET)
    answers = [[[make_answer(prior.largest, length, range(20))]] for length in lengths]
    rollouts = [make_rollout(range(length), at) for length, at in zip(lengths, answers, strict=True)]
    return Group(Task("canary", "1 + 1", "2"), prior, tuple(rollouts))


def complaint(*groups: Group) -> str | None:
    try:
        check_canary(groups)
    except RuntimeError as error:
        return str(error)
    return None


def test_thoughts_within_the_budget_pass():
    assert CANARY_BUDGET == 8
    assert complaint(group_of(1, 8, 3)) is None
    assert complaint(group_of(8), group_of(0)) is None


@pytest.mark.parametrize("lengths", [(1, 9), (9, 1)])
def test_one_thought_over_the_budget_is_enough_to_refuse(lengths):
    assert complaint(group_of(8), group_of(*lengths)) == (
        "the engine does not enforce thinking budgets: a thought under a budget of 8 took 9 tokens"
    )


def test_the_prompt_format_of_a_config(tmp_path):
    path = write_config(tmp_path, TEXT)
    assert prompt_format(load(path)) == PromptFormat()
    knobs = ["data.template=Within {budget}: {prompt}", "data.system=Be brief.", "rollout.cue=So: "]
    knobs += ["rollout.think_end=</t>", "rollout.closing=Enough.</t>"]
    assert prompt_format(load(path, knobs)) == PromptFormat(
        template="Within {budget}: {prompt}",
        system="Be brief.",
        think_end="</t>",
        closing="Enough.</t>",
        cue="So: ",
    )
