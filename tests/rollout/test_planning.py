"""Plan-and-Budget: what is read from a plan, what is said of budgets, and what a whole problem costs."""

import asyncio

import pytest
from char_codec import CODEC, END, EOS, TASK, ids

from rollout.prompts import PromptFormat
from rollout.sampler import Sampler
from rollout.scripted_engine import ScriptedEngine
from rollout.strategies.planning import Judged, PlanAndBudget, read_judgement, read_plan, solving

PLAN = "1. Add 2 and 2. (count)\n2) Check."
JUDGEMENT = '{"level": 1, "credits": [75, 25]}'


def test_a_plan_is_its_numbered_lines():
    assert read_plan(f"Sure:\n{PLAN}\nDone.") == ("1. Add 2 and 2. (count)", "2. Check.")
    assert read_plan("\n".join(f"{i}. step {i}" for i in range(1, 9))) == tuple(f"{i}. step {i}" for i in range(1, 6))


@pytest.mark.parametrize("text", ["", "First add, then check.", "1.", "3.5 is the answer"])
def test_without_numbered_lines_the_plan_is_one_step(text: str):
    assert read_plan(text) == ("1. Directly solve the problem.",)


@pytest.mark.parametrize(
    ("text", "judged"),
    [
        ('{"level": 4, "credits": [30, 70]}', Judged(4, (30, 70))),
        ('Well: {"credits" : [0,1], "level" : 5} I think', Judged(5, (0, 1))),
        ('{"level": 7, "credits": [30, 70]}', Judged(3, (30, 70))),
        ('{"level": 2, "credits": [30]}', Judged(2, (1, 1))),
        ('{"level": 2, "credits": [0, 0]}', Judged(2, (1, 1))),
        ('{"level": 2, "credits": ["a"]}', Judged(2, (1, 1))),
        ("hard", Judged(3, (1, 1))),
    ],
)
def test_a_judgement_is_read_as_far_as_it_can_be(text: str, judged: Judged):
    assert read_judgement(text, 2) == judged


def test_each_step_is_followed_by_its_budget():
    asked = solving("What is {budget}?", ("1. Add.", "2. Check."), 2, (90, 10))
    assert asked.startswith("**Problem (100pt):** What is {budget}?\n")
    assert "difficulty is 2 out of 5" in asked
    say = "Please only think a little, and directly solve it using up to {} words."
    assert f"1. Add.\n{say.format(90)}\n\n2. Check.\n{say.format(10)}\n" in asked


def planner(prompt: tuple[int, ...], seed: int):
    """Plans, judges, and thinks for 300 tokens; a forced closing is answered with 4."""
    del seed
    text = CODEC.decode(list(prompt), skip_special_tokens=False)
    if not text.endswith("</think>"):
        return ids("m" * 300 + "</think>4")
    if "Break the problem" in text:
        return ids(PLAN)
    return ids(JUDGEMENT if "Judge how hard" in text else "4")


def solve(strategy: PlanAndBudget, budgets: list[int], samples: int = 2):
    engine = ScriptedEngine(planner, EOS)
    sampler = Sampler(engine, CODEC, PromptFormat(template="{prompt} Box it."), 8)
    return asyncio.run(strategy.groups(sampler, TASK, budgets, samples, 7)), engine


def test_budgets_that_lead_to_one_prompt_share_a_thought():
    groups, engine = solve(PlanAndBudget(), [50, 200, 280, 400])
    assert [group.prior.tokens for group in groups] == [(50,), (200, 280, 400)]
    assert [group.prior.target for group in groups] == [50, 200]
    assert all(group.task is TASK and len(group.rollouts) == 2 for group in groups)
    thoughts = [draw for draw in engine.draws if draw.n == 2]
    assert [draw.max_tokens for draw in thoughts] == [50, 400]
    told = [CODEC.decode(list(draw.prompt_ids), skip_special_tokens=False) for draw in thoughts]
    assert "(count)\nPlease only think a little, and directly solve it using up to 47 words." in told[0]
    assert "2. Check.\nPlease only think a little, and directly solve it using up to 3 words." in told[0]
    assert "using up to 185 words." in told[1]
    assert all(text.endswith("\n Box it.|<think>") for text in told)
    answers = [answer for group in groups for (answer,) in group.rollouts[0].answers]
    assert [(a.budget, a.prefix_len, a.text) for a in answers] == [
        (50, 50, "4"),
        (200, 200, "4"),
        (280, 280, "4"),
        (400, 301, "4"),
    ]


def test_a_plan_is_paid_for():
    groups, engine = solve(PlanAndBudget(), [50, 400])
    asked = engine.draws[:2]
    assert [(draw.n, draw.max_tokens, draw.prompt_ids[-1]) for draw in asked] == [(1, 256, END)] * 2
    cost = len(PLAN) + 1 + len(JUDGEMENT) + 1
    assert [one.discarded for group in groups for one in group.rollouts] == [cost] * 4


def test_a_level_that_is_given_is_not_asked_for():
    groups, engine = solve(PlanAndBudget(level=5, plan_tokens=12), [400, 700])
    assert [group.prior.tokens for group in groups] == [(400,), (700,)]
    assert [group.prior.target for group in groups] == [400, 600]
    assert groups[0].rollouts[0].discarded == 12
    told = [CODEC.decode(list(draw.prompt_ids), skip_special_tokens=False) for draw in engine.draws]
    assert not any("Judge how hard" in text for text in told)


def test_the_same_seed_gives_the_same_groups():
    assert solve(PlanAndBudget(), [50, 400])[0] == solve(PlanAndBudget(), [50, 400])[0]


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"schedule": "quadratic"}, "one of constant, linear, polynomial, exponential, cosine"),
        ({"level": 6}, "1 to 5, or 0"),
        ({"plan_tokens": 0}, "plan_tokens"),
        ({"totals": (1, 2)}, "totals are 5"),
    ],
)
def test_impossible_knobs_are_refused(knobs, said: str):
    with pytest.raises(ValueError, match=said):
        PlanAndBudget(**knobs)
