"""The page, in a world of fake ports: order, lookahead, resume, evaluation, stopping, and what an error leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest
from fake_ports import GROUP, PROMPTS, SEED, TASKS, Growing, World, only, trained, untimed
from hypothesis import given
from hypothesis import strategies as st
from make_groups import outcome_group

from rl.algorithms.grpo import GRPO
from rl.controller import train
from rl.ledger import accounts, sampled
from rl.metrics import summarize
from rl.pace import Stopwatch, due
from rl.samples import select
from rl.schedules import schedule_of
from rl.triggers import Trigger, plateau_of
from rollout.types import BudgetPrior

# order


def test_the_verbs_of_a_run_in_their_order():
    phases = ["score", "check"]
    assert trained(steps=2).events == [
        *("publish 0", "evaluate 0"),
        *("submit 0", "result 0", *phases, "update 0", "publish 1", "log 0"),
        *("submit 1", "result 1", *phases, "update 1", "publish 2", "evaluate 2", "log 1", "save 2"),
    ]


def test_lookahead_fills_the_queue_before_it_waits():
    world = trained(steps=5, lookahead=2)
    assert only(world, "submit", "result", "publish") == [
        *("publish 0", "submit 0", "submit 1", "submit 2"),
        *("result 0", "publish 1", "submit 3"),
        *("result 1", "publish 2", "submit 4"),
        *("result 2", "publish 3"),
        *("result 3", "publish 4"),
        *("result 4", "publish 5"),
    ]
    assert [row["policy/lag"] for row in world.rows] == [0, 1, 2, 2, 2]


@given(steps=st.integers(1, 9), lookahead=st.integers(0, 4))
def test_lookahead_bounds_what_is_in_flight_and_how_stale_it_is(steps, lookahead):
    world = World()
    most = 0

    def count(scored):
        nonlocal most
        most = max(most, world.waiting + 1)  # the batch that is being checked has just been taken out

    train(world.run(steps=steps, lookahead=lookahead, check=count))
    assert [int(event.split()[1]) for event in only(world, "submit")] == list(range(steps))
    assert most == min(lookahead + 1, steps)
    assert world.waiting == 0
    for step in range(steps):
        fresh = world.events.index(f"publish {max(0, step - lookahead)}")
        assert fresh < world.events.index(f"submit {step}") < world.events.index(f"result {step}")
    assert [row["policy/lag"] for row in world.rows] == [min(step, lookahead) for step in range(steps)]


@pytest.mark.parametrize("lookahead", [0, 1, 3])
def test_a_batch_is_sampled_under_the_budget_and_seed_of_its_own_step(lookahead):
    world = trained(steps=4, lookahead=lookahead, algorithm=Growing())
    asked = [(one.prior, one.seed, one.group_size) for one in world.submissions]
    assert asked == [(BudgetPrior((5 + 5 * s,), (1.0,), "growing", s), SEED + s, GROUP) for s in range(4)]
    ids = [task.id for task in TASKS.take(0, 4 * PROMPTS)]
    assert [one.tasks for one in world.submissions] == [tuple(ids[2 * s : 2 * s + 2]) for s in range(4)]
    assert [row["budget/largest"] for row in world.rows] == [5, 10, 15, 20]


def slowly(world, steps):
    """Strictly on-policy training without a queue: sample, judge, train, publish."""
    algorithm, total = GRPO(budget=8), 0
    world.publish()
    for step in range(world.version, steps):
        tasks = TASKS.take(step * PROMPTS, PROMPTS)
        priors = [algorithm.budgets(step)] * PROMPTS
        groups = world.submit(tasks, priors, group_size=GROUP, seed=SEED + step).result()
        scored = world.score(groups)
        batch = select(scored, [algorithm.credit(group) for group in scored], drop_zero_signal=True, share="rollout")
        stats = {"group/dropped": float(batch.dropped), **world.update(batch.samples), **world.publish()}
        total += sampled(groups)
        facts = {"sampled_total": total, "informative": batch.informative, "version": step}
        row = summarize(step, scored, stats | accounts(groups, batch.samples), {"time/step": 1.0}, **facts)
        world.log(row, scored)


def test_without_lookahead_it_is_the_synchronous_loop_bit_for_bit():
    plain, world = World(), trained(steps=6, evaluate=lambda done, anyway: dict)
    slowly(plain, 6)
    assert [untimed(row) for row in world.rows] == [untimed(row) for row in plain.rows]
    assert world.trained == plain.trained
    assert world.weight == plain.weight != 0
    assert world.submissions == plain.submissions


def test_with_lookahead_the_data_is_the_same_but_the_weights_are_not():
    now, ahead = trained(steps=6), trained(steps=6, lookahead=2)
    assert [replace(one, version=0) for one in now.submissions] == [replace(o, version=0) for o in ahead.submissions]
    assert [one.version for one in ahead.submissions] == [0, 0, 0, 1, 2, 3]
    assert now.weight != ahead.weight


# resume


@pytest.mark.parametrize("lookahead", [0, 2])
@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_resumed_run_takes_the_same_tasks_and_seeds(at, lookahead):
    whole = trained(steps=6, lookahead=lookahead, save_every=1)
    done, row, weight = whole.saves[at - 1]
    resumed = World(version=done, weight=weight)
    train(resumed.run(steps=6, lookahead=lookahead, sampled_total=int(row["tokens/sampled_total"])))
    asked = [replace(one, version=0) for one in whole.submissions]
    assert [replace(one, version=0) for one in resumed.submissions] == asked[at:]
    assert resumed.events[:2] == [f"publish {at}", f"submit {at}"]  # held-out problems are not judged again
    if lookahead == 0:
        assert [untimed(row) for row in resumed.rows] == [untimed(row) for row in whole.rows[at:]]
        assert resumed.weight == whole.weight


def test_the_data_order_goes_on_over_the_end_of_a_pass():
    """Seven tasks, two at a time: the fourth batch takes the last of the first pass and the first of the second."""
    world = trained(steps=7)
    seen = [task for one in world.submissions for task in one.tasks]
    assert sorted(seen[:7]) == sorted(seen[7:]) == [f"t{i}" for i in range(7)]
    assert seen[:7] != seen[7:]


def test_a_run_that_is_already_done_only_publishes():
    world = World(version=4)
    train(world.run(steps=4))
    assert world.events == ["publish 4"]


# budgets: moved by a statistic, drawn per prompt, and the limit on tokens

HALVING = {"type": "plateau", "b0": 32, "factor": 0.5, "limit": 8, "statistic": "budget/hit_rate", "when": "below"}


def halving(**changes):
    """GRPO whose budget of 32 halves after every two steps in which no thought reached it: none ever does."""
    algorithm = GRPO(budget=schedule_of(HALVING | {"threshold": 0.0, "window": 2}))
    return {"algorithm": algorithm, "trigger": Trigger(plateau_of(algorithm)), **changes}


@pytest.mark.parametrize(("lookahead", "budgets"), [(0, [32, 32, 16, 16, 8, 8]), (1, [32, 32, 32, 16, 16, 16])])
def test_a_triggered_budget_moves_with_the_first_batch_that_is_not_yet_submitted(lookahead, budgets):
    world = trained(steps=6, lookahead=lookahead, **halving())
    assert [row["budget/largest"] for row in world.rows] == budgets
    assert [one.prior.version for one in world.submissions] == [{32: 0, 16: 1, 8: 2}[budget] for budget in budgets]
    first = "moved 1: budget/hit_rate averaged 0 over steps 0-1, at or below 0"
    assert only(world, "moved")[0] == first
    assert world.events.index("log 1") < world.events.index(first)


@pytest.mark.parametrize("at", range(1, 6))
def test_a_triggered_budget_resumes_in_mid_window(at):
    settings, states = halving(), []
    whole = World()
    save = lambda done, row: states.append(settings["trigger"].state())  # noqa: E731
    train(whole.run(steps=6, save_every=1, save=save, **settings))
    again = halving()
    again["trigger"].restore(json.loads(json.dumps(states[at - 1])))
    resumed = World(version=at)
    train(resumed.run(steps=6, **again))
    assert [one.prior for one in resumed.submissions] == [one.prior for one in whole.submissions][at:]


def test_every_prompt_of_a_step_has_a_draw_of_its_own_that_a_resume_repeats():
    @dataclass(frozen=True)
    class Drawing(GRPO):
        def budgets(self, step, *, moves=(), draw=0.0):
            return BudgetPrior.single(4 + int(8 * draw))

    def budgets_of(world):
        return {(group.group.task.id, group.group.task.epoch): group.group.prior.largest for group in each(world)}

    def each(world):
        return [group for scored in world.logged for group in scored]

    whole, late = World(), World(version=3)
    train(whole.run(steps=7, algorithm=Drawing(8)))
    train(late.run(steps=7, algorithm=Drawing(8)))
    found = budgets_of(whole)
    assert len(found) == 14
    assert len(set(found.values())) > 3
    assert budgets_of(late).items() <= found.items()


@pytest.mark.parametrize("lookahead", [0, 2])
def test_the_limit_on_tokens_ends_the_run_after_the_step_that_reaches_it(lookahead):
    free = trained(steps=6, lookahead=lookahead)
    limit = int(free.rows[2]["tokens/sampled_total"])
    for most in (limit, limit - 1):
        world = trained(steps=6, lookahead=lookahead, max_sampled_tokens=most)
        assert [row["step"] for row in world.rows] == [0, 1, 2]
        assert [done for done, _, _ in world.saves] == [3]
        assert only(world, "evaluate") == ["evaluate 0", "evaluate 3"]
    assert len(trained(steps=6, max_sampled_tokens=limit + 1).rows) == 4


# evaluation


def test_held_out_values_are_in_the_rows_of_their_steps():
    world = trained(steps=6, eval_every=2)
    assert only(world, "evaluate") == ["evaluate 0", "evaluate 2", "evaluate 4", "evaluate 6"]
    found = [row.get("heldout/accuracy") for row in world.rows]
    assert found == [0.0, None, 0.02, None, 0.04, 0.06]


def test_held_out_problems_are_sampled_beside_the_next_batch():
    """Neither the engines nor the learner wait for them: only the next publish does."""
    world = trained(steps=3, eval_every=1)
    assert only(world, "evaluate", "submit", "update", "publish")[2:8] == [
        *("submit 0", "update 0", "publish 1", "evaluate 1", "submit 1", "update 1")
    ]


def test_an_evaluation_that_a_stop_cut_off_is_made_up_for():
    """A run that stops after step 2 has not seen what its weights are worth; taken up again it sees it first."""
    first = World()
    train(first.run(steps=6, eval_every=2, stopping=lambda: first.version == 2))
    assert [row.get("heldout/accuracy") for row in first.rows] == [0.0, None]
    second = World(version=2, weight=first.weight)
    train(second.run(steps=6, eval_every=2))
    assert [row.get("heldout/accuracy") for row in second.rows] == [0.02, None, 0.04, 0.06]


def test_without_a_rhythm_it_evaluates_before_the_first_and_after_the_last_step():
    world = trained(steps=3)
    assert only(world, "evaluate", "update") == ["evaluate 0", "update 0", "update 1", "update 2", "evaluate 3"]
    assert [row.get("heldout/accuracy") for row in world.rows] == [0.0, None, 0.03]


def test_what_is_evaluated_are_published_weights():
    world = World()
    versions = []
    train(
        world.run(steps=4, lookahead=1, evaluate=lambda done, last: versions.append((done, world.published[0])) or dict)
    )
    assert versions == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]


# what is recorded, and what is saved


def test_a_row_tells_the_truth_about_its_step():
    world = trained(steps=3)
    total = 0
    for step, (row, scored, batch) in enumerate(zip(world.rows, world.logged, world.trained, strict=True)):
        rollouts = [rollout for group in scored for rollout in group.group.rollouts]
        sampled = sum(len(r.token_ids) + len(r.answers[0][0].token_ids) for r in rollouts)
        total += sampled
        assert (row["step"], row["tokens/sampled"], row["tokens/sampled_total"]) == (step, sampled, total)
        rewards = [result.value for group in scored for ((result,),) in group.results]
        assert row["reward/mean"] == pytest.approx(sum(rewards) / len(rewards))
        mixed = [len({result.value for ((result,),) in group.results}) > 1 for group in scored]
        assert row["group/informative"] == sum(mixed) / PROMPTS
        assert row["group/dropped"] == PROMPTS - sum(mixed)
        assert len(batch) == GROUP * sum(mixed)
        assert row["time/step"] == pytest.approx(
            sum(row[f"time/{p}"] for p in ("rollout", "reward", "learn", "evaluate", "publish"))
        )
        assert row["publish/gap"] == 0.0


class HalfDull(World):
    """A judge to whom the answers of the first group are all alike."""

    def score(self, groups):
        return [outcome_group([1.0] * GROUP), outcome_group([1.0, 0.0, 0.0, 1.0])]


@pytest.mark.parametrize(("drop", "dropped", "samples"), [(True, 1.0, GROUP), (False, 0.0, 2 * GROUP)])
def test_groups_without_a_signal_are_dropped_by_rule_and_counted(drop, dropped, samples):
    world = HalfDull()
    train(world.run(steps=1, drop_zero_signal=drop))
    assert [len(batch) for batch in world.trained] == [samples]
    assert world.rows[0]["group/dropped"] == dropped
    assert world.rows[0]["group/informative"] == 0.5


def test_a_batch_without_any_signal_is_still_a_step():
    class Dull(World):
        def score(self, groups):
            return [outcome_group([1.0] * GROUP) for _ in groups]

    world = Dull()
    train(world.run(steps=2))
    assert world.trained == [[], []]
    assert [(row["group/dropped"], row["group/informative"]) for row in world.rows] == [(2.0, 0.0), (2.0, 0.0)]
    assert world.published[0] == 2


def test_saves_are_due_and_carry_the_row_of_the_last_step_trained():
    world = trained(steps=5, save_every=2)
    assert [done for done, _, _ in world.saves] == [2, 4, 5]
    assert [row for _, row, _ in world.saves] == [world.rows[1], world.rows[3], world.rows[4]]
    for done in (2, 4, 5):
        assert world.events.index(f"log {done - 1}") < world.events.index(f"save {done}")


def test_the_last_step_is_saved_once():
    assert [done for done, _, _ in trained(steps=4, save_every=2).saves] == [2, 4]


def test_tokens_of_earlier_runs_are_counted_on():
    fresh, resumed = trained(steps=1), trained(steps=1, sampled_total=500)
    assert resumed.rows[0]["tokens/sampled_total"] == 500 + fresh.rows[0]["tokens/sampled_total"]


def test_due():
    assert [done for done in range(1, 10) if due(done, 3)] == [3, 6, 9]
    assert not any(due(done, 0) for done in range(1, 10))


def test_a_stopwatch_shares_the_step_among_its_laps():
    watch = Stopwatch()
    watch.lap("rollout")
    watch.lap("learn")
    times = watch.times()
    assert list(times) == ["time/rollout", "time/learn", "time/step"]
    assert times["time/step"] == times["time/rollout"] + times["time/learn"] >= 0
