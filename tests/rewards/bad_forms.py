"""Rewards in every form, good ones and bad ones."""

import asyncio
import os
import time
from functools import partial

from rewards import RewardResult, Status

CALLS = []


def near(task, answer, *, rel: float = 0.1, unit: str = ""):
    miss = abs(float(answer.text.removesuffix(unit)) - float(task.answer))
    return 1.0 if miss <= rel * abs(float(task.answer)) else 0.0


def with_default(task, answer, bonus: float = 0.5):
    return bonus


def needs(task, answer, *, table: str):
    return float(table == answer.text)


async def slow_echo(task, answer, *, wait_s: float = 0.2):
    if answer.text == "hang":
        await asyncio.sleep(600)
    if answer.text == "raise":
        raise LookupError("no such thing")
    await asyncio.sleep(wait_s)
    return float(answer.text)


def several(tasks, answers):
    texts = [answer.text for answer in answers]
    if "hang" in texts:
        time.sleep(600)
    if "exit" in texts:
        os._exit(4)
    if "raise" in texts:
        raise LookupError("one of them")
    if "count" in texts:
        return [1.0] * (len(answers) + 1)
    return [float(text) for text in texts]


async def several_later(tasks, answers):
    await asyncio.sleep(0.01)
    return [len(answers) for _ in answers]


def trl_length(completion_ids, **kwargs):
    return [float(len(ids)) for ids in completion_ids]


def trl_messages(prompts, completions, solution, **kwargs):
    contents = [completion[0]["content"] for completion in completions]
    return [
        None if gold is None else float(content.endswith(gold) and prompt[-1]["role"] == "user")
        for prompt, content, gold in zip(prompts, contents, solution, strict=True)
    ]


def trl_text(completions, answer):
    return [float(text == gold) for text, gold in zip(completions, answer, strict=True)]


async def trl_later(completions, answer, log_extra, log_metric, trainer_state, **kwargs):
    await asyncio.sleep(0.01)
    log_extra(column="gold", values=answer)
    log_metric("mean", 0.5)
    contents = [completion[0]["content"] for completion in completions]
    right = [float(text == gold) for text, gold in zip(contents, answer, strict=True)]
    return [None if trainer_state else value for value in right]


class Grader:
    """An object that is called."""

    async def __call__(self, task, answer, *, half: bool = False):
        return 0.5 if half else 1.0


grader = Grader()
near_half = partial(near, rel=0.5)


def three(task, answer, extra):
    return 1.0


def forks(task, answer):
    if os.fork() == 0:
        return 0.0  # the child must not go on as a second worker
    return 1.0


def daemon(task, answer):
    """Leaves a process behind that has left its session and its parent."""
    if answer.text != "daemon":
        return 1.0
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open(task.meta["file"], "w") as file:
                file.write(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    return float(not time.sleep(600))


def hoard(task, answer):
    held = []
    while answer.text == "hoard":
        held.append(bytearray(1 << 24))
    return 1.0


def prints(task, answer):
    print("from a reward")
    return 1.0


def graded(task, answer):
    return RewardResult(Status.OK if answer.text == "1" else Status.WRONG, float(answer.text), {"half": 0.5})


def kill_nursery_once(task, answer):
    mark = task.meta["file"]
    if answer.text == "kill" and not os.path.exists(mark):
        with open(mark, "w"):
            pass
        os.kill(os.getppid(), 9)
    return 1.0


def kill_nursery(task, answer):
    os.kill(os.getppid(), 9)
    return float(not time.sleep(600))
