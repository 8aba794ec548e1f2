"""The command on the whole stack: Ray, vLLM, DeepSpeed, judged rewards. Killed, stopped, resumed.

An untrained model is paid for digits (`digit_reward.py`), so every step has a signal and a loss.
"""

import os
import signal
import time

import pytest
import torch
from live_runs import PATIENCE_S, REWARD, Runs
from transformers import AutoModelForCausalLM, AutoTokenizer

from rl import checkpoint
from rl.config_file import load
from rl.rollout_records import read_rollouts

METRICS = {
    *("step", "loss", "grad_norm", "reward/mean", "reward/excluded", "accuracy/mean", "group/informative"),
    *("tokens/thinking_mean", "tokens/answer_mean", "tokens/sampled", "tokens/sampled_total"),
    *("budget/largest", "budget/hit_rate", "policy/lag", "policy/entropy", "policy/logprob_gap"),
    *("time/rollout", "time/reward", "time/learn", "time/publish", "time/step"),
    *("throughput/sampled_tokens_per_s", "throughput/samples_per_s"),
}
RAYS_OWN = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Agents that notice the end of their node by themselves, but only after a minute."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    runs = Runs(tmp_path_factory.mktemp("end_to_end"))
    yield runs
    runs.close()


PLAIN = ("algorithm.scale=none", "learner.drop_zero_signal=false")
"""GRPO as BRPO's paper has it: not divided by the deviation."""


@pytest.fixture(scope="module")
def whole(runs):
    """A run that nobody disturbs."""
    assert runs.end(runs.start("whole", *PLAIN)) == 0, runs.printed("whole").read_text()[-3000:]
    return runs.runs / "whole"


@pytest.fixture(scope="module")
def killed(runs):
    """A run that dies in mid-step, behind its last checkpoint; what is alive some seconds after."""
    process = runs.start("killed", *PLAIN)
    saved = checkpoint.folder_of(runs.runs / "killed", 2)
    runs.when(process, "killed", lambda: len(runs.rows("killed")) >= 3 and saved.exists(), signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 30
    while time.monotonic() < end and any(not name.startswith(RAYS_OWN) for name in runs.alive().values()):
        time.sleep(0.2)
    return {"alive": runs.alive(), "steps": len(runs.rows("killed"))}


@pytest.fixture(scope="module")
def resumed(runs, killed):
    assert runs.end(runs.start("killed", "--resume=auto", *PLAIN)) == 0, runs.printed("killed").read_text()[-3000:]
    return runs.runs / "killed"


@pytest.fixture(scope="module")
def stopped(runs, whole):
    """The undisturbed run taken up again for more steps, overlapped, and asked to stop."""
    more = ("run.steps=400", "run.lookahead=1", "run.save_every=300")
    process = runs.start("whole", "--resume=auto", *PLAIN, *more)
    runs.when(process, "whole", lambda: len(runs.rows("whole")) >= 12, signal.SIGTERM)
    return runs.end(process)


@pytest.fixture(scope="module")
def bereft(runs):
    """A run whose engine core is killed in mid-run: its actor leaves, and a fresh one takes its place."""
    process = runs.start("bereft", *PLAIN)
    runs.until(process, "bereft", lambda: len(runs.rows("bereft")) >= 3)
    cores = [pid for pid, name in runs.alive().items() if "EngineCore" in name]
    for core in cores:
        os.kill(core, signal.SIGKILL)
    return len(cores), runs.end(process)


ANYTIME = ("algorithm.type=brpo", "algorithm.budget=12", "learner.drop_zero_signal=false")
AUTHORED = """
def brief(task, answer, *, worth: float = 1.0):
    return worth * (len(answer.text) <= 4)
"""
FOR_TRL = """
def reward_num_unique_chars(completions, **kwargs):
    return [len(set(completion[0]["content"])) / 10 for completion in completions]
"""


@pytest.fixture(scope="module")
def anytime(runs):
    """BRPO: three budgets, two answers at each cut. Two rewards are an author's own, one of them written for TRL."""
    for name, text in {"mine.py": AUTHORED, "for_trl.py": FOR_TRL}.items():
        (runs.folder / name).write_text(text)
    mine = f'{{name: "{runs.folder}/mine.py:brief", weight: 0.5, params: {{worth: 2}}}}'
    trl = f'{{name: "{runs.folder}/for_trl.py:reward_num_unique_chars", weight: 0.1}}'
    asked = ("algorithm.num_budgets=3", "algorithm.answers=2", "rollout.max_in_flight=64", "run.steps=3")
    rewards = f'reward.terms=[{{name: "{REWARD}:digits"}}, {mine}, {trl}]'
    assert runs.end(runs.start("anytime", *ANYTIME, *asked, rewards)) == 0, runs.printed("anytime").read_text()[-3000:]
    return runs.runs / "anytime"


def records(folder):
    """Everything that was sampled and judged, step by step."""
    columns = ("task_id", "prompt", "thought", "answer", "reward", "status", "g")
    steps = [read_rollouts(folder / f"rollouts/step_{step:06d}.parquet") for step in range(8)]
    return [[tuple(row[column] for column in columns) for row in rows] for rows in steps]


def test_more_actors_than_room_is_bad_input(runs):
    began = time.monotonic()
    assert runs.end(runs.start("roomless", "rollout.engines=500")) == 2
    assert time.monotonic() - began < PATIENCE_S / 2
    lines = runs.printed("roomless").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("ration: ")]
    assert "rollout.engines=500 and learner.ranks=1 need 501: ask for fewer" in line
    assert not any("Traceback" in line for line in lines)
    assert not (runs.runs / "roomless").exists()  # else --resume=auto would take it for the newest run


