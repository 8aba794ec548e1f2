"""How the page is left before its end: asked to, or by an error that leaves what was saved."""

from __future__ import annotations

import math

import pytest
from fake_ports import World, only, trained, untimed

from rl.controller import train
from rl.errors import RunFailed


@pytest.mark.parametrize("lookahead", [0, 2])
def test_a_stop_saves_after_the_step_in_work_and_leaves(lookahead):
    world = World()
    train(world.run(steps=10, lookahead=lookahead, stopping=lambda: world.version == 3))
    assert world.version == 3
    assert [done for done, _, _ in world.saves] == [3]
    assert world.events[-2:] == ["log 2", "save 3"]
    assert only(world, "evaluate") == ["evaluate 0"]


def test_a_stop_before_the_first_step_still_saves_something():
    world = trained(steps=10, stopping=lambda: True)
    assert (world.version, [done for done, _, _ in world.saves]) == (1, [1])


def test_a_stopped_run_and_its_resumption_are_one_run():
    whole, first = trained(steps=5), World()
    train(first.run(steps=5, stopping=lambda: first.version == 2))
    done, row, weight = first.saves[-1]
    second = World(version=done, weight=weight)
    train(second.run(steps=5, sampled_total=int(row["tokens/sampled_total"])))
    assert [untimed(row) for row in first.rows + second.rows] == [untimed(row) for row in whole.rows]
    assert second.weight == whole.weight


def test_a_batch_without_verdicts_is_refused_before_it_is_trained_on():
    world = World()

    def check(scored):
        if world.version == 2:
            raise RunFailed("no verdicts")

    with pytest.raises(RunFailed, match="no verdicts"):
        train(world.run(steps=5, save_every=1, check=check))
    assert world.version == 2
    assert [done for done, _, _ in world.saves] == [1, 2]
    assert world.events[-1] == "score"


def test_a_loss_that_is_no_number_ends_the_run_before_it_is_published_logged_or_saved():
    class Diverging(World):
        def update(self, samples):
            if self.version == 2:
                raise FloatingPointError("the loss is nan")
            return super().update(samples)

    world = Diverging()
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        train(world.run(steps=5, save_every=1))
    assert world.events[-1] == "check"
    assert [done for done, _, _ in world.saves] == [1, 2]
    assert all(math.isfinite(value) for row in world.rows for value in row.values())


def test_weights_that_the_engines_do_not_have_are_never_sampled_from():
    class Broken(World):
        def publish(self):
            if self.version == 1:
                raise RunFailed("engine 0 does not have the learner's weights")
            return super().publish()

    world = Broken()
    with pytest.raises(RunFailed, match="does not have the learner's weights"):
        train(world.run(steps=5, save_every=1))
    assert only(world, "submit", "log", "save") == ["submit 0"]
