"""From a config to a finished run: prepare, start the cluster, run the loop, leave a report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rl import checkpoint, controller, mixes
from rl.algorithms import Algorithm, build
from rl.config import TrainConfig
from rl.config_file import dump
from rl.console import Progress, print_summary, print_transcripts
from rl.desk import Desk
from rl.errors import BadInput, RunFailed
from rl.history import read_rows
from rl.judging import check_tasks, start_judge
from rl.log import RunLog, write_manifest
from rl.report import make_report
from rl.rollout_records import read_samples
from rl.tasks import TaskStream, load_data
from rl.triggers import largest_budget
from rollout.prompts import markers, prompt_ids
from rollout.types import Task


def train(config: TrainConfig, *, resume: str | None = None, argv: Sequence[str] = ()) -> Path:
    """Run `config` to its end, or take up the run that `resume` names; returns the run folder.

    Raises BadInput before anything is started, RunFailed in mid-run; what was saved stays.
    """
    # DeepSpeed looks for ninja on PATH, where an environment that is not activated does not put it.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    runs, name = config.run.folder, config.run.name
    folder, newest = checkpoint.find(runs, name, resume) if resume else (checkpoint.fresh(runs, name), None)
    state = checkpoint.read(newest) if newest else None
    if newest and state:
        checkpoint.check_same_run(newest, state, config)
        if state.step >= config.run.steps:
            raise BadInput(f"{folder} is already at step {state.step}: raise run.steps to go on")
        if 0 < config.run.max_sampled_tokens <= state.sampled_total:
            spent = f"{state.sampled_total:,} tokens"
            raise BadInput(f"{folder} has sampled {spent}: raise run.max_sampled_tokens to go on")
    first = state.step if state else 0
    with Progress(config.run.steps, first_step=first) as progress:
        progress.phase(f"preparing {folder}")
        tasks, held_out = load_data(config.data, seed=config.run.seed)
        if len(tasks) < config.rollout.prompts_per_step:
            asked = config.rollout.prompts_per_step
            raise BadInput(f"data.train has {len(tasks)} problems; rollout.prompts_per_step={asked} asks for more")
        model = prepare_model(config, held_out)
        algorithm = build(config.algorithm)
        probe = check_prompts(config, model, [*tasks, *held_out], algorithm)
        with ExitStack() as stack:
            judge = stack.enter_context(start_judge(config))
            progress.phase("reading the gold answers")
            check_tasks(judge, [*tasks, *held_out])
            progress.phase("starting Ray, the engines and the learner")
            cluster = stack.enter_context(start_cluster(config, model, tasks[0]))
            # Only now: what could not start leaves no folder, and takes nothing from the run that it would resume.
            log = RunLog(folder, trackers=config.run.trackers, resume_step=first if resume else None)
            stack.callback(log.close)
            (folder / "config.yaml").write_text(dump(config), encoding="utf-8")
            write_manifest(folder, seed=config.run.seed, argv=argv)
            desk = Desk(config, folder, log, progress, cluster, cluster.judge or judge, held_out, algorithm)
            if newest and state:
                cluster.learner.load(newest, state.step)
            cluster.learner.probe([probe])
            progress.phase("first publish and evaluation")
            # Only now: Ray puts a handler of its own in SIGTERM's place when it starts, and it leaves at once.
            stopping = stack.enter_context(stop_signals())
            stream = mixes.build(config.data.mix).stream(TaskStream(tasks, config.run.seed))
            controller.train(desk.run(stream, state, stopping))
    return finish(folder)


def prepare_model(config: TrainConfig, held_out: Sequence[Task]) -> str:
    """The model's path; `tiny` is built and warmed up first, in a process of its own with its own libraries."""
    if config.model.path != "tiny":
        return config.model.path
    request = {
        "model": config.model.model_dump(mode="json"),
        "source": config.data.sources[0].model_dump(mode="json"),
        "seed": config.run.seed,
        "cache": str(config.run.folder / ".warmup"),
        "exclude": [task.prompt for task in held_out],
        "template": config.data.template,
    }
    command, patient = [sys.executable, "-m", "rl.warmup"], {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        command, input=json.dumps(request), stdout=subprocess.PIPE, text=True, check=False, env=patient
    )
    if done.returncode == 2:
        raise BadInput("the tiny model cannot be made from this config: see the line above")
    if done.returncode:
        raise RunFailed(f"the warm-up of the tiny model failed with exit code {done.returncode}: see the lines above")
    return str(Path(done.stdout.splitlines()[-1]).resolve())


def check_prompts(config: TrainConfig, model: str, tasks: Sequence[Task], algorithm: Algorithm) -> tuple[int, ...]:
    """The token ids of the longest prompt, on which the first publish is verified.

    Raises BadInput when the tokenizer cannot serve the run, or a prompt leaves no room in the context.
    """
    from jinja2 import TemplateError

    from rl.actors import prompt_format

    codec, style = load_tokenizer(model), prompt_format(config)
    budget = max(largest_budget(algorithm, config.run.steps), *config.run.eval_budgets, 0)
    try:
        marks = markers(style, codec)
        prompts = [prompt_ids(task, style, codec, budget=budget) for task in tasks]
    except (ValueError, TemplateError) as error:
        raise BadInput(f"model.path {model!r}: {error}") from error
    # An engine scores sequences of one token less than its context, and every batch's longest is scored.
    room = config.model.context - 1 - budget - len(marks.closing) - len(marks.cue) - config.rollout.answer_tokens
    task, longest = max(zip(tasks, prompts, strict=True), key=lambda pair: len(pair[1]))
    if len(longest) > room:
        raise BadInput(
            f"the prompt of task {task.id} has {len(longest)} tokens; "
            f"model.context={config.model.context} leaves {room} beside the budget, the closing and the answer: "
            "raise it, or leave that task out"
        )
    return longest


def load_tokenizer(model: str) -> Any:
    """The tokenizer of a model. Raises BadInput when it has none."""
    from transformers import AutoTokenizer

    remedy = "put its tokenizer's files there, or name a model that has them"
    try:
        codec = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0].strip()
        raise BadInput(f"model.path {model!r} has no tokenizer that loads: {remedy} ({reason})") from error
    if not codec.encode("a", add_special_tokens=False):  # made up from config.json alone, without a vocabulary
        raise BadInput(f"model.path {model!r} has no tokenizer: {remedy}")
    return codec


def start_cluster(config: TrainConfig, model: str, canary: Task) -> Any:
    from rl.cluster import Cluster  # brings Ray, after everything cheap has been checked

    return Cluster(config, model, canary)


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM ask the run to save after the step in work; a second Ctrl-C interrupts at once.

    Whatever handled them before handles them again afterwards.
    """
    received: list[int] = []

    def handle(number: int, frame: object) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)
        print("\nstopping: the run saves after this step (Ctrl-C again leaves at once)", file=sys.stderr, flush=True)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def finish(folder: Path) -> Path:
    """What a person looks at when a run has ended: curve, transcripts, report."""
    report = make_report([folder])
    print_transcripts(read_samples(folder, "samples_before"), read_samples(folder, "samples_after"))
    print_summary(read_rows(folder), report)
    return folder