def test_a_run_leaves_what_the_interfaces_say(runs, whole):
    rows = runs.rows("whole")[:8]
    assert [row["step"] for row in rows] == list(range(8))
    assert all(row.keys() >= METRICS for row in rows)
    sampled = [row["tokens/sampled"] for row in rows]
    assert [row["tokens/sampled_total"] for row in rows] == [sum(sampled[: step + 1]) for step in range(8)]
    for name in ("report.html", "manifest.json", "config.yaml", "plots/accuracy.png", "samples_before.json"):
        assert (whole / name).stat().st_size > 0, name
    assert load(whole / "config.yaml").run.name == "whole"
    assert "report" in runs.printed("whole").read_text()


def test_a_run_is_on_policy_and_its_engine_has_the_learners_weights(runs, whole):
    for row in runs.rows("whole")[:8]:
        assert row["policy/lag"] == 0
        assert 0 < row["policy/logprob_gap"] <= 1e-3
        assert row["publish/gap"] <= 1e-3
        assert (row["budget/largest"], row["reward/excluded"]) == (12, 0)


def test_a_run_learns_what_it_is_rewarded_for(runs, whole):
    rewards = [row["reward/mean"] for row in runs.rows("whole")[:8]]
    assert rewards[-1] > 2 * rewards[0] > 0
    assert all(row["loss"] != 0 and row["grad_norm"] > 0 for row in runs.rows("whole")[:8])


def test_what_was_recorded_is_what_was_asked(whole):
    for step in records(whole):
        assert len(step) == 8 * 4
        assert len({row[0] for row in step}) == 8
    tasks = [row[0] for step in records(whole) for row in step]
    assert len(set(tasks)) == 8 * 8  # no problem comes twice in the first pass


def test_an_export_loads_in_transformers_and_has_moved(runs, whole):
    folder = checkpoint.folder_of(whole, 8) / "hf"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    before = AutoModelForCausalLM.from_pretrained(runs.folder / "model", dtype=torch.float32).state_dict()
    moved = {name: float((p - before[name]).abs().max()) for name, p in model.state_dict().items()}
    assert all(0 < distance < 0.02 for distance in moved.values())  # 8 steps of Adam at 1e-3 move by 8e-3 or so
    assert AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids("</think>") == 4


def test_nothing_survives_a_killed_run(killed):
    assert [name for name in killed["alive"].values() if not name.startswith(RAYS_OWN)] == []


def test_a_killed_and_resumed_run_is_the_undisturbed_one(runs, killed, whole, resumed):
    assert 3 <= killed["steps"] < 8
    assert records(resumed) == records(whole)
    mine, other = runs.rows("killed"), runs.rows("whole")[:8]
    assert [row["step"] for row in mine] == list(range(8))
    for key in ("reward/mean", "tokens/sampled_total", "heldout/accuracy", "loss", "grad_norm", "policy/entropy"):
        pairs = [(a[key], b[key]) for a, b in zip(mine, other, strict=True) if key in b]
        assert pairs
        assert [a for a, _ in pairs] == pytest.approx([b for _, b in pairs], abs=1e-4), key


