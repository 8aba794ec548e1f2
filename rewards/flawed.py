"""FAPO: right answers with wrong reasoning are worth less (arXiv 2510.22543)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewards.chat import NoVerdict, Reply, Server, ask
from rewards.combine import as_result
from rewards.extract import marked
from rewards.forms import is_single
from rewards.plugins import resolve
from rewards.types import RewardResult, Status, bad_task
from rollout.types import Answer, Task

RULES = """You review a solution whose final answer is known to be right. It is given in numbered steps.
Find the earliest step that is wrong: a false statement, an invalid deduction, a miscalculation, a guess that is put \
forward as a result, or a conclusion that does not follow because steps are missing.
A step that is clumsy, roundabout, or corrected later by the solution itself is not wrong.
Give the number of that step, or -1 if there is none."""


class Review(Reply):
    """What the judge of reasoning replies; the reason first, so that it is thought of before the number."""

    reason: str
    step: int


def fapo(correct: bool, flawed: bool, penalty: float = 1.0) -> float:
    """R_FAPO: 1 for a right answer, less `penalty` (λ) if its reasoning is flawed; -1 for a wrong one."""
    return 1.0 - penalty * flawed if correct else -1.0


def penalty_from(shift: float) -> float:
    """λ = 2 / (ρ + 1): flawed answers are discouraged once there are ρ times as many sound answers as wrong ones.

    The majority rule, ρ = 1, is λ = 1. Raises ValueError for a `shift` of -1 or less.
    """
    if shift <= -1:
        raise ValueError(f"a shift is above -1, not {shift}")
    return 2 / (shift + 1)


def detection(found: int | None, earliest: int, steps: int) -> float:
    """R_GenRM, for training a judge of reasoning: within -1 and 1.

    `found` and `earliest` are the first wrong step of `steps`, as said and in truth, -1 for none; both right about
    there being one costs their distance as a share of the steps, every other disagreement is -1. So is None, a reply
    that could not be read, and a step that is not there.
    """
    if found is None or not -1 <= found < steps or (found < 0) != (earliest < 0):
        return -1.0
    return 1 - abs(found - earliest) / steps


async def flawed_positive(
    task: Task,
    answer: Answer,
    *,
    url: str,
    model: str,
    verifier: str = "math",
    penalty: float = 1.0,
    prompt: str = RULES,
    key_env: str = "",
    attempts: int = 4,
    request_s: float = 60.0,
    backoff_s: float = 0.5,
    longest: int = 200_000,
    options: Mapping[str, Any] | None = None,
) -> RewardResult:
    """-`penalty` (λ) if the answer is right, as `verifier` says, and a model finds a wrong step before it; else 0.

    Beside a verifier of 0 and 1 give it half of that one's weight: the paper's rewards are 1, 0 and -1. Steps are the
    paragraphs of the thought, then the answer. Only right answers are asked about (`rewards.chat.Server` has the
    parameters of asking). Where the judge gives no verdict, names no step of the solution, or the solution has more
    than `longest` characters, this is an error: the paper takes it for sound. `parts` are `correct` and `flawed`.
    Raises ValueError for a verifier that is not there, or judges several answers at once.
    """
    server = Server(url, model, key_env, attempts, request_s, backoff_s, options or {})
    verify = resolve(verifier)
    if not is_single(verify):
        raise ValueError(f"params.verifier={verifier!r} does not judge one answer alone")
    verdict = as_result(verify(task, answer))
    if verdict.status is not Status.OK:
        return RewardResult(verdict.status, 0.0, {"correct": 0.0, "flawed": 0.0}, verdict.detail)
    try:
        review = await _review(server, prompt, task, steps_of(answer), longest)
    except NoVerdict as none:
        return none.result(task.id)
    if review.step < 0:
        return RewardResult(Status.OK, 0.0, {"correct": 1.0, "flawed": 0.0})
    detail = f"step {review.step}: {review.reason}"[:200]
    return RewardResult(Status.WRONG, -penalty, {"correct": 1.0, "flawed": 1.0}, detail)


def first_flaw(task: Task, answer: Answer) -> RewardResult:
    """`detection` as a reward, for training a judge of reasoning on tasks of the form that `flawed_positive` asks.

    The gold answer is the first wrong step, or -1; `task.meta["steps"]` says how many there are; the number is read
    from the last `<answer>…</answer>`, else the last `\\boxed{…}`. Without a number in it: unparsable, and -1.
    """
    try:
        earliest, steps = int(task.answer), int(task.meta["steps"])
    except (KeyError, TypeError, ValueError) as error:
        return bad_task(task, f"no number of a step and of steps: {error!r}")
    if not -1 <= earliest < steps or steps < 1:
        return bad_task(task, f"step {earliest} of {steps}")
    inner = (marked(answer.text) or "").strip()
    found = int(inner) if inner.removeprefix("-").isdecimal() and len(inner) < 10 else None
    value = detection(found, earliest, steps)
    status = Status.UNPARSABLE if found is None else Status.OK if value == 1 else Status.WRONG
    return RewardResult(status, value, {"step": float(-2 if found is None else found)})


def steps_of(answer: Answer) -> list[str]:
    """The paragraphs of the thought, then the answer."""
    paragraphs = [part.strip() for part in answer.thought.split("\n\n")]
    return [part for part in (*paragraphs, answer.text.strip()) if part]


async def _review(server: Server, rules: str, task: Task, steps: Sequence[str], longest: int) -> Review:
    if sum(map(len, steps)) > longest:
        raise NoVerdict(Status.ERROR, f"a solution of more than {longest} characters is not asked about")
    texts = {"problem": task.prompt, "reference": task.answer} | {f"step {i}": step for i, step in enumerate(steps)}
    review = await ask(server, rules, texts, Review)
    if not -1 <= review.step < len(steps):
        raise NoVerdict(Status.ERROR, f"the judge names step {review.step} of {len(steps)}")
    return review
