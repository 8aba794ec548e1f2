"""The command `ration`: each verb is a page of its own elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from rl.config import TrainConfig
from rl.errors import BadInput, RunFailed
from rl.guard import check_import_names
from rl.rewards_cli import app as rewards

app = typer.Typer(
    name="ration",
    help="Reasoning-RL post-training in which the token budget is a first-class object.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(rewards, name="rewards")

_Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, see configs/")]
_Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="dotted, such as learner.lr=1e-5")
]


@app.command(epilog="Example: ration train configs/quickstart.yaml run.steps=20 learner.lr=1e-4")
def train(
    config: _Config,
    overrides: _Overrides = None,
    resume: Annotated[str, typer.Option(metavar="RUN|auto", help="continue a run folder, or the newest run")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="print the resolved config and the plan, start nothing")
    ] = False,
) -> None:
    """Train a reasoner."""
    from rl.config_file import load

    loaded = load(config, overrides or ())
    if dry_run:
        _print_plan(loaded)
        return
    from rl.launch import train as launch

    launch(loaded, resume=resume or None, argv=sys.argv)


@app.command(
    "eval",
    epilog="Examples: ration eval --model runs/quickstart --budgets 8,16,32 --samples 4   |   "
    "ration eval --model Qwen/Qwen3-1.7B --data gsm8k --budgets 256,1024,4096 limit=200 out=evals/mine",
)
def evaluate(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CONFIG] [KEY=VALUE]...", help="YAML file, see configs/, and dotted overrides"),
    ] = None,
    model: Annotated[str, typer.Option(metavar="M", help="folder, hub id, a run or its checkpoint, openai:URL")] = "",
    data: Annotated[str, typer.Option(metavar="D", help="task, data file, reasoning_gym:NAME; several by comma")] = "",
    budgets: Annotated[str, typer.Option(metavar="B,B,...", help="thinking tokens, ascending")] = "",
    samples: Annotated[int, typer.Option(metavar="N", help="thoughts per problem")] = 0,
    strategy: Annotated[str, typer.Option(metavar="NAME", help="test-time method, see docs/evaluate.md")] = "",
    check_forks: Annotated[int, typer.Option(metavar="N", help="check the forks on N problems")] = 0,
    tasks: Annotated[bool, typer.Option("--tasks", help="list the tasks and leave")] = False,
) -> None:
    """Accuracy at every thinking budget, from one generation."""
    from rl.evaluation import command

    if tasks:
        typer.echo(command.listing())
        return
    flags = command.overrides(model, data, budgets, samples, strategy, check_forks)
    config = command.assemble(words or (), flags)
    from rl.evaluation.run import evaluate as launch

    command.show(launch(config, argv=sys.argv))


@app.command(epilog="Example: ration report runs/quickstart runs/quickstart-brpo")
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="run folders, compared on one page")],
) -> None:
    """Write report.html and its plots from one or several run folders."""
    from rl.evaluation.page import report_of

    for page in report_of(runs):
        typer.echo(page)


@app.command(epilog="Example: ration export evals/mine")
def export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="of a finished evaluation")],
    out: Annotated[Path | None, typer.Argument(metavar="[OUT]", help="default: FOLDER/lm-eval")] = None,
) -> None:
    """Write an evaluation's results in the shape of lm-evaluation-harness."""
    from rl.evaluation.export import export_lm_eval

    typer.echo(export_lm_eval(folder, out or folder / "lm-eval"))


@app.command(epilog="Example: ration doctor configs/math-7b.yaml")
def doctor(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="also check that this run would fit")
    ] = None,
    overrides: _Overrides = None,
) -> None:
    """Say what would stop a run from starting: versions, devices, memory, disk, placement."""
    from rl.config_file import load
    from rl.doctor import examine, render

    checks = examine(load(config, overrides or ()) if config else None)
    typer.echo(render(checks))
    raise typer.Exit(1 if any(check.level == "stop" for check in checks) else 0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit code 0: done. 2: bad input, one line for each error. 1: failed at work."""
    try:
        check_import_names()
        app(arguments, prog_name="ration")
    except (BadInput, RunFailed) as error:
        leave(error)


def leave(error: BadInput | RunFailed) -> NoReturn:
    """Say what went wrong, without a traceback, and end the process."""
    print("\n".join(f"ration: {line}" for line in str(error).splitlines()), file=sys.stderr)
    raise SystemExit(2 if isinstance(error, BadInput) else 1)


def _print_plan(config: TrainConfig) -> None:
    from rl.config_file import dump
    from rl.model_shape import describe
    from rl.plan import budget_view, lines, plan
    from rl.tasks import count_training

    shape = describe(config.model.path, tied=config.model.tie_embeddings)
    planned = plan(config, count_training(config.data), shape)
    table = list(lines(config, planned))
    names, values = (max(len(line[i]) for line in table) for i in (0, 1))
    typer.echo(f"# the resolved config\n{dump(config)}\n# the plan")
    for name, value, source in table:
        typer.echo(f"{name:<{names}}  {value:>{values}}  {source}")
    if view := budget_view(planned):
        typer.echo(f"\n# the planned thinking budget\n{view}")
