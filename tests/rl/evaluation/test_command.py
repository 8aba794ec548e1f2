"""From the words of `ration eval` to a config, and the model that they mean."""

import json
from pathlib import Path

import pytest
import yaml
from scripted import make_model

from rl.config_file import dump, load
from rl.errors import BadInput, ConfigError
from rl.evaluation.command import assemble, listing, overrides
from rl.evaluation.models import fingerprint, from_run, locate
from rl.tasks import load_data

ROOT = Path(__file__).parents[3]
NO_FLAGS = ("", "", "", 0, "", 0)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run's folder, as far as an evaluation looks at it."""
    trained = load(
        ROOT / "configs/quickstart.yaml", ["run.seed=3", "rollout.temperature=0.9", "rollout.closing=!</think>"]
    )
    folder = tmp_path / "runs" / "mine"
    for step in (50, 140):
        make_model(folder / f"checkpoints/step_{step:06d}/hf")
        (folder / f"checkpoints/step_{step:06d}/state.json").write_text("{}")
    (folder / "config.yaml").write_text(dump(trained))
    return folder


def test_flags_are_overrides():
    assert overrides(*NO_FLAGS) == []
    assert overrides("m", "gsm8k,aime24", "8,16", 4, "wait", 64) == [
        "model.path=m",
        'tasks=[{"name": "gsm8k"}, {"name": "aime24"}]',
        "budgets=[8,16]",
        "samples=4",
        "strategy.type=wait",
        "check_forks=64",
    ]


def test_the_shortest_command(tmp_path):
    model = make_model(tmp_path / "model")
    flags = overrides(str(model), "gsm8k", "8,16", 0, "", 0)
    config = assemble(["limit=5", "out=here"], flags)
    assert (config.budgets, config.samples, config.limit, config.out) == ((8, 16), 1, 5, Path("here"))
    assert [card.name for card in config.tasks] == ["gsm8k"]
    assert config.strategy == {"type": "hard"}


def test_columns_and_verifier_of_a_file_are_overrides(tmp_path):
    model = make_model(tmp_path / "model")
    words = ["tasks.0.data.prompt=question", "tasks.0.data.answer=solution", "tasks.0.reward=exact"]
    (card,) = assemble(words, overrides(str(model), "mine.jsonl", "8", 0, "", 0)).tasks
    assert (card.name, card.data.prompt, card.data.answer) == ("mine", "question", "solution")
    assert [term.name for term in card.reward] == ["exact"]


def test_a_run_is_asked_as_it_was_trained(run):
    config = assemble([], overrides(str(run), "", "8,16", 0, "", 0))
    assert (config.rollout.temperature, config.rollout.closing, config.rollout.answer_tokens) == (0.9, "!</think>", 16)
    assert config.model.dtype == "float32"
    (card,) = config.tasks
    trained = load(run / "config.yaml")
    assert (card.name, card.prompt) == ("held_out", trained.data.template)
    assert [term.name for term in card.reward] == [term.name for term in trained.reward.terms]


def test_a_runs_held_out_problems_are_those_that_it_held_out(run):
    from rl.evaluation.card_tasks import tasks_of
    from rl.evaluation.cards import card

    (spec,) = from_run(run)["tasks"]
    _, held_out = load_data(load(run / "config.yaml").data, seed=3)
    asked = tasks_of(card(spec), seed=99)
    assert [(task.prompt, task.answer) for task in asked] == [(task.prompt, task.answer) for task in held_out]


def test_what_is_said_comes_before_what_the_run_says(run):
    flags = overrides(str(run), "math500", "8,16", 0, "", 0)
    config = assemble(["rollout.temperature=0"], flags)
    assert (config.rollout.temperature, config.rollout.closing) == (0, "!</think>")
    assert [card.name for card in config.tasks] == ["math500"]


def test_a_file_and_overrides(run, tmp_path):
    path = tmp_path / "eval.yaml"
    path.write_text(yaml.dump({"model": {"path": str(run)}, "budgets": [8, 16], "samples": 2}))
    config = assemble([str(path), "samples=3", "strategy.type=wait", "strategy.times=1"], [])
    assert (config.samples, config.strategy["type"], config.strategy["times"]) == (3, "wait", 1)


