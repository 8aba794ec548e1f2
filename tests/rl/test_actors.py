"""What an engine actor proves before it serves, and how a run puts its tasks to the model."""

from __future__ import annotations

import pytest
from example_config import TEXT, write_config
from make_groups import make_answer, make_rollout

from rl.actors import CANARY_BUDGET, check_canary, prompt_format
from rl.config_file import load
from rollout.prompts import PromptFormat
from rollout.types import Finish, Rollout


def thought(length: int, finish: Finish = Finish.BUDGET) -> Rollout:
    """A thought with an answer of twenty tokens, which a budget does not bind."""
    return make_rollout(range(length), [[make_answer(CANARY_BUDGET, length, range(20))]], finish=finish)


def complaint(*thoughts: Rollout) -> str | None:
    try:
        check_canary(thoughts)
    except RuntimeError as error:
        return str(error)
    return None


def test_thoughts_that_were_closed_at_the_budget_pass():
    assert CANARY_BUDGET == 8
    assert complaint(thought(8), thought(8)) is None


@pytest.mark.parametrize("wrong", [thought(9), thought(3), thought(8, Finish.CLOSED), thought(3, Finish.CLOSED)])
def test_one_thought_that_ended_otherwise_is_enough_to_refuse(wrong):
    """One that ended by itself says nothing about budgets; it was not allowed to."""
    assert complaint(thought(8), wrong) == (
        "the engine does not enforce thinking budgets: a thought that may not end by itself took "
        f"{len(wrong.token_ids)} tokens under a budget of 8 ({wrong.finish}); "
        "`ration doctor` says whether this vLLM is one that Ration knows"
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
