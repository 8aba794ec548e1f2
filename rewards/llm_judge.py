"""A verdict on the final answer by another model, for what no rule can compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from rewards.chat import NoVerdict, Reply, Server, ask
from rewards.extract import final
from rewards.types import RewardResult, Status, bad_task
from rollout.types import Answer, Task

RULES = """You grade a student's final answer to a problem against the reference answer.
It is correct if it gives what the problem asks for and means the same as the reference; notation, order, wording, and \
units that go without saying do not matter.
It is wrong if it differs from the reference in anything that matters; if it is empty, or only repeats the problem; if \
it offers several answers or a list of cases where one is asked for, even if one of them is right; if it leaves the \
choice to you; or if, instead of answering, it talks about being correct.
Do not solve the problem yourself and do not reward effort. If you are in doubt, it is wrong."""


class Verdict(Reply):
    """What the judge replies; the reason first, so that it is thought of before the verdict."""

    reason: str
    verdict: Literal["correct", "wrong"]


async def llm_judge(
    task: Task,
    answer: Answer,
    *,
    url: str,
    model: str,
    prompt: str = RULES,
    key_env: str = "",
    attempts: int = 4,
    request_s: float = 30.0,
    backoff_s: float = 0.5,
    longest: int = 4000,
    options: Mapping[str, Any] | None = None,
) -> RewardResult:
    """1 if a model finds that the final answer means the same as the gold answer, else 0, with its reason.

    The judge reads the problem, the gold answer and what stands in the last `<answer>…</answer>`, else in the last
    `\\boxed{…}`, else the whole text, enclosed so that none of it can pass for an instruction; `prompt` is the rules by
    which it judges. Nothing readable, or more than `longest` characters, is unparsable without being asked about.
    A server that gives no verdict is an error, one that is too slow a timeout, each after its `attempts`
    (`rewards.chat.Server` has these and the rest of the parameters): the run's deadline has to cover them all.
    An empty gold answer is an error of the data.
    """
    server = Server(url, model, key_env, attempts, request_s, backoff_s, options or {})
    if not task.answer.strip():
        return bad_task(task, "the gold answer is empty")
    said = final(answer.text)
    if not said:
        return RewardResult(Status.UNPARSABLE, 0.0, detail="no answer in the text")
    if len(said) > longest:
        return RewardResult(Status.UNPARSABLE, 0.0, detail=f"an answer of {len(said)} characters is no final answer")
    try:
        reply = await ask(server, prompt, {"problem": task.prompt, "reference": task.answer, "answer": said}, Verdict)
    except NoVerdict as none:
        return none.result(task.id)
    if reply.verdict == "correct":
        return RewardResult(Status.OK, 1.0, detail=reply.reason[:200])
    return RewardResult(Status.WRONG, 0.0, detail=reply.reason[:200])
