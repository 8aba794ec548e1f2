import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from example_config import write_config

from rewards.types import ScoredGroup
from rl.algorithms import build
from rl.cli import main
from rl.config import TrainConfig
from rl.config_file import load
from rl.errors import BadInput
from rl.model_shape import ModelShape, describe, read_shape, tiny
from rl.plan import ROWS, budget_view, changes, lines, memory, plan, size
from rl.schedules import drawn, even_prior
from rl.types import Credit
from rollout.types import BudgetPrior

PUBLISHED = {
    "qwen2.5-0.5b": (ModelShape(24, 896, 4864, 14, 2, 64, 151936, tied=True, biases=True), 494_032_768),
    "qwen2.5-1.5b": (ModelShape(28, 1536, 8960, 12, 2, 128, 151936, tied=True, biases=True), 1_543_714_304),
    "qwen2.5-7b": (ModelShape(28, 3584, 18944, 28, 4, 128, 152064, tied=False, biases=True), 7_615_616_512),
    "qwen3-0.6b": (ModelShape(28, 1024, 3072, 16, 8, 128, 151936, tied=True, qk_norm=True), 596_049_920),
    "llama-3-8b": (ModelShape(32, 4096, 14336, 32, 8, 128, 128256, tied=False), 8_030_261_248),
}


PLATEAU = (
    "{type: plateau, b0: 64, factor: 0.5, limit: 10, statistic: budget/hit_rate, when: below, threshold: 0.05, "
    "window: 2}"
)
SCHEDULES = [
    "32",
    "{type: step_decay, b0: 64, gamma: 0.7, every: 3}",
    "{type: stepwise, b0: 64, b_end: 22, decays: 3, total: 10}",
    "{type: linear, b0: 64, b_end: 22, total: 10}",
    "{type: cosine, b0: 22, b_end: 64, total: 10}",
    "{type: staged, stages: {0: 16, 3: 24, 7: 20}}",
    PLATEAU,
]


@dataclass(frozen=True)
class DrawsOne:
    """Each prompt gets one of four budgets, and two answers."""

    most: int = 64

    def budgets(self, step: int, *, moves: tuple[int, ...] = (), draw: float = 0.0) -> BudgetPrior:
        prior = drawn(even_prior(self.most, 4, "linear"), draw)
        return BudgetPrior(prior.tokens, prior.probs, prior.kind, answers=2)

    def credit(self, scored: ScoredGroup) -> Credit:
        raise NotImplementedError


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return load(write_config(tmp_path))


def changed(tmp_path: Path, *overrides: str) -> TrainConfig:
    return load(write_config(tmp_path), overrides)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_that_were_published(name: str):
    shape, parameters = PUBLISHED[name]
    assert shape.parameters == parameters


def test_the_tiny_shape_is_the_model_that_is_built():
    from rl.tiny import build_model, build_tokenizer

    tokenizer = build_tokenizer()
    for tied in (True, False):
        model = build_model(tokenizer, context=64, tie_embeddings=tied, seed=0)
        assert tiny(tied=tied).parameters == model.num_parameters()
        assert tiny(tied=tied) == read_shape(model.config.to_dict())


