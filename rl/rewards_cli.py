"""The command `ration rewards`: the workbench of those who write rewards (`rewards.workbench`)."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from rl.errors import BadInput, RunFailed

if TYPE_CHECKING:
    from rewards.workbench.cases import Case

app = typer.Typer(help="List, begin, check, time and compare rewards.", no_args_is_help=True, rich_markup_mode=None)

_QUIET_S = 2.0  # before progress is shown
_BATCH = 256  # answers that are judged between two reports of progress

_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="as in reward.terms: a built-in, module:function or file.py:function")
]
_Params = Annotated[
    list[str] | None, typer.Option("--params", metavar="KEY=VALUE ...", help="parameters of the reward, as in YAML")
]
_More = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", hidden=True)]
_Data = Annotated[str, typer.Option(metavar="FILE", help="try it on these tasks: jsonl, json, parquet or a hub id")]
_Prompts = Annotated[str, typer.Option(metavar="COLUMN", help="of --data: the problem")]
_Answers = Annotated[str, typer.Option(metavar="COLUMN", help="of --data: the gold answer")]
_Limit = Annotated[int, typer.Option(min=0, help="take so many; 0 takes all")]
_Timeout = Annotated[float, typer.Option(min=0.1, help="seconds for one answer, as reward.deadline_s")]
_Json = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command("list", epilog="Example: ration rewards list my_reward.py")
def list_rewards(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE.py]...", help="and the rewards in these")] = None,
    as_json: _Json = False,
) -> None:
    """Show every reward that can be named: origin, docstring and parameters, or why it does not load."""
    from rewards.workbench.listing import lines, listing

    with _bad_input(), _progress("loading"):
        found = listing(files or ())
    width = min(shutil.get_terminal_size().columns, 120)
    _print([asdict(one) for one in found] if as_json else lines(found, width))


@app.command(epilog="Example: ration rewards new my_reward.py")
def new(path: Annotated[Path, typer.Argument(metavar="PATH", help="the file to write")]) -> None:
    """Write a first reward and its test, to start from."""
    from rewards.workbench.skeleton import next_steps, write_skeleton

    with _bad_input():
        typer.echo(next_steps(*write_skeleton(path)))


@app.command(epilog="Example: ration rewards check my_reward.py:my_reward --params tolerance=0.5")
def check(
    name: _Name,
    params: _Params = None,
    more: _More = None,
    data: _Data = "",
    prompt_column: _Prompts = "prompt",
    answer_column: _Answers = "answer",
    right_column: Annotated[
        str, typer.Option(metavar="COLUMN", help="of --data: a right answer, where the gold is none (tests, patterns)")
    ] = "",
    limit: _Limit = 50,
    shaping: Annotated[bool, typer.Option("--shaping", help="it does not judge whether an answer is right")] = False,
    known: Annotated[list[str] | None, typer.Option(metavar="NAME", help="leave out junk that it fails on")] = None,
    timeout: _Timeout = 10.0,
    as_json: _Json = False,
) -> None:
    """Try a reward on right, wrong, broken and cheating answers. Exit code 1 when a check fails."""
    from rewards.workbench.check import check as examine
    from rewards.workbench.observed import lines

    given = _parsed([*(params or ()), *(more or ())])
    with _bad_input(), _progress("judging") as advance:
        cases = _cases(data, prompt_column, answer_column, right_column, limit) if data else ()
        found = examine(
            name, given, cases=cases, shaping=shaping, known=known or (), timeout_s=timeout, advance=advance
        )
    _print([asdict(one) for one in found] if as_json else lines(found))
    raise typer.Exit(1 if any(one.level == "fail" for one in found) else 0)


@app.command(epilog="Example: ration rewards bench math --workers 2")
def bench(
    name: _Name,
    params: _Params = None,
    more: _More = None,
    data: _Data = "",
    prompt_column: _Prompts = "prompt",
    answer_column: _Answers = "answer",
    run: Annotated[Path | None, typer.Option(metavar="RUN", help="judge the saved answers of this run")] = None,
    limit: _Limit = 500,
    workers: Annotated[int, typer.Option(min=1, help="as reward.workers")] = 2,
    seconds: Annotated[float, typer.Option(min=0.1, help="how long single calls are timed")] = 10.0,
    timeout: _Timeout = 10.0,
    as_json: _Json = False,
) -> None:
    """Time a reward: latency by length, calls per second, the slowest inputs."""
    from rewards.workbench.bench import bench as time_calls
    from rewards.workbench.bench import bundled, lines
    from rewards.workbench.check import suited

    given = _parsed([*(params or ()), *(more or ())])
    with _bad_input(), _progress("judging") as advance:
        if run:
            from rl.saved_answers import saved_answers

            _check_readable(name, given)
            pairs = [(one.task, one.answer) for one in saved_answers(run, limit)]
        else:
            own = _cases(data, prompt_column, answer_column, "", limit) if data else ()
            pairs = bundled(own or suited(name, given, timeout_s=timeout))
        timing = time_calls(name, given, pairs, workers=workers, seconds=seconds, timeout_s=timeout, advance=advance)
    _print(asdict(timing) if as_json else lines(timing))


@app.command(epilog="Example: ration rewards audit runs/quickstart --against exact")
def audit(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder")],
    against: Annotated[str, typer.Option(metavar="NAME", help="another reward")],
    params: _Params = None,
    more: _More = None,
    limit: _Limit = 0,
    examples: Annotated[int, typer.Option(min=0, help="disagreements that are shown")] = 5,
    workers: Annotated[int, typer.Option(min=1, help="as reward.workers")] = 2,
    timeout: _Timeout = 10.0,
    as_json: _Json = False,
) -> None:
    """Judge a run's saved answers again with another reward, and show where the verdicts differ."""
    from rewards.pool import WorkerPool
    from rewards.terms import Term
    from rewards.workbench.audit import audit as compare
    from rewards.workbench.audit import lines
    from rl.saved_answers import saved_answers

    given = _parsed([*(params or ()), *(more or ())])
    with _bad_input(), _progress("judging") as advance:
        _check_readable(against, given)
        saved = saved_answers(run, limit)
        term = Term(against, params=given)
        with WorkerPool(term, workers=workers, timeout_s=timeout) as pool:
            others = []
            for start in range(0, len(saved), _BATCH):
                others += pool.judge([(one.task, one.answer) for one in saved[start : start + _BATCH]])
                advance(len(others), len(saved))
    found = compare(saved, others, examples=examples)
    _print(asdict(found) if as_json else lines(found, against))


