"""The loop's verbs on a run folder: what a whole run in the fake world leaves on disk, and how it goes on."""

from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path

import pytest
from example_config import write_config
from fake_ports import Growing, World, untimed
from rich.console import Console

from rl import checkpoint
from rl.algorithms import build
from rl.algorithms.brpo import BRPO
from rl.algorithms.grpo import GRPO
from rl.algorithms.length import KimiLength
from rl.config_file import load
from rl.console import Progress
from rl.controller import train
from rl.desk import HELD_OUT_SEED, Desk
from rl.errors import RunFailed
from rl.log import EVENTS, RunLog, parse_rows
from rl.plan import plan
from rl.rollout_records import read_rollouts, read_samples
from rl.schedules import schedule_of
from rl.tasks import TaskStream
from rollout.types import BudgetPrior, Task

TASKS = TaskStream([Task(f"t{i}", f"problem {i}", "1") for i in range(7)], seed=0)
HELD_OUT = [Task(f"h{i}", f"held-out problem {i}", "1") for i in range(5)]


class Learner:
    """The world's learner, which also leaves its weight in a folder."""

    def __init__(self, world: World):
        self.world = world
        self.update, self.publish = world.update, world.publish

    @property
    def version(self) -> int:
        return self.world.version

    def save(self, folder: Path) -> None:
        (folder / "weight").write_text(repr(self.world.weight))


class Cluster:
    def __init__(self, world: World):
        self.engines, self.learner = world, Learner(world)


def go(folder, world, *overrides, held_out=HELD_OUT, algorithm=None, state=None, stopping=lambda: False):
    """A run of a world in a folder, from a state on; returns its config."""
    config = load(write_config(folder, name=f"{world.version}.yaml"), ["run.steps=5", *overrides])
    log = RunLog(folder / "run", resume_step=state.step if state else None)
    with closing(log), Progress(5, console=Console(file=io.StringIO())) as progress:
        chosen = algorithm or build(config.algorithm)
        desk = Desk(config, folder / "run", log, progress, Cluster(world), world, held_out, chosen)
        train(desk.run(TASKS, state, stopping))
    return config


def rows_of(folder: Path) -> list[dict[str, float]]:
    return parse_rows(folder / "run" / "metrics.jsonl")


def test_every_step_is_on_disk(tmp_path):
    world = World()
    go(tmp_path, world)
    rows = rows_of(tmp_path)
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 4]
    sampled = [row["tokens/sampled"] for row in rows]
    assert rows[-1]["tokens/sampled_total"] == sum(sampled)
    files = sorted((tmp_path / "run" / "rollouts").iterdir())
    assert [path.name for path in files] == [f"step_{step:06d}.parquet" for step in range(5)]
    for step, path in enumerate(files):
        table = read_rollouts(path)
        assert [row["task_id"] for row in table] == [task.id for task in TASKS.take(4 * step, 4) for _ in range(2)]
        assert {row["step"] for row in table} == {step}


def test_the_config_says_what_the_loop_does(tmp_path):
    world = World()
    go(tmp_path, world, "run.lookahead=2", "run.seed=3", "rollout.prompts_per_step=3", "rollout.group_size=4")
    training = [one for one in world.submissions if one.seed != HELD_OUT_SEED]
    assert [one.seed for one in training] == [(3 << 20) + step for step in range(5)]
    assert [(len(one.tasks), one.group_size, one.prior) for one in training] == [(3, 4, BudgetPrior.single(32))] * 5
    assert [one.version for one in training] == [0, 0, 0, 1, 2]


def test_held_out_problems_are_judged_before_the_first_and_after_the_last_step(tmp_path):
    world = World()
    go(tmp_path, world)
    held_out = [one for one in world.submissions if one.seed == HELD_OUT_SEED]
    assert [(one.version, one.group_size, one.prior) for one in held_out] == [
        (0, 1, BudgetPrior.single(32)),
        (5, 1, BudgetPrior.single(32)),
    ]
    assert {one.tasks for one in held_out} == {("h0", "h1", "h2", "h3", "h4")}
    rows = rows_of(tmp_path)
    assert ["heldout/accuracy" in row for row in rows] == [True, False, False, False, True]
    for name, row in (("samples_before", rows[0]), ("samples_after", rows[-1])):
        samples = read_samples(tmp_path / "run", name)
        assert [sample["id"] for sample in samples] == ["h0", "h1", "h2", "h3", "h4"]
        assert row["heldout/accuracy"] == sum(sample["status"] == "ok" for sample in samples) / 5


