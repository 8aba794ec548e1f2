"""Plan-and-Budget: a plan first, then one thought with a share of the budget stated beside each step."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rollout.engine import Draw
from rollout.prompts import markers, prompt_ids
from rollout.sampler import Sampler, seed_of
from rollout.step_budgets import LEVEL_TOKENS, SCHEDULES, allocate
from rollout.strategies.base import Strategy, grid
from rollout.types import Group, Task

ASK_PLAN = (
    "Break the problem into 2 to 5 sub-questions whose answers together solve it, fewer if it is easy. "
    "Write one numbered line for each, with a short hint. Solve nothing yet.\n\nProblem: {problem}"
)
ASK_LEVEL = (
    "Judge how hard the problem is, from 1 (one obvious step) to 5 (hard for experts), and share 100 points among "
    'its steps by the work that each needs. Reply with JSON only, such as {"level": 3, "credits": [40, 60]}.\n\n'
    "Problem: {problem}\n\nSteps:\n{steps}"
)
SOLVE = (
    "**Problem (100pt):** {problem}\n\nIts difficulty is {level} out of 5. The steps below are hints; all credit is "
    "for the correct final answer. Be efficient.\n\n{steps}"
)
STEP = "{step}\nPlease only think a little, and directly solve it using up to {budget} words.\n"
SINGLE_STEP = "1. Directly solve the problem."
MOST_STEPS = 5
MIDDLE_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Judged:
    """How hard a problem is, 1 to 5, and what share of the work each step of its plan is."""

    level: int
    credits: tuple[int, ...]


def read_plan(text: str) -> tuple[str, ...]:
    """The numbered lines of a plan, at most five; the one step "directly solve" where there is none."""
    lines = re.findall(r"^\s*\d+[.)]\s+(\S.*?)\s*$", text, re.MULTILINE)[:MOST_STEPS]
    return tuple(f"{number}. {line}" for number, line in enumerate(lines, 1)) or (SINGLE_STEP,)


def read_judgement(text: str, steps: int) -> Judged:
    """The JSON of a judgement. What cannot be read is the middle level, and equal credits."""
    level = re.search(r'"level"\s*:\s*([1-5])\b', text)
    found = re.search(r'"credits"\s*:\s*\[([\d\s,]*)\]', text)
    credits = tuple(map(int, re.findall(r"\d+", found[1]))) if found else ()
    usable = len(credits) == steps and any(credits)
    return Judged(int(level[1]) if level else MIDDLE_LEVEL, credits if usable else (1,) * steps)


def solving(problem: str, steps: Sequence[str], level: int, budgets: Sequence[int]) -> str:
    """What the model is asked: the problem, and each step with its share of the budget."""
    parts = (STEP.replace("{budget}", str(b)).replace("{step}", s) for s, b in zip(steps, budgets, strict=True))
    asked = SOLVE.replace("{level}", str(level)).replace("{steps}", "\n".join(parts))
    return asked.replace("{problem}", problem)  # last: a problem may hold braces of its own


@dataclass(frozen=True, slots=True)
class PlanAndBudget(Strategy):
    """The model plans, judges its plan, and solves the problem in one thought with a budget beside each step.

    The steps share what `totals` grants a problem of its level, or the evaluation's budget where that is less,
    by `schedule` (one of `SCHEDULES`). This is only said in the prompt, in words; the thought is cut at the
    evaluation's budget all the same. Budgets that lead to the same prompt share one thought. A `level` of 1 to 5
    is taken as given, with equal credits; 0 asks the model. Plan and judgement are written without a thought, each in
    at most `plan_tokens`, once for all samples of a problem; their tokens count as `discarded` in each rollout.

    Source: Lin et al., "Plan and Budget", ICLR 2026, and its released code (which plans with a larger model).
    """

    schedule: str = "polynomial"
    level: int = 0
    plan_tokens: int = 256
    totals: tuple[int, ...] = LEVEL_TOKENS

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule is one of {', '.join(SCHEDULES)}, not {self.schedule!r}")
        if not 0 <= self.level <= len(LEVEL_TOKENS):
            raise ValueError(f"level is 1 to {len(LEVEL_TOKENS)}, or 0 to ask the model, not {self.level}")
        if self.plan_tokens < 1 or len(self.totals) != len(LEVEL_TOKENS) or min(self.totals) < 1:
            raise ValueError(f"totals are {len(LEVEL_TOKENS)} numbers of tokens, and plan_tokens is one: {self}")

    async def groups(
        self, sampler: Sampler, task: Task, budgets: Sequence[int], samples: int, seed: int
    ) -> list[Group]:
        own = seed_of(seed, task.id, task.epoch, "plan")
        text, spent = await self._ask(sampler, task, ASK_PLAN, own)
        steps = read_plan(text)
        judged, more = await self._judge(sampler, task, steps, own + 1)
        granted = self.totals[judged.level - 1]
        alike = [(total, tuple(same)) for total, same in itertools.groupby(budgets, lambda b: min(b, granted))]
        solved = (self._solve(sampler, task, steps, judged, total, same, samples, seed) for total, same in alike)
        return [_burdened(group, spent + more) for group in await asyncio.gather(*solved)]

    def room(self, budgets: Sequence[int]) -> int:
        """Plan and judgement come back in the prompts, and no token of our own words is shorter than a character."""
        words = max(len(ASK_PLAN), len(ASK_LEVEL), len(SOLVE) + MOST_STEPS * len(STEP))
        return budgets[-1] + 2 * self.plan_tokens + words

    async def _solve(
        self,
        sampler: Sampler,
        task: Task,
        steps: Sequence[str],
        judged: Judged,
        total: int,
        budgets: Sequence[int],
        samples: int,
        seed: int,
    ) -> Group:
        """The group of the budgets for which the prompt shares `total` tokens among the steps."""
        shares = allocate(judged.credits, SCHEDULES[self.schedule](len(steps)), total)
        asked = replace(task, prompt=solving(task.prompt, steps, judged.level, shares))
        prior = replace(grid(budgets, "plan"), target=total)
        (group,) = await sampler.groups([asked], [prior], size=samples, seed=seed + total)
        return replace(group, task=task)

    async def _judge(self, sampler: Sampler, task: Task, steps: tuple[str, ...], seed: int) -> tuple[Judged, int]:
        if self.level:
            return Judged(self.level, (1,) * len(steps)), 0
        text, spent = await self._ask(sampler, task, ASK_LEVEL.replace("{steps}", "\n".join(steps)), seed)
        return read_judgement(text, len(steps)), spent

    async def _ask(self, sampler: Sampler, task: Task, wording: str, seed: int) -> tuple[str, int]:
        """What the model replies when its thought is closed before it begins, and the tokens of the reply."""
        asked = replace(task, prompt=wording.replace("{problem}", task.prompt))
        bare = replace(sampler.style, template="{prompt}")
        prompt = prompt_ids(asked, bare, sampler.codec, budget=self.plan_tokens)
        closing = markers(bare, sampler.codec).closing
        (reply,) = await sampler.engine.sample(Draw(prompt + closing, 1, self.plan_tokens, seed))
        return sampler.codec.decode(list(reply.token_ids), skip_special_tokens=True), len(reply.token_ids)


def _burdened(group: Group, tokens: int) -> Group:
    """A group whose rollouts needed that many more tokens than stand in them."""
    return replace(group, rollouts=tuple(replace(one, discarded=one.discarded + tokens) for one in group.rollouts))