def test_a_stopped_run_saves_its_last_step_and_leaves_in_peace(runs, whole, stopped):
    assert stopped == 0
    rows = runs.rows("whole")
    assert [row["step"] for row in rows] == list(range(len(rows)))
    assert 12 <= len(rows) < 400
    newest = checkpoint.all_of(whole)[-1]
    state = checkpoint.read(newest)
    assert (state.step, state.sampled_total) == (len(rows), rows[-1]["tokens/sampled_total"])
    assert checkpoint.find(runs.runs, "whole", "auto") == (whole, newest)
    assert "the run saves after this step" in runs.printed("whole").read_text()


def test_looking_ahead_samples_with_weights_at_most_one_step_old(runs, stopped):
    overlapped = runs.rows("whole")[8:]
    assert overlapped[0]["policy/lag"] == 0  # nothing is ahead of the first step after a start
    assert 0 < max(row["policy/lag"] for row in overlapped) <= 1
    assert all(row["policy/logprob_gap"] < 1 for row in overlapped)


def test_a_dead_engine_costs_only_what_it_had_in_flight(runs, whole, bereft):
    assert bereft == (1, 0), runs.printed("bereft").read_text()[-3000:]
    assert records(runs.runs / "bereft") == records(whole)
    mine, other = runs.rows("bereft"), runs.rows("whole")[:8]
    assert [row["loss"] for row in mine] == pytest.approx([row["loss"] for row in other], abs=1e-4)


def test_answers_at_every_budget_are_judged_recorded_and_trained(runs, anytime):
    rows = runs.rows("anytime")
    for row in rows:
        assert {f"accuracy/budget_{budget}" for budget in (4, 8, 12)} <= row.keys()
        assert 0 < row["policy/logprob_gap"] <= 1e-3
        assert row["ledger/trained"] + row["ledger/masked"] == row["tokens/sampled"]
        assert row["ledger/aborted"] == 0 < row["ledger/forced"]
        assert row["learner/trained_tokens"] == row["ledger/trained"]
        # A tree computes each token once: no more than prompt, thought and what hangs from its cuts.
        prompts = 8 * 4 * 24
        assert row["learner/computed_tokens"] <= row["tokens/sampled"] + row["ledger/forced"] + prompts
    for step in range(3):
        table = read_rollouts(anytime / f"rollouts/step_{step:06d}.parquet")
        assert len(table) == 8 * 4 * 3 * 2
        assert {row["budget"] for row in table} == {4, 8, 12}
        assert all(row["thought_tokens"] <= row["budget"] for row in table)


def test_rewards_of_an_author_are_weighed_and_recorded_term_by_term(runs, anytime):
    for row in runs.rows("anytime"):
        part = {name: row[f"reward/part_{name}"] for name in ("digits", "brief", "reward_num_unique_chars")}
        worth = part["digits"] + 0.5 * part["brief"] + 0.1 * part["reward_num_unique_chars"]
        assert row["reward/mean"] == pytest.approx(worth)
        assert part["reward_num_unique_chars"] > 0
    table = read_rollouts(anytime / "rollouts/step_000002.parquet")
    assert {row["parts"]["brief"] for row in table} <= {0.0, 2.0}
    assert "Each term of the reward before its weight" in (anytime / "report.html").read_text()


def test_brpo_with_one_budget_and_one_answer_trains_as_grpo(runs, whole):
    """metrics.jsonl is the same but for the clock; nor does it matter that others judge."""
    single = ("algorithm.num_budgets=1", "algorithm.answers=1", "reward.actors=2")
    assert runs.end(runs.start("single", *ANYTIME, *single)) == 0, runs.printed("single").read_text()[-3000:]
    clock = ("time/", "throughput/", "publish/paused")
    rows = [
        [{k: v for k, v in row.items() if not k.startswith(clock)} for row in runs.rows(name)[:3]]
        for name in ("single", "whole")
    ]
    assert len(rows[0]) == 3
    for one, other in zip(*rows, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-7)  # engines batch what arrives together: another rounding


def test_no_process_is_left_at_the_end(runs, resumed, stopped, bereft, anytime):
    assert [name for name in runs.alive().values() if not name.startswith(RAYS_OWN)] == []
