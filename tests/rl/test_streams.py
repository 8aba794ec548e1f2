"""Streams that learn: through the loop, over an interruption, and on disk."""

from __future__ import annotations

import io
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from example_config import write_config
from fake_ports import PROMPTS, World, only, untimed
from make_groups import outcome_group
from rich.console import Console
from test_desk import Cluster

from rewards.types import ScoredGroup
from rl import checkpoint
from rl.algorithms import build as build_algorithm
from rl.config_file import load
from rl.console import Progress
from rl.controller import train
from rl.desk import Desk
from rl.errors import BadInput
from rl.log import RunLog
from rl.metrics import label, source_metrics
from rl.mixes import build
from rl.streams import Resumable, Stream
from rl.tasks import TaskStream
from rollout.types import Task

TASKS = [Task(f"{name}{i}", f"{name}{i}?", "1", source=name) for name, n in (("a", 6), ("b", 4)) for i in range(n)]
MIXES = {
    "permutation": {"type": "permutation"},
    "mixture": {"type": "mixture", "weights": {"a": 0.3, "b": 0.7}},
    "prioritized": {"type": "prioritized", "floor": 0.01},
    "pass_rate": {"type": "pass_rate", "low": 0.3, "high": 0.7, "epochs": 2},
}
STEPS = 24


class Steady(World):
    """What is sampled does not depend on the weights, so that a batch is worth the same whenever it is sampled."""

    def publish(self):
        stats = super().publish()
        self.published = (self.version, 0.0)
        return stats


def stream_of(name: str, tasks: list[Task] = TASKS, seed: int = 5) -> Resumable:
    return build(MIXES[name]).stream(TaskStream(tasks, seed))


def go(world: World, stream: Resumable, **changes: Any) -> list[str]:
    """Run, and give what a checkpoint after each step would have of the stream."""
    states: list[str] = []
    settings = {"steps": STEPS, "save_every": 1, "save": lambda done, row: states.append(json.dumps(stream.state()))}
    train(world.run(tasks=stream, **settings | changes))
    return states


def asked(world: World) -> list[tuple[tuple[str, ...], int]]:
    return [(one.tasks, one.seed) for one in world.submissions]


# resume


@pytest.mark.parametrize("lookahead", [0, 2])
@pytest.mark.parametrize("name", MIXES)
def test_a_run_resumed_in_the_middle_is_the_undisturbed_run(name, lookahead):
    whole, stream = Steady(), stream_of(name)
    weights: list[float] = []
    states = go(whole, stream, lookahead=lookahead, check=lambda scored: weights.append(whole.weight))
    for at in (1, 2, 3, 11, STEPS - 1):
        again = stream_of(name)
        again.restore(json.loads(states[at - 1]))
        resumed = Steady(version=at, weight=weights[at])
        late = go(resumed, again, lookahead=lookahead)
        assert asked(resumed) == asked(whole)[at:]
        assert late == states[at:]
        assert resumed.weight == whole.weight != 0


@pytest.mark.parametrize("name", MIXES)
def test_without_lookahead_that_holds_for_weights_that_are_sampled_from(name):
    whole, stream = World(), stream_of(name)
    weights: list[float] = []
    states = go(whole, stream, check=lambda scored: weights.append(whole.weight))
    again = stream_of(name)
    again.restore(json.loads(states[10]))
    resumed = World(version=11, weight=weights[11])
    go(resumed, again, sampled_total=int(whole.rows[10]["tokens/sampled_total"]))
    assert [untimed(row) for row in resumed.rows] == [untimed(row) for row in whole.rows[11:]]
    assert resumed.weight == whole.weight


@pytest.mark.parametrize("name", ["prioritized", "pass_rate"])
def test_a_stream_learns_from_what_is_judged(name):
    """Half of the problems are always right: they come less often than the others."""

    class Lopsided(World):
        def score(self, groups):
            return [
                replace(outcome_group([1.0] * 4 if int(group.task.id[1:]) % 2 else [1.0, 0.0, 1.0, 0.0]), group=group)
                for group in groups
            ]

    world = Lopsided()
    go(world, stream_of(name), steps=100)
    drawn = [task for one in world.submissions for task in one.tasks]
    easy = sum(int(task[1:]) % 2 for task in drawn) / len(drawn)
    assert easy == pytest.approx({"prioritized": 0.04, "pass_rate": 0.25}[name], abs=0.04)