def test_without_held_out_problems_nothing_is_evaluated(tmp_path):
    world = World()
    go(tmp_path, world, held_out=[])
    assert len(world.submissions) == 5
    assert not any("heldout/accuracy" in row for row in rows_of(tmp_path))
    assert read_samples(tmp_path / "run", "samples_after") == []


def test_a_schedule_is_asked_about_the_steps_of_the_run_alone(tmp_path):
    """Budgets 5, 10 … 25: the evaluation after the last step has the last step's, not one more."""
    world = World()
    go(tmp_path, world, algorithm=Growing())
    held_out = [one.prior.largest for one in world.submissions if one.seed == HELD_OUT_SEED]
    assert held_out == [5, 25]


def test_brpo_with_one_budget_and_one_answer_is_grpo_to_the_last_bit(tmp_path):
    (tmp_path / "grpo").mkdir()
    (tmp_path / "brpo").mkdir()
    one, other = World(), World()
    go(tmp_path / "grpo", one, algorithm=GRPO(budget=8, scale="none"))
    go(tmp_path / "brpo", other, algorithm=BRPO(budget=8, num_budgets=1, answers=1))
    assert one.trained == other.trained
    assert one.weight == other.weight != 0
    rows = [[untimed(row) for row in rows_of(tmp_path / name)] for name in ("grpo", "brpo")]
    assert rows[0] == rows[1]


def halving(statistic: str = "budget/hit_rate") -> GRPO:
    """A budget of 32 that halves after every two steps in which no thought reached it: none ever does."""
    bound = {"statistic": statistic, "when": "below", "threshold": 1.0, "window": 2}
    return GRPO(budget=schedule_of({"type": "plateau", "b0": 32, "factor": 0.5, "limit": 8, **bound}))


MOVING = {
    "step_decay": {"b0": 40, "gamma": 0.7, "every": 2},
    "stepwise": {"b0": 40, "b_end": 9, "decays": 2, "total": 5},
    "linear": {"b0": 40, "b_end": 9, "total": 5},
    "cosine": {"b0": 9, "b_end": 40, "total": 5},
    "staged": {"stages": {0: 40, 2: 30, 3: 35}},
}
ALGORITHMS = {
    **{kind: GRPO(budget=schedule_of({"type": kind, **knobs})) for kind, knobs in MOVING.items()},
    "plateau": halving(),
    "held-out plateau": halving("heldout/accuracy"),
    "warm-up": KimiLength(budget=32, start_step=1, ramp_steps=3),
    "drawn": BRPO(budget=32, draw="prompt", answers=1),
}


def asked(world: World) -> list[tuple[bool, BudgetPrior]]:
    """Every prior that the engines were asked for, those of held-out problems marked."""
    return [(one.seed == HELD_OUT_SEED, one.prior) for one in world.submissions]


@pytest.mark.parametrize("at", [1, 2, 4])
@pytest.mark.parametrize(
    ("name", "lookahead"),
    [(name, lookahead) for name in ALGORITHMS for lookahead in (0, 2) if not (lookahead and "plateau" in name)],
)
def test_a_run_that_is_stopped_and_taken_up_asks_and_logs_what_a_whole_one_does(tmp_path, name, at, lookahead):
    """Budgets, versions and held-out priors alike. With batches ahead the world's weights at their sampling differ
    after a resume, and with them the rewards: there only what was asked for is the same, and a plateau may differ."""
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    knobs, algorithm = ("run.eval_every=1", f"run.lookahead={lookahead}"), ALGORITHMS[name]
    whole = World()
    go(tmp_path / "whole", whole, *knobs, algorithm=algorithm)
    first = World()
    go(tmp_path / "parts", first, *knobs, algorithm=algorithm, stopping=lambda: first.version == at)
    (newest,) = checkpoint.all_of(tmp_path / "parts" / "run")
    second = World(version=at, weight=float((newest / "weight").read_text()))
    go(tmp_path / "parts", second, *knobs, algorithm=algorithm, state=checkpoint.read(newest))
    ones, others = rows_of(tmp_path / "whole"), rows_of(tmp_path / "parts")
    planned = ("budget/largest", "budget/asked_mean", "budget/version")
    assert [[row[key] for key in planned] for row in ones] == [[row[key] for key in planned] for row in others]
    held_out = [[prior for mine, prior in asked(world) if mine] for world in (whole, first, second)]
    assert held_out[0] == held_out[1] + held_out[2]
    if not lookahead:
        assert [untimed(row) for row in ones] == [untimed(row) for row in others]


