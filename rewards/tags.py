"""Whether a response keeps its form: one thought, then one marked answer (pure string work, linear in the text).

The engine has parted thought and answer by token ids, and the prompt may have opened the thought. A thought
is thus well formed when it ended (by itself or closed by force) before anything else did, and it and the
answer overlap in nothing: no tag of either stands where it does not belong. An answer is well formed when
exactly one `<answer>` stands before exactly one `</answer>`; the cue may have opened it. What stands inside
the tags, and beside them, is the verifier's business.
"""

from __future__ import annotations

from rewards.types import RewardResult, Status
from rollout.types import Answer, Finish, Task

_THINK, _END_THINK = "<think>", "</think>"
_ANSWER, _END_ANSWER = "<answer>", "</answer>"


def well_formed_thought(answer: Answer) -> bool:
    """Whether the answer follows one closed thought, with no further tag inside it and none of its own after it.

    Decoding may leave the thought's own opening and closing tag in its text or not: neither is asked for.
    """
    inside = answer.thought.strip().removeprefix(_THINK).removesuffix(_END_THINK)
    stray = any(tag in inside for tag in (_THINK, _END_THINK, _ANSWER, _END_ANSWER))
    return answer.finish is not Finish.EMPTY and not stray and not _mentions_thought(answer.text)


def well_formed_answer(answer: Answer) -> bool:
    """Whether the answer's text holds exactly one `<answer>…</answer>`, and nothing of a thought inside it."""
    text = answer.text
    if text.count(_ANSWER) != 1 or text.count(_END_ANSWER) != 1:
        return False
    inside, closed, _ = text.partition(_ANSWER)[2].partition(_END_ANSWER)
    return bool(closed) and not _mentions_thought(inside)


def think_tags(task: Task, answer: Answer) -> float:
    """1 for a well-formed thought: a term for those who weigh the two differently."""
    del task
    return float(well_formed_thought(answer))


def answer_tags(task: Task, answer: Answer) -> float:
    """1 for a well-formed answer: the other such term."""
    del task
    return float(well_formed_answer(answer))


def format(task: Task, answer: Answer) -> RewardResult:
    """The format reward, half for a well-formed thought and half for a well-formed answer.

    R_fmt = α_think·I_think + α_answer·I_answer with both α = 1/2; the paper does not print them.
    Curriculum GRPO (arXiv 2508.08940, section 3).
    """
    think, marked = think_tags(task, answer), answer_tags(task, answer)
    value = 0.5 * think + 0.5 * marked
    return RewardResult(Status.OK if value == 1 else Status.WRONG, value, {"think": think, "answer": marked})


def _mentions_thought(text: str) -> bool:
    return _THINK in text or _END_THINK in text
