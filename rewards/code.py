"""Programs, judged by the tests of their task in a sandbox: NOT A SECURITY BOUNDARY, see `rewards.sandbox`."""

from __future__ import annotations

from functools import cache
from textwrap import dedent

from rewards.code_tests import BadTests, first, read
from rewards.code_trial import Trial
from rewards.extract import marked
from rewards.sandbox import Limits, SandboxFailed, named, run_each
from rewards.types import RewardResult, Status
from rollout.types import Answer, Task

_PYTHON = ("python", "python3", "py")
_NO_PYTHON = ("SyntaxError", "IndentationError", "TabError")
_SHORT = 300  # characters of a detail


def code(
    task: Task,
    answer: Answer,
    *,
    timeout_s: float = 6.0,
    memory_mib: int = 512,
    max_tests: int = 0,
    partial: bool = False,
    sandbox: str = "subprocess",
) -> RewardResult:
    """1 if the program in the answer passes all tests of its task, else 0.

    The program is the last ```python fence, else what is marked as the answer, else the last fence, else the whole
    text if it is Python (unparsable if not). The tests are in `task.meta`: standard input and output, calls, or
    asserts, in the forms of `rewards.code_tests.read`; tests that cannot be used are an error of the data.

    `timeout_s` is for all tests together, without the time in which no core was free. It must stay below the judge's
    deadline by 4 s or more: a program that is too slow, or needs more than `memory_mib` per process, is wrong, while
    one that the judge has to give up has no verdict. `max_tests` takes only the first so many (0: all). With `partial`
    the value is the share of tests passed, without it tests end with the first that fails; `parts["passed"]` is that
    share, or the share before the first failure. `sandbox` is `subprocess`, or `module:function` of another
    `rewards.sandbox.Sandbox`.
    Raises ValueError for a limit that cannot be meant, or a sandbox that is not there.
    """
    if not (timeout_s > 0 and memory_mib >= 64 and max_tests >= 0):
        raise ValueError(f"timeout_s={timeout_s}, memory_mib={memory_mib} (64 or more), max_tests={max_tests}")
    trial = Trial(named(sandbox), timeout_s, memory_mib, patient=partial)
    program, certain = _program(answer.text)
    try:
        tests = first(read(task.meta), max_tests)
        if not program:
            _try_out(sandbox)  # what has no program to run asks nothing else of it, and a run begins with such texts
        failures = trial.failures(program, tests) if program else []
    except (BadTests, SandboxFailed) as error:
        return RewardResult(Status.ERROR, 0.0, detail=f"task {task.id}: {error}"[:_SHORT])
    if not failures or (not certain and failures[0].startswith(_NO_PYTHON)):
        return RewardResult(Status.UNPARSABLE, 0.0, detail="no program in the text")
    return _verdict(failures, partial=partial)


@cache
def _try_out(sandbox: str) -> None:
    """Run nothing, once in this process. Raises SandboxFailed."""
    run_each(named(sandbox), "", "", [""], Limits(2.0, 512, 64))


def _verdict(failures: list[str], *, partial: bool) -> RewardResult:
    wrong = [number for number, failure in enumerate(failures) if failure]
    if not wrong:
        return RewardResult(Status.OK, 1.0, {"passed": 1.0})
    passed = (len(failures) - len(wrong) if partial else wrong[0]) / len(failures)
    detail = f"test {wrong[0] + 1} of {len(failures)}: {failures[wrong[0]]}"[:_SHORT]
    return RewardResult(Status.WRONG, passed if partial else 0.0, {"passed": passed}, detail)


def _program(text: str) -> tuple[str, bool]:
    """The program in a text ("" without one), and whether it was given as one."""
    fences = _fences(text)
    python = [body for label, body in fences if label in _PYTHON]
    bare = [body for label, body in fences if not label]
    inner = marked(text)
    if python or (inner is None and bare):
        return (python or bare)[-1], True
    if inner is None:
        return text.strip(), False
    return ([body for _, body in _fences(inner)] or [inner])[-1], True


def _fences(text: str) -> list[tuple[str, str]]:
    """The label and the body of every fence that was closed."""
    found: list[tuple[str, str]] = []
    lines = text.split("\n")
    opened: tuple[str, int] | None = None
    for number, line in enumerate(lines):
        mark = line.strip()
        if not mark.startswith("```"):
            continue
        label = mark.strip("`").strip().lower()
        if opened is not None and not label:
            found.append((opened[0], dedent("\n".join(lines[opened[1] : number]))))
            opened = None
        else:
            opened = label, number + 1
    return found