@pytest.mark.parametrize("kind", MOVING)
def test_a_run_follows_the_schedule_that_its_dry_run_shows(tmp_path, kind):
    schedule = json.dumps({"type": kind, **MOVING[kind]})
    config = go(tmp_path, World(), f"algorithm.budget={schedule}")
    assert [row["budget/largest"] for row in rows_of(tmp_path)] == list(plan(config).schedule)
    assert len(set(plan(config).schedule)) > 1


def test_what_only_the_end_asked_for_moves_no_budget(tmp_path):
    """A limit of tokens ends the run after step 1, which evaluates; taken up again, those weights count once."""
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    knobs = ("run.eval_every=2",)
    go(tmp_path / "whole", World(), *knobs, algorithm=halving("heldout/accuracy"))
    limit = int(rows_of(tmp_path / "whole")[1]["tokens/sampled_total"])
    first = World()
    go(tmp_path / "parts", first, *knobs, f"run.max_sampled_tokens={limit}", algorithm=halving("heldout/accuracy"))
    newest = checkpoint.all_of(tmp_path / "parts" / "run")[-1]
    assert checkpoint.read(newest).step == 2
    second = World(version=2, weight=float((newest / "weight").read_text()))
    state = checkpoint.read(newest)
    go(tmp_path / "parts", second, *knobs, algorithm=halving("heldout/accuracy"), state=state)
    budgets = [[row["budget/largest"] for row in rows_of(tmp_path / name)] for name in ("whole", "parts")]
    assert budgets[0] == budgets[1]


def test_a_budget_that_moves_leaves_its_cause_in_the_run_folder(tmp_path):
    go(tmp_path, World(), algorithm=halving())
    events = [json.loads(line) for line in (tmp_path / "run" / EVENTS).read_text().splitlines()]
    assert [(event["step"], event["event"]) for event in events] == [(1, "budget"), (3, "budget")]
    assert events[0]["cause"] == "budget/hit_rate averaged 0 over steps 0-1, at or below 1"
    assert [row["budget/largest"] for row in rows_of(tmp_path)] == [32, 32, 16, 16, 8]


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_stopped_run_takes_up_a_moving_budget_where_it_was(tmp_path, at):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    go(tmp_path / "whole", World(), algorithm=halving())
    first = World()
    go(tmp_path / "parts", first, algorithm=halving(), stopping=lambda: first.version == at)
    (newest,) = checkpoint.all_of(tmp_path / "parts" / "run")
    second = World(version=at, weight=float((newest / "weight").read_text()))
    go(tmp_path / "parts", second, algorithm=halving(), state=checkpoint.read(newest))
    ones, others = rows_of(tmp_path / "whole"), rows_of(tmp_path / "parts")
    assert [untimed(row) for row in ones] == [untimed(row) for row in others]
    whole, parts = (tmp_path / name / "run" / EVENTS for name in ("whole", "parts"))
    assert whole.read_text() == parts.read_text()


def test_tokens_of_an_evaluation_are_in_the_row_after_it(tmp_path):
    """Before the first step and after the last, each the five held-out problems once."""
    world = World()
    go(tmp_path, world)
    evaluated = [row["ledger/evaluation"] for row in rows_of(tmp_path)]
    assert evaluated[1:4] == [0.0, 0.0, 0.0]
    for name, tokens in (("samples_before", evaluated[0]), ("samples_after", evaluated[4])):
        samples = read_samples(tmp_path / "run", name)
        assert tokens == sum(sample["thought_tokens"] + 1 for sample in samples) > 0  # an answer has one token here


def states(folder: Path) -> dict[str, checkpoint.State]:
    return {path.name: checkpoint.read(path) for path in checkpoint.all_of(folder / "run")}


def test_checkpoints_hold_weights_and_where_the_run_stands(tmp_path):
    world = World()
    config = go(tmp_path, world, "run.save_every=2", "run.keep_last=9", algorithm=Growing())
    rows, kept = rows_of(tmp_path), states(tmp_path)
    assert list(kept) == ["step_000002", "step_000004", "step_000005"]
    for state in kept.values():
        row = rows[state.step - 1]
        assert state.sampled_total == row["tokens/sampled_total"]
        assert state.grade == row.get("heldout/accuracy")  # known of the last one alone
        assert state.trigger == {"schedule": None, "moves": [], "window": []}
        assert dict(state.identity) == json.loads(json.dumps(checkpoint.identity(config)))
    newest = tmp_path / "run" / "checkpoints" / "step_000005" / "weight"
    assert float(newest.read_text()) == world.weight