def test_the_recipe_of_this_repository_resolves():
    config = assemble([str(ROOT / "configs/eval/math-suite.yaml"), "limit=20"], [])
    assert [card.name for card in config.tasks] == ["math500", "aime24", "amc23", "minerva", "olympiadbench"]
    assert config.budgets == tuple(range(1000, 8001, 1000))


@pytest.mark.parametrize(
    ("words", "flags", "why"),
    [
        ([], NO_FLAGS, "which model"),
        ([], ("some/model", "", "8", 0, "", 0), "which tasks"),
        ([], ("some/model", "gsm8k", "", 0, "", 0), "which budgets"),
        (["limits=3"], ("some/model", "gsm8k", "8", 0, "", 0), "limits: unknown key; did you mean limit"),
        ([], ("some/model", "gsm8k", "8,x", 0, "", 0), r"budgets.1"),
        ([], ("some/model", "gsm8k", "8", 0, "weit", 0), "unknown strategy 'weit'; did you mean wait"),
        (["strategy.tims=1"], ("some/model", "gsm8k", "8", 0, "wait", 0), "unknown key 'tims' of wait"),
        (["strategy.times=0"], ("some/model", "gsm8k", "8", 0, "wait", 0), "times must be at least 1"),
        ([], ("some/model", "gsm8k,gsm8k", "8", 0, "", 0), "two of one name"),
        ([], ("./nowhere", "gsm8k", "8", 0, "", 0), "no such folder"),
    ],
)
def test_bad_words_are_answered_in_one_line(words, flags, why):
    with pytest.raises(BadInput, match=why) as caught:
        assemble(words, overrides(*flags))
    assert len(str(caught.value).splitlines()) == 1


def test_a_run_is_its_newest_checkpoint(run):
    assert locate(str(run)).weights == str((run / "checkpoints/step_000140/hf").resolve())
    first = locate(str(run / "checkpoints/step_000050"))
    assert (first.name, first.run) == ("mine-step_000050", run.resolve())


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"neither a model \(config\.json\), nor a run"):
        locate(str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(BadInput, match="no complete checkpoint yet"):
        locate(str(tmp_path))


def test_a_hub_id_is_taken_as_it_stands():
    model = locate("Qwen/Qwen3-1.7B")
    assert (model.weights, model.name, model.run, fingerprint(model.weights)) == (
        "Qwen/Qwen3-1.7B",
        "Qwen3-1.7B",
        None,
        "Qwen/Qwen3-1.7B",
    )


def test_other_weights_have_another_fingerprint(tmp_path):
    folder = make_model(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(bytes(1 << 18))
    first = fingerprint(locate(str(folder)).weights)
    assert fingerprint(locate(str(folder)).weights) == first
    weights.write_bytes(bytes((1 << 18) - 1) + b"\1")
    assert fingerprint(locate(str(folder)).weights) != first


def test_the_tasks_are_listed_with_what_they_are():
    lines = listing().splitlines()
    assert len(lines) == 15
    assert any(line.startswith("gsm8k ") and "1,319" in line for line in lines)


def test_a_config_that_was_written_is_read_back(run, tmp_path):
    config = assemble([], overrides(str(run), "", "8,16", 2, "wait", 0))
    path = tmp_path / "again.yaml"
    path.write_text(dump(config))
    assert assemble([str(path)], []) == config
    assert json.loads(config.model_dump_json())["strategy"]["type"] == "wait"


def test_a_key_in_a_file_is_named_with_its_line(tmp_path):
    path = tmp_path / "eval.yaml"
    path.write_text("model: {path: some/model}\ntasks: [gsm8k]\nbudgets: [8]\nsample: 3\n")
    with pytest.raises(ConfigError, match=r"eval.yaml:4: sample: unknown key; did you mean samples"):
        assemble([str(path)], [])