@pytest.mark.parametrize("lookahead", [0, 1, 3])
def test_a_batch_is_drawn_from_the_batches_that_were_judged_before_it_was_submitted(lookahead):
    seen: list[int] = []

    class Telling:
        """A policy that draws in order and says how many groups it has seen by then."""

        def draw(self, tables, problems, n, rng):
            seen.append(int(tables["seen"].get("groups", 0)) // PROMPTS)
            return problems.take(len(seen) * n, n)

        def note(self, tables, scored):
            tables["seen"]["groups"] = tables["seen"].get("groups", 0) + 1

    go(World(), Stream(Telling(), TaskStream(TASKS, 5)), steps=8, lookahead=lookahead)
    assert seen == [max(0, step - lookahead) for step in range(8)]


def test_it_is_told_once_about_every_batch_after_it_was_judged_and_checked():
    world, stream = World(), TaskStream(TASKS, 5)

    class Listening:
        sources = stream.sources
        take = staticmethod(stream.take)

        def observe(self, scored):
            world.events.append(f"observe {','.join(group.group.task.id for group in scored)}")

    train(world.run(tasks=Listening(), steps=2))
    first, second = (",".join(one.tasks) for one in world.submissions)
    assert only(world, "check", "observe", "update") == [
        *("check", f"observe {first}", "update 0", "check", f"observe {second}", "update 1")
    ]


# the contract of a stream


@pytest.mark.parametrize("name", ["mixture", "prioritized", "pass_rate"])
def test_a_batch_stays_what_it_was_until_it_is_observed(name):
    stream = stream_of(name)
    first, second = stream.take(0, 3), stream.take(3, 3)
    assert (stream.take(0, 3), stream.take(3, 3)) == (first, second)
    stream.observe([half_right(task) for task in first])
    assert stream.take(3, 3) == second
    for ordinal, n in ((0, 3), (3, 2), (9, 3)):
        with pytest.raises(ValueError, match="batches are drawn in their order, next from 6"):
            stream.take(ordinal, n)


def half_right(task: Task) -> ScoredGroup:
    scored = outcome_group([1.0, 0.0])
    return replace(scored, group=replace(scored.group, task=task))


def test_a_state_is_a_copy():
    stream = stream_of("prioritized")
    stream.take(0, 3)
    before = stream.state()
    kept = json.dumps(before)
    stream.observe([half_right(task) for task in TASKS[:3]])
    stream.take(3, 3)
    assert json.dumps(before) == kept


def test_a_problem_that_is_gone_is_named():
    stream = stream_of("prioritized")
    (task,) = stream.take(0, 1)
    rest = [other for other in TASKS if other.id != task.id]
    with pytest.raises(BadInput, match=f"data.train has lost problem '{task.id}', which the checkpoint is about to"):
        stream_of("prioritized", rest).restore(stream.state())


def test_a_permutation_has_no_state():
    stream = TaskStream(TASKS, 5)
    order = stream.take(0, 30)
    stream.observe([outcome_group([1.0])])
    stream.restore(stream.state())
    assert stream.state() == {}
    assert stream.take(0, 30) == order
    assert list(stream.sources) == ["a", "b"]


# metrics


def of_source(name: str, *rewards: float) -> ScoredGroup:
    scored = outcome_group(rewards)
    return replace(scored, group=replace(scored.group, task=Task("t", "p", "1", source=name)))


def test_every_source_has_its_share_and_its_accuracy():
    scored = [of_source("openai/gsm8k", 1, 0), of_source("b", 1, 1), of_source("openai/gsm8k", 0, 0)]
    assert source_metrics(scored, ["openai/gsm8k", "b", "reasoning_gym:c"]) == {
        "data/share_openai_gsm8k": pytest.approx(2 / 3),
        "data/share_b": pytest.approx(1 / 3),
        "data/share_reasoning_gym_c": 0.0,
        "accuracy/source_openai_gsm8k": 0.25,
        "accuracy/source_b": 1.0,
    }
    assert source_metrics(scored, ["openai/gsm8k"]) == {}
    assert label("/data/my file-1.0.jsonl") == "_data_my_file-1.0.jsonl"


def test_rows_have_the_sources_of_a_run_with_several():
    world = World()
    go(world, stream_of("mixture"), prompts=10, steps=3)
    assert [(row["data/share_a"], row["data/share_b"]) for row in world.rows[:1]] == [(0.3, 0.7)]
    for row, scored in zip(world.rows, world.logged, strict=True):
        results = [g.results for g in scored if g.group.task.source == "b"]
        values = [result.value for rows in results for ((result,),) in rows]
        assert row["accuracy/source_b"] == sum(values) / len(values)
    assert not any("source" in key or "share" in key for row in trained_on_one() for key in row)


def trained_on_one() -> list[dict[str, float]]:
    world = World()
    go(world, stream_of("prioritized", TASKS[:6]), steps=2)
    return world.rows


# on disk


def run_on_disk(folder: Path, world: World, state: checkpoint.State | None) -> None:
    overrides = ["run.steps=9", "run.lookahead=2", "run.save_every=4", "data.mix={type: prioritized, floor: 0.01}"]
    config = load(write_config(folder), [*overrides, "run.keep_last=9"])
    log = RunLog(folder / "run", resume_step=state.step if state else None)
    with closing(log), Progress(9, console=Console(file=io.StringIO())) as progress:
        algorithm = build_algorithm(config.algorithm)
        desk = Desk(config, folder / "run", log, progress, Cluster(world), world, [], algorithm)
        train(desk.run(build(config.data.mix).stream(TaskStream(TASKS, 5)), state, lambda: False))


def test_a_checkpoint_has_what_the_stream_needs(tmp_path):
    whole = Steady()
    run_on_disk(tmp_path, whole, None)
    fourth, _, last = checkpoint.all_of(tmp_path / "run")
    state, end = checkpoint.read(fourth), checkpoint.read(last)
    assert list(state.tasks["drawn"]) == ["16", "20"]  # the batches of steps 4 and 5, four problems each
    late = Steady(version=4, weight=float((fourth / "weight").read_text()))
    run_on_disk(tmp_path, late, state)
    assert asked(late) == asked(whole)[4:]
    assert checkpoint.read(last) == end
    assert late.weight == whole.weight != 0


def test_another_mix_is_another_run(tmp_path):
    config = load(write_config(tmp_path), ["data.mix.type=prioritized"])
    state = checkpoint.State(4, 0, 0.5, {}, checkpoint.identity(config))
    with pytest.raises(BadInput, match=r"data.mix.floor was 0.05, the config says 0.2$"):
        checkpoint.check_same_run(
            tmp_path, state, load(write_config(tmp_path), ["data.mix={type: prioritized, floor: 0.2}"])
        )
    one, other = (load(write_config(tmp_path), [f"data.train=[{{source: a.jsonl, limit: {n}}}]"]) for n in (7, 8))
    with pytest.raises(BadInput, match=r"data.train.0.limit was 7, the config says 8$"):
        checkpoint.check_same_run(tmp_path, replace(state, identity=checkpoint.identity(one)), other)
