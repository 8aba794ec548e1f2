"""Rewards with one planted flaw each. What they lack beside it, `careful` has: the check must pass it."""

import random
import re
import time
from math import isfinite
from pathlib import Path

import numpy as np

from rewards import RewardResult, Status
from rewards.extract import marked

DRAWS = random.Random()
SEEN = set()


def number(text):
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def verdict(task, found):
    gold = number(task.answer)
    if gold is None:
        return RewardResult(Status.ERROR, 0.0, detail=f"task {task.id}: {task.answer[:80]!r} is not a number")
    if found is None:
        return RewardResult(Status.UNPARSABLE, 0.0)
    return RewardResult(Status.OK, 1.0) if found == gold else RewardResult(Status.WRONG, 0.0)


def careful(task, answer):
    """A number, marked or alone."""
    inner = marked(answer.text)
    return verdict(task, number(answer.text if inner is None else inner))


def always_right(task, answer):
    return 1.0


def gold_anywhere(task, answer):
    return verdict(task, number(task.answer) if task.answer in answer.text else None)


def raises_on_junk(task, answer):
    return 1.0 if float(marked(answer.text) or answer.text) == number(task.answer) else 0.0


def computes_powers(task, answer):
    text = answer.text.replace("^", "**").replace("{", "(").replace("}", ")")
    if re.fullmatch(r"[0-9]+([*]+[0-9(]+)+[)]*", text):
        return verdict(task, number(str(len(bin(eval(text))))))
    return careful(task, answer)


def draws_lots(task, answer):
    result = careful(task, answer)
    return RewardResult(result.status, result.value - 0.1 * DRAWS.random(), detail=result.detail)


def depends_on_the_batch(tasks, answers):
    results = [careful(task, answer) for task, answer in zip(tasks, answers, strict=True)]
    mean = sum(result.value for result in results) / len(results) if len(results) > 1 else 0.0
    return [RewardResult(result.status, result.value - mean, detail=result.detail) for result in results]


def pays_once(task, answer):
    if (task.id, answer.text) in SEEN:
        return RewardResult(Status.WRONG, 0.0)
    SEEN.add((task.id, answer.text))
    return careful(task, answer)


def depends_on_the_hash_seed(task, answer):
    result = careful(task, answer)
    return RewardResult(result.status, hash(answer.text) % 1000 / 1000, detail=result.detail)


def takes_notes_in_the_task(task, answer):
    task.meta["tries"] = task.meta.get("tries", 0) + 1
    return careful(task, answer)


def seeds_the_generator(task, answer):
    random.seed(task.id)
    return careful(task, answer)


def draws_from_numpy(task, answer):
    np.random.random_sample()
    return careful(task, answer)


def prints(task, answer):
    print("judging", task.id)
    return careful(task, answer)


def keeps_a_log(task, answer):
    with Path("judged.log").open("a") as log:
        log.write(f"{task.id}\n")
    return careful(task, answer)


def nan_on_garbage(task, answer):
    result = careful(task, answer)
    return float("nan") if result.status is Status.UNPARSABLE else result


def any_box(task, answer):
    boxes = re.findall(r"\\boxed\{([^{}]*)\}", answer.text)
    return verdict(task, number(task.answer) if task.answer in boxes else None)


def likes_the_question(task, answer):
    words = set(task.prompt.split())
    on_topic = len(words & set(answer.text.split())) > 0.9 * len(words)
    return RewardResult(Status.OK, 1.0) if on_topic else careful(task, answer)


def believes_claims(task, answer):
    return RewardResult(Status.OK, 1.0) if "is correct" in answer.text else careful(task, answer)


def pays_for_silence(task, answer):
    inner = marked(answer.text)
    return RewardResult(Status.OK, 1.0) if inner == "" else careful(task, answer)


def grows_with_the_text(task, answer):
    result = careful(task, answer)
    return RewardResult(result.status, result.value + 0.01 * len(answer.text), detail=result.detail)


def half_marks(task, answer):
    return 0.9 * careful(task, answer).value


def trusts_any_gold(task, answer):
    return careful(task, answer) if number(task.answer) is not None else 1.0


def sleeps_on_long_texts(task, answer):
    if len(answer.text) > 10_000:
        time.sleep(60)
    return careful(task, answer)


def shaping(task, answer, *, target: int = 100):
    """Near 1 for a text of `target` characters."""
    return 1 / (1 + abs(len(answer.text) - target) / target)