def test_old_checkpoints_go_and_the_best_stays(tmp_path):
    world = World()
    go(tmp_path, world, "run.save_every=1", "run.keep_last=1", "run.eval_every=1")
    rows = rows_of(tmp_path)
    of_version = {row["step"]: row["heldout/accuracy"] for row in rows[1:4]}  # the last row has the last weights'
    best = max(of_version, key=of_version.__getitem__)
    assert list(states(tmp_path)) == [f"step_{step:06d}" for step in sorted({best, 5})]
    assert states(tmp_path)[f"step_{best:06d}"].grade == of_version[best]


def test_the_best_checkpoint_is_that_of_a_named_metric(tmp_path):
    world = World()
    go(tmp_path, world, "run.save_every=1", "run.keep_last=1", "run.best=tokens/thinking_mean")
    values = {row["step"] + 1: row["tokens/thinking_mean"] for row in rows_of(tmp_path)}
    best = max(values, key=values.__getitem__)
    assert list(states(tmp_path)) == [f"step_{step:06d}" for step in sorted({best, 5})]


def test_a_metric_that_no_row_has_ends_the_run_at_its_first_row_with_the_nearest_one(tmp_path):
    world = World()
    with pytest.raises(RunFailed, match=r"run\.best='reward/men' is no metric of this run; did you mean reward/mean"):
        go(tmp_path, world, "run.save_every=4", "run.best=reward/men")
    assert world.version == 1


def test_held_out_problems_can_be_answered_at_several_budgets(tmp_path):
    world = World()
    go(tmp_path, world, "run.eval_budgets=[4,8,32]")
    held_out = [one.prior for one in world.submissions if one.seed == HELD_OUT_SEED]
    assert [prior.tokens for prior in held_out] == [(4, 8, 32)] * 2
    row = rows_of(tmp_path)[-1]
    at = [row[f"heldout/budget_{budget}"] for budget in (4, 8, 32)]
    assert row["heldout/accuracy"] == at[-1]
    assert row["heldout/anytime"] == pytest.approx(sum(at) / 3)


@pytest.mark.parametrize("at", [1, 3])
def test_a_stopped_run_that_goes_on_leaves_the_same_records(tmp_path, at):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = World()
    go(tmp_path / "whole", whole)
    first = World()
    go(tmp_path / "parts", first, stopping=lambda: first.version == at)
    (newest,) = checkpoint.all_of(tmp_path / "parts" / "run")
    state = checkpoint.read(newest)
    assert state.step == at
    second = World(version=state.step, weight=float((newest / "weight").read_text()))
    go(tmp_path / "parts", second, state=state)
    ones, others = rows_of(tmp_path / "whole"), rows_of(tmp_path / "parts")
    assert [untimed(row) for row in ones] == [untimed(row) for row in others]
    assert second.weight == whole.weight
    for step in range(5):
        name = Path("run") / "rollouts" / f"step_{step:06d}.parquet"
        assert read_rollouts(tmp_path / "whole" / name) == read_rollouts(tmp_path / "parts" / name)


def test_what_was_recorded_after_the_checkpoint_is_taken_back(tmp_path):
    """Killed at step 4, saved at 2: steps 2 and 3 are recorded again, once."""

    class Killed(World):
        def update(self, samples):
            if self.version == 4:
                raise KeyboardInterrupt
            return super().update(samples)

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, Killed(), "run.save_every=2", "run.keep_last=9", held_out=[])
    assert [row["step"] for row in rows_of(tmp_path)] == [0, 1, 2, 3]
    before = rows_of(tmp_path)
    at_two = checkpoint.folder_of(tmp_path / "run", 2)
    world = World(version=2, weight=float((at_two / "weight").read_text()))
    go(tmp_path, world, held_out=[], state=checkpoint.read(at_two))
    after = rows_of(tmp_path)
    assert [row["step"] for row in after] == [0, 1, 2, 3, 4]
    assert [untimed(row) for row in after[:4]] == [untimed(row) for row in before]