def test_a_shape_is_read_from_a_folder_or_guessed_from_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    file = tmp_path / "config.json"
    llama = {"model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2}
    file.write_text(json.dumps({**llama, "num_hidden_layers": 1, "vocab_size": 10}))
    assert describe(str(tmp_path)) == ModelShape(1, 8, 16, 2, 2, 4, 10, tied=False)
    file.write_text(json.dumps({"model_type": "mamba"}))
    assert describe(str(tmp_path)) is None
    file.write_text(json.dumps(llama))
    with pytest.raises(BadInput, match="no model config: KeyError"):
        describe(str(tmp_path))
    assert describe("Qwen/Qwen2.5-1.5B-Instruct") == 1_500_000_000
    assert describe("org/unsized") is None
    snapshot = tmp_path / "cache/hub/models--Qwen--Qwen2.5-1.5B-Instruct/snapshots/abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps({**llama, "num_hidden_layers": 2, "vocab_size": 10}))
    assert describe("Qwen/Qwen2.5-1.5B-Instruct") == ModelShape(2, 8, 16, 2, 2, 4, 10, tied=False)


def test_counts_follow_from_the_config(config: TrainConfig):
    made = plan(config, tasks=100, model=tiny(tied=True))
    assert made.samples_per_step == 4 * 2
    assert made.tokens_per_step == 8 * (32 + 16)
    assert made.tokens == 10 * 8 * 48
    assert made.prompts == 40
    assert made.prompt_room == 127 - 32 - 16
    assert made.budgets == (32, 32)
    assert made.cache_bytes == 128 * 128 * (2 * 4 * 2 * 32) * 4
    shown = {name: value for name, value, _ in lines(config, made)}
    assert shown["epochs"] == "0.40"
    assert shown["sampled tokens / step"] == "<= 384"
    assert shown["parameters"] == "801,792"
    assert shown["KV cache / engine"] == "32.0 MiB"
    assert shown["published / step"] == "3.1 MiB"


def test_what_is_unknown_is_said(config: TrainConfig):
    shown = {name: value for name, value, _ in lines(config, plan(config))}
    assert [shown[name] for name in ("epochs", "parameters", "KV cache / engine", "memory")] == ["unknown"] * 4
    guessed = {name: (value, why) for name, value, why in lines(config, plan(config, model=7_000_000_000))}
    assert guessed["parameters"] == (
        "7,000,000,000",
        "the name of model.path: its config.json is not on this machine",
    )
    assert guessed["KV cache / engine"][0] == "unknown"


@pytest.mark.parametrize(("placement", "devices"), [("split", 9), ("colocated", 6)])
def test_devices(tmp_path: Path, placement: str, devices: int):
    shape = ["rollout.engines=3", "rollout.tensor_parallel=2", "learner.ranks=3"]
    made = plan(changed(tmp_path, *shape, f"cluster.placement={placement}"))
    assert (made.engine_devices, made.devices) == (6, devices)


@pytest.mark.parametrize(
    ("dtype", "stage", "offload", "device", "host"),
    [
        ("float32", 0, "none", 16, 0),
        ("float32", 1, "none", 4 + 4 + 2, 0),
        ("float32", 2, "none", 4 + 1 + 2, 0),
        ("float32", 3, "none", 1 + 1 + 2, 0),
        ("bfloat16", 0, "none", 2 + 2 + 3, 0),  # DeepSpeed runs stage 1
        ("bfloat16", 2, "none", 2 + 0.5 + 3, 0),
        ("bfloat16", 3, "optimizer", 0.5 + 0.5, 3),
        ("bfloat16", 3, "all", 0.5, 3.5),
    ],
)
def test_bytes_per_parameter_of_one_of_four_ranks(
    config: TrainConfig, dtype: str, stage: int, offload: str, device: float, host: float
):
    learner = config.learner.model_copy(update={"ranks": 4, "zero_stage": stage, "offload": offload})
    made = memory(1000, dtype, learner)
    assert (made.on_device, made.on_host) == (1000 * device, 1000 * host)
    assert made.publish == 1000 * {"float32": 4, "bfloat16": 2}[dtype]
    assert made.checkpoint == 1000 * {"float32": 12, "bfloat16": 14}[dtype]


def test_a_kl_penalty_keeps_a_second_copy_of_the_weights(tmp_path: Path):
    learner = changed(tmp_path, "learner.loss.kl={k3: 0.1}").learner
    assert memory(1000, "float32", learner).weights == 8000


@pytest.mark.parametrize("budget", SCHEDULES)
def test_a_dry_run_shows_the_budgets_that_the_algorithm_gives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], budget: str
):
    path = write_config(tmp_path)
    algorithm = build(load(path, [f"algorithm.budget={budget}"]).algorithm)
    with pytest.raises(SystemExit) as end:
        main(["train", str(path), f"algorithm.budget={budget}", "--dry-run"])
    assert end.value.code == 0
    config, _, shown = capsys.readouterr().out.partition("# the plan\n")
    assert build(yaml.safe_load(config)["algorithm"]) == algorithm
    _, _, view = shown.partition("# the planned thinking budget\n")
    table = [tuple(map(int, line.split())) for line in view.partition("\n\n")[0].splitlines()[1:]]
    budgets = [algorithm.budgets(step).largest for step in range(10)]
    moved = [(step, budgets[step]) for step in range(1, 10) if budgets[step] != budgets[step - 1]]
    assert table == ([(0, budgets[0]), *moved] if moved else [])
    assert (f"{max(budgets):>5} ┤" in view) == bool(moved)