def _check_readable(name: str, given: dict[str, Any]) -> None:
    """Raises BadInput for a reward that reads what a run does not save."""
    from rewards.pool import WorkerPool
    from rewards.terms import Term

    with WorkerPool(Term(name, params=given), workers=1) as pool:
        if pool.reads_token_ids:
            raise BadInput(f'"{name}" reads token ids (completion_ids), and the saved answers of a run have none')


def _parsed(pairs: Sequence[str]) -> dict[str, Any]:
    """Parameters as YAML reads them."""
    given: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (equals and key.isidentifier()):
            raise BadInput(f"--params: {pair!r}: expected key=value, such as tolerance=0.5")
        try:
            given[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise BadInput(f"--params: {pair!r}: not YAML: {' '.join(str(error).split())}") from None
    return given


def _cases(data: str, prompt: str, answer: str, right: str, limit: int) -> list[Case]:
    from rewards.workbench.cases import own_cases
    from rl.config import SourceConfig
    from rl.tasks import load_tasks

    tasks = load_tasks(SourceConfig(source=data, prompt=prompt, answer=answer, limit=limit))
    if right and right not in tasks[0].meta:
        raise BadInput(f"{data}: no column {right!r} for a right answer; there are {', '.join(tasks[0].meta)}")
    return own_cases(tasks, [str(task.meta[right]) if right else task.answer for task in tasks])


@contextmanager
def _bad_input() -> Generator[None]:
    """A reward, file or parameter that cannot be used is the user's to mend."""
    try:
        yield
    except BadInput:
        raise
    except OSError as error:
        raise BadInput(f"{error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(str(error)) from error
    except RuntimeError as error:
        raise RunFailed(str(error)) from error


@contextmanager
def _progress(what: str) -> Generator[Callable[[int, int], None]]:
    """A bar on standard error, where that is a terminal, for what takes longer than a moment."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    bar = Progress(console=console, transient=True)
    task = bar.add_task(what, total=None)
    timer = threading.Timer(_QUIET_S, bar.start)
    if console.is_terminal:
        timer.start()
    try:
        yield lambda done, total: bar.update(task, completed=done, total=total)
    finally:
        timer.cancel()
        if bar.live.is_started:
            bar.stop()


def _print(shown: Any) -> None:
    """Lines as they are, anything else as JSON."""
    is_text = isinstance(shown, list) and all(isinstance(line, str) for line in shown)
    typer.echo("\n".join(shown) if is_text else json.dumps(shown, indent=1))
