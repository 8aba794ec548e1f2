"""Test-time budget methods on an engine that says what it is told to."""

import asyncio
from collections.abc import Sequence

import pytest
from char_codec import CODEC, END, EOS, PROMPT, TASK, ids, teller

from rollout.prompts import PromptFormat
from rollout.sampler import Sampler
from rollout.scripted_engine import ScriptedEngine
from rollout.strategies.base import Strategy
from rollout.strategies.hard import Hard, Separate
from rollout.strategies.stated import EffortShare, Stated
from rollout.strategies.waiting import Wait
from rollout.types import Finish, Group

WAIT = len("Wait")


def run(
    strategy: Strategy, script: object, budgets: Sequence[int], *, samples: int = 1, style: PromptFormat | None = None
) -> tuple[list[Group], ScriptedEngine]:
    engine = ScriptedEngine(script, EOS, version=3)  # type: ignore[arg-type]
    sampler = Sampler(engine, CODEC, style or PromptFormat(), 8)
    return asyncio.run(strategy.groups(sampler, TASK, budgets, samples, 7)), engine


def rounds(lengths: Sequence[int]):
    """Thinks `a` so often in the first round, `b` in the second, and so on; answers X."""

    def script(prompt: tuple[int, ...], seed: int) -> Sequence[int]:
        said = CODEC.decode(list(prompt[len(PROMPT) :]), skip_special_tokens=False)
        if "</think>" in said:
            return ids("X")
        turn = said.count("Wait")
        return (*ids(chr(ord("a") + turn) * lengths[turn]), END)

    return script


def test_the_hard_budget_is_what_training_samples():
    (group,), engine = run(Hard(), teller("abcd</think>X"), (2, 9))
    assert group.prior.tokens == (2, 9)
    assert [answers[0].prefix_len for answers in group.rollouts[0].answers] == [2, 5]
    assert engine.draws[0].max_tokens == 9


def test_separate_runs_think_anew_for_each_budget():
    groups, engine = run(Separate(), teller("abcd</think>X"), (2, 9))
    assert [group.prior.tokens for group in groups] == [(2,), (9,)]
    assert [draw.max_tokens for draw in engine.draws if draw.prompt_ids == PROMPT] == [2, 9]
    assert len({draw.seed for draw in engine.draws if draw.prompt_ids == PROMPT}) == 2


def test_s1_known_answer_a_round_may_use_what_is_left_of_the_cap():
    """Methods, section 11.8: k=1, cap 100, round 0 ends itself after 40 tokens, Wait is 1 token: 59 are left."""
    for limit, most in (("remaining", 59), ("whole", 100)):
        strategy = Wait(times=1, string="W", round_limit=limit)  # type: ignore[arg-type]
        script = lambda prompt, seed: ids("b" * 300) if ids("W")[0] in prompt else (*ids("a" * 40), END)  # noqa: E731
        (group,), engine = run(strategy, script, (100,))
        rollout = group.rollouts[0]
        assert [draw.max_tokens for draw in engine.draws[:2]] == [100, most]
        assert CODEC.decode(list(rollout.token_ids), skip_special_tokens=False) == "a" * 40 + "W" + "b" * 59
        assert rollout.finish is Finish.BUDGET
        assert rollout.discarded == 1 + (most - 59)


def test_each_wait_drops_an_end_and_the_last_round_keeps_its_own():
    (group,), _ = run(Wait(times=2), rounds([3, 2, 4]), (5, 60))
    rollout = group.rollouts[0]
    assert CODEC.decode(list(rollout.token_ids), skip_special_tokens=False) == "aaaWaitbbWaitcccc</think>"
    assert rollout.finish is Finish.CLOSED
    assert rollout.discarded == 2
    assert [answers[0].thought for answers in rollout.answers] == ["aaaWa", "aaaWaitbbWaitcccc"]
    assert rollout.answers[1][0].text == "X"


def test_the_waits_are_no_samples_of_the_model():
    (group,), _ = run(Wait(times=1), rounds([3, 2]), (60,))
    rollout = group.rollouts[0]
    sampled = [t for span in rollout.versions for t in range(span.start, span.end)]
    assert sampled == [0, 1, 2, 7, 8, 9]
    assert [rollout.logprobs[t] for t in range(3, 7)] == [0.0] * WAIT


def test_a_thought_near_its_cap_is_not_made_to_wait():
    (group,), engine = run(Wait(times=3), rounds([5, 1]), (9,))
    assert CODEC.decode(list(group.rollouts[0].token_ids), skip_special_tokens=False) == "aaaaa</think>"
    assert [draw.max_tokens for draw in engine.draws][:1] == [9]


def test_each_round_has_at_least_one_token():
    hasty = lambda prompt, seed: (END, *ids("z"), END) if ids("W")[0] in prompt else (*ids("aaa"), END)  # noqa: E731
    (group,), engine = run(Wait(times=1), hasty, (60,))
    assert [draw.min_tokens for draw in engine.draws[:2]] == [1, 1]
    assert CODEC.decode(list(group.rollouts[0].token_ids), skip_special_tokens=False) == "aaaWaitz</think>"


def test_a_budget_that_is_stated_is_also_kept():
    groups, engine = run(Stated("l1_exact"), lambda prompt, seed: ids("a" * 50), (4, 8))
    thoughts = [draw for draw in engine.draws if draw.max_tokens in (4, 8) and draw.prompt_ids[-1] == 1]
    asked = [CODEC.decode(list(draw.prompt_ids), skip_special_tokens=True) for draw in thoughts]
    assert asked == ["user:2+2 Think for 4 tokens.|", "user:2+2 Think for 8 tokens.|"]
    assert [group.prior.tokens for group in groups] == [(4,), (8,)]


def test_a_budget_that_is_only_stated_may_be_exceeded():
    groups, _ = run(Stated("by {budget}!", cap=20), lambda prompt, seed: ids("a" * 50), (4, 8))
    assert [group.rollouts[0].answers[0][0].prefix_len for group in groups] == [20, 20]
    assert [group.rollouts[0].answers[0][0].budget for group in groups] == [4, 8]


def test_a_template_with_a_budget_of_its_own_is_left_alone():
    style = PromptFormat(template="{budget}: {prompt}")
    _, engine = run(Stated(), lambda prompt, seed: ids("a" * 50), (4,), style=style)
    assert CODEC.decode(list(engine.draws[0].prompt_ids), skip_special_tokens=True) == "user:4: 2+2|"


def test_a_wording_without_a_budget_is_refused():
    with pytest.raises(ValueError, match="l1_exact, l1_max"):
        Stated("briefly")


def test_effort_asks_for_shares_of_the_largest_budget():
    style = PromptFormat(template="{effort} {prompt}")
    groups, engine = run(EffortShare(), lambda prompt, seed: ids("a" * 50), (4, 8), style=style)
    asked = [CODEC.decode(list(d.prompt_ids), skip_special_tokens=True) for d in engine.draws if len(d.prompt_ids) < 17]
    assert asked == ["user:0.50 2+2|", "user:1.00 2+2|"]
    assert [group.rollouts[0].answers[0][0].budget for group in groups] == [4, 8]
    assert [group.rollouts[0].answers[0][0].prefix_len for group in groups] == [8, 8]
    with pytest.raises(ValueError, match="effort"):
        run(EffortShare(), lambda prompt, seed: ids("a"), (4, 8))