def test_a_schedule_is_planned_step_by_step(tmp_path: Path):
    staged = changed(tmp_path, "algorithm.budget={type: staged, stages: {0: 16, 3: 24, 7: 20}}")
    made = plan(staged)
    assert made.schedule == (16, 16, 16, 24, 24, 24, 24, 20, 20, 20)
    assert changes(made) == [(0, 16, 16), (3, 24, 24), (7, 20, 20)]
    assert made.budgets == (16, 24)
    assert made.tokens_per_step == 8 * (24 + 16)
    assert made.tokens == 8 * (3 * 16 + 4 * 24 + 3 * 20 + 10 * 16)
    assert made.prompt_room == 127 - 24 - 16


def test_a_curriculum_is_planned_with_the_length_that_its_prompts_name(tmp_path: Path):
    """The cap of a thought is twice that, 20 is out of reach of the context's prompt room only as a cap."""
    asked = "algorithm={type: curriculum, budget: {type: step_decay, b0: 40, gamma: 0.5, every: 4}}"
    made = plan(changed(tmp_path, asked, "data.template={budget}|{prompt}"))
    assert changes(made) == [(0, 80, 40), (4, 40, 20), (8, 20, 10)]
    table = [line.split() for line in budget_view(made).partition("\n\n")[0].splitlines()]
    assert table == [
        ["step", "budget", "prompts", "name"],
        *(["0", "80", "40"], ["4", "40", "20"], ["8", "20", "10"]),
    ]


def test_many_changes_are_thinned_evenly_and_keep_their_ends(tmp_path: Path):
    long = changed(tmp_path, "run.steps=501", "algorithm.budget={type: linear, b0: 80, b_end: 30, total: 500}")
    made = plan(long)
    rows = budget_view(made).partition("\n\n")[0].splitlines()[1:]
    assert len(changes(made)) == 51
    assert len(rows) == ROWS == 12
    assert [tuple(map(int, row.split())) for row in rows[:-1]] == [changes(made)[i][:2] for i in range(0, 51, 5)]
    assert rows[-1].split(maxsplit=1) == ["…", "40 more changes between these"]
    assert made.schedule[-1] == 30


def test_a_plateau_is_planned_with_all_that_it_may_come_to(tmp_path: Path):
    config = changed(tmp_path, f"algorithm.budget={PLATEAU}")
    made = plan(config)
    assert (made.budgets, made.schedule, budget_view(made)) == ((10, 64), (64,) * 10, "")
    assert made.tokens == 10 * 8 * (64 + 16)
    shown = {name: (value, why) for name, value, why in lines(config, made)}
    assert shown["thinking budget"] == ("10 to 64", "algorithm")
    assert shown["budget moves"] == (
        "x 0.5, to 10",
        "whenever budget/hit_rate averaged over 2 steps is at or below 0.05",
    )
    growing = PLATEAU.replace("0.5", "2.0", 1).replace("limit: 10", "limit: 90")
    grown = plan(changed(tmp_path, f"algorithm.budget={growing}"))
    assert grown.budgets == (64, 90)
    assert grown.tokens == 10 * 8 * (90 + 16)
    assert grown.prompt_room == 127 - 90 - 16


def test_budgets_that_are_drawn_are_planned_at_their_largest(tmp_path: Path):
    made = plan(changed(tmp_path, f"algorithm.type={__name__}:DrawsOne"))
    assert made.budgets == (16, 64)
    assert made.schedule == (64,) * 10
    assert made.tokens_per_step == 8 * (64 + 2 * 16)


def test_sizes_for_people():
    assert [size(n) for n in (0, 1023, 1024, 3 * 2**20 // 2, 5000 * 2**30)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 MiB",
        "5,000.0 GiB",
    ]
