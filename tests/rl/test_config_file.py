from pathlib import Path

import pytest
from example_config import TEXT, write_config
from hypothesis import given, settings
from hypothesis import strategies as st

from rl.config import TrainConfig
from rl.config_file import dump, load
from rl.errors import BadInput, ConfigError


def errors(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    return str(caught.value).replace(f"{path.parent}/", "").splitlines()


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(TEXT.splitlines(), 1) if text in line)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_config(tmp_path)


def test_a_group_must_be_divisible_among_the_efforts_of_a_prompt(tmp_path):
    path = write_config(tmp_path)
    effort = ["algorithm.type=effort", "algorithm.budget=32", "algorithm.scope=pooled"]
    assert errors(path, *effort, "rollout.group_size=4") == [
        "run.yaml and command line: data.template '{prompt}' must contain {effort}: the reward depends on it"
    ]
    effort.append("data.template={effort} {prompt}")
    assert errors(path, *effort, "rollout.group_size=3") == [
        "run.yaml and command line: rollout.group_size 3 cannot be divided among 2 efforts of a prompt"
    ]
    assert load(path, [*effort, "rollout.group_size=4"]).rollout.group_size == 4


def test_a_plain_value_gives_way_to_a_variant(tmp_path):
    path = write_config(tmp_path)
    knobs = ["type=linear", "b0=32", "b_end=16", "total=10"]
    config = load(path, [f"algorithm.budget.{knob}" for knob in knobs])
    assert config.algorithm["budget"] == {"type": "linear", "b0": 32, "b_end": 16, "total": 10}


def test_a_file_gives_what_it_says_and_defaults_for_the_rest(path: Path):
    config = load(path)
    assert (config.run.name, config.run.steps, config.run.lookahead) == ("example", 10, 0)
    assert config.reward.terms[0].weight == 1.0
    assert config.algorithm == {"type": "grpo", "budget": 32, "eps": 1e-6, "scale": "group"}
    assert config.learner.betas == (0.9, 0.99)


@pytest.mark.parametrize("written", ["1e-5", "1E-5", "0.00001", "1.0e-05", ".1e-4", "+1e-5", "10e-6"])
def test_a_learning_rate_is_a_number_however_it_is_written(tmp_path: Path, written: str):
    path = write_config(tmp_path, TEXT.replace("1e-4", written))
    assert load(path).learner.lr == 1e-5
    assert load(write_config(tmp_path), [f"learner.lr={written}"]).learner.lr == 1e-5


def test_overrides_reach_sections_lists_and_defaults_and_the_last_one_wins(path: Path):
    config = load(
        path,
        [
            "learner.lr=1",
            "learner.lr=1e-5",
            "learner.loss.clip_high=0.28",
            "reward.terms.0.weight=2",
            "reward.terms.1.name=exact",
            "run.trackers=[wandb]",
            "model.warmup.steps=5",
            "data.train.options={max_terms: 3}",
            "data.train.options.min_terms=3",
        ],
    )
    assert (config.learner.lr, config.learner.loss.clip_high) == (1e-5, 0.28)
    assert [(term.name, term.weight) for term in config.reward.terms] == [("reasoning_gym", 2.0), ("exact", 1.0)]
    assert config.run.trackers == ("wandb",)
    assert config.model.warmup is not None
    assert (config.model.warmup.steps, config.model.warmup.batch) == (5, 64)
    assert config.data.train.options == {"max_terms": 3, "min_terms": 3}
    assert load(path, ["model.warmup.steps=5", "model.warmup=null"]).model.warmup is None


def test_text_knobs_take_an_override_as_it_stands(path: Path):
    config = load(path, ["run.name=2026", "data.template={prompt}: yes", "data.system=", "rollout.cue=a=b [c"])
    assert (config.run.name, config.data.template) == ("2026", "{prompt}: yes")
    assert (config.data.system, config.rollout.cue) == ("", "a=b [c")


@pytest.mark.parametrize("order", [1, -1])
def test_another_type_drops_the_keys_of_the_old_one_in_any_order(path: Path, order: int):
    load(path, ["algorithm.eps=0.1"])
    config = load(path, ["algorithm.type=rloo", "algorithm.budget=16"][::order])
    assert config.algorithm == {"type": "rloo", "budget": 16}
    assert load(path, ["algorithm.type=grpo"]).algorithm["budget"] == 32


def test_base_is_merged_section_by_section(path: Path):
    child = "base: run.yaml\nrun: {name: child}\nalgorithm: {type: rloo, budget: 8}\nreward: {terms: [{name: exact}]}\n"
    config = load(write_config(path.parent, child, "child.yaml"), ["run.steps=3"])
    assert (config.run.name, config.run.steps, config.model.context) == ("child", 3, 128)
    assert config.algorithm == {"type": "rloo", "budget": 8}
    assert [term.name for term in config.reward.terms] == ["exact"]


def test_base_names_the_file_of_an_error_and_rejects_circles(path: Path):
    child = write_config(path.parent, "base: run.yaml\nrun: {nam: child}\n", "child.yaml")
    assert errors(child) == ["child.yaml:2: run.nam: unknown key; did you mean run.name?"]
    write_config(path.parent, TEXT.replace("steps: 10", "steps: 0"))
    assert errors(write_config(path.parent, "base: run.yaml\n", "child.yaml")) == [
        "run.yaml:3: run.steps: must be greater than 0, got 0"
    ]
    write_config(path.parent, "base: child.yaml\n")
    assert errors(child) == ["child.yaml: base: the files include each other: child.yaml -> run.yaml -> child.yaml"]
    assert errors(write_config(path.parent, "base: rum.yaml\n", "other.yaml")) == [
        "other.yaml: base: rum.yaml: no such file; did you mean run.yaml?"
    ]
    assert errors(write_config(path.parent, "base: [a]\n", "other.yaml")) == [
        "other.yaml:1: base: expected the name of one file, got ['a']"
    ]


def test_an_unknown_key_names_the_nearest_one(tmp_path: Path):
    path = write_config(tmp_path, TEXT.replace("  lr: 1e-4", "  learning_rate: 1e-4\n  lr: 1e-4\n  minibatch: 2"))
    line = line_of("lr: 1e-4")
    assert errors(path) == [
        f"run.yaml:{line}: learner.learning_rate: unknown key; known here: ranks, zero_stage, offload, "
        "gradient_checkpointing, micro_tokens, minibatches, lr, schedule, warmup_steps, betas, weight_decay, "
        "max_grad_norm, drop_zero_signal, share, attention, loss",
        f"run.yaml:{line + 2}: learner.minibatch: unknown key; did you mean learner.minibatches?",
    ]
    path = write_config(tmp_path)
    assert errors(path, "lr=1e-5") == ["command line: lr: unknown key; did you mean learner.lr?"]
    assert errors(path, "reward.terms.0.wieght=2") == [
        "command line: reward.terms.0.wieght: unknown key; did you mean reward.terms.0.weight?"
    ]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("run.steps=many", "run.steps: expected a whole number, got 'many'"),
        ("run.steps=1.5", "run.steps: expected a whole number, got 1.5"),
        ("run.steps=yes", "run.steps: expected a number, got true"),
        ("learner.lr=fast", "learner.lr: expected a number, got 'fast'"),
        ("learner.lr=.inf", "learner.lr: must be a finite number, got inf"),
        ("learner.drop_zero_signal=7", "learner.drop_zero_signal: expected true or false, got 7"),
        ("learner=3", "learner: expected a section of keys, got 3"),
        ("reward.terms=math", "reward.terms: expected a list, got 'math'"),
        (
            "learner.offload=optimiser",
            "learner.offload: expected none or optimizer or all, got 'optimiser'; did you mean optimizer?",
        ),
        ("learner.zero_stage=4", "learner.zero_stage: expected 0 or 1 or 2 or 3, got 4"),
        ("rollout.top_p=1.5", "rollout.top_p: must be less than or equal to 1, got 1.5"),
        (
            "run.name=../x",
            "run.name: '../x' is not allowed (folder of the run: letters, digits, `_`, `.` and `-`)",
        ),
        ("data.template=hello", "data.template: must contain {prompt}, the place of the problem, got 'hello'"),
        ("run.steps.x=1", "run.steps.x: 'x' goes into a section, but there is the value 10"),
        ("reward.terms.2.name=exact", "reward.terms.2.name: '2' is no entry of a list of 1; count from 0"),
        ("learner.betas=[1", "learner.betas: '[1' is not a YAML value"),
    ],
)
def test_a_wrong_value_says_what_was_expected(path: Path, override: str, line: str):
    assert errors(path, override) == [f"command line: {line}"]


@pytest.mark.parametrize("override", ["learner.lr", "=3", "learner..lr=3", "--lr=3", "learner.lr =3", ""])
def test_an_override_is_key_equals_value(path: Path, override: str):
    assert errors(path, override) == [f"command line: {override!r}: expected key=value, such as learner.lr=1e-5"]


@pytest.mark.parametrize(
    ("override", "section", "message"),
    [
        ("algorithm.budget=0", "algorithm", "algorithm: grpo: budget: a budget must be at least 1 token, not 0"),
        ("algorithm.type=gropo", "algorithm", "algorithm: unknown algorithm 'gropo'; did you mean grpo?"),
        ("rollout.closing=stop", "rollout", "rollout: closing must contain think_end '</think>', got 'stop'"),
    ],
)
def test_an_error_of_a_section_names_the_file_and_the_override(path: Path, override: str, section: str, message: str):
    assert errors(path, override) == [f"run.yaml:{line_of(f'{section}:')} and command line: {message}"]


def test_knobs_that_contradict_each_other(path: Path):
    assert errors(path, "algorithm.budget=112") == [
        "run.yaml and command line: a budget of 112 and 16 answer tokens leave no room for a prompt in "
        "model.context 128: raise model.context or lower the budget"
    ]
    assert load(path, ["algorithm.budget=111"]).algorithm["budget"] == 111
    assert errors(path, "publish.backend=ipc") == [
        "run.yaml and command line: publish.backend ipc needs cluster.placement: colocated"
    ]
    shared = ("publish.backend=ipc", "cluster.placement=colocated", "rollout.engines=2")
    assert errors(path, *shared) == [
        "run.yaml and command line: publish.backend ipc hands over what lies on an engine's own GPU: 2 rollout.engines "
        "need as many learner.ranks, not 1; or set publish.backend: shm"
    ]
    assert load(path, [*shared, "learner.ranks=2"]).rollout.engines == 2
    assert len(errors(path, *shared, "learner.ranks=3")) == 1
    assert errors(path, "model.path=Qwen/Qwen3-0.6B", "model.warmup.steps=1") == [
        "run.yaml:4 and command line: model: warmup is for path: tiny only, not for 'Qwen/Qwen3-0.6B'; remove it"
    ]


def test_a_reward_judges_sources_that_the_data_have(path: Path):
    """A misspelt one would make the next term the verifier, and its shaping the accuracy."""
    known = load(path).data.sources[0].source
    (line,) = errors(path, f"reward.terms=[{{name: math, sources: [{known[:-1]}]}}]")
    assert line.endswith(f"reward 'math' judges source '{known[:-1]}', which no data have; did you mean {known}?")
    assert load(path, [f"reward.terms=[{{name: math, sources: ['{known}']}}]"]).reward.terms[0].sources == (known,)


def test_the_best_checkpoint_is_judged_by_what_is_measured(path: Path):
    line = "run.yaml and command line: run.best 'heldout/anytime' is not measured: "
    assert errors(path, "run.best=heldout/anytime") == [line + "data.held_out names no problems"]
    held = "data.held_out={source: reasoning_gym:chain_sum, limit: 8}"
    assert errors(path, "run.best=heldout/anytime", held) == [line + "there are heldout/accuracy"]
    budgets = "run.eval_budgets=[4,8]"
    assert load(path, ["run.best=heldout/anytime", held, budgets]).run.eval_budgets == (4, 8)


@pytest.mark.parametrize(
    ("statistic", "why"),
    [
        ("heldout/accuracy", "data.held_out names no problems"),
        ("accuracy/source_chain", "data.train has one source"),
    ],
)
def test_a_statistic_that_is_never_measured_would_never_move(path: Path, statistic: str, why: str):
    bound = "b0: 32, factor: 0.5, limit: 8, when: below, threshold: 0.1"
    plateau = f"{{type: plateau, {bound}, statistic: {statistic}}}"
    (line,) = errors(path, f"algorithm.budget={plateau}")
    assert line.endswith(f"algorithm.budget.statistic {statistic!r} is not measured: {why}")
    held = "data.held_out={source: reasoning_gym:chain_sum, limit: 8}"
    misspelt = plateau.replace(statistic, "heldout/acuracy")
    (line,) = errors(path, f"algorithm.budget={misspelt}", held)
    assert line.endswith("'heldout/acuracy' is not measured: there are heldout/accuracy")
    measured = plateau.replace(statistic, "heldout/accuracy")
    assert load(path, [f"algorithm.budget={measured}", held]).algorithm["budget"]["statistic"] == "heldout/accuracy"


@pytest.mark.parametrize("budgets", ["[8,4]", "[4,4]", "[0,4]", "[-1]"])
def test_budgets_of_an_evaluation_must_ascend_from_one(path: Path, budgets: str):
    (line,) = errors(path, f"run.eval_budgets={budgets}")
    assert line.endswith(f"budgets of at least 1, ascending without repetition; got {budgets.replace(',', ', ')}")


def test_weights_are_offloaded_only_where_they_are_sharded(path: Path):
    (line,) = errors(path, "learner.offload=all", "learner.zero_stage=2")
    assert line.endswith("offload: all needs zero_stage: 3, not 2; or offload: optimizer")
    assert load(path, ["learner.offload=all", "learner.zero_stage=3"]).learner.offload == "all"


def test_only_the_tiny_model_can_be_untied(path: Path):
    (line,) = errors(path, "model.path=Qwen/Qwen3-0.6B", "model.tie_embeddings=false")
    assert line.endswith("tie_embeddings is for path: tiny only; 'Qwen/Qwen3-0.6B' has its own; remove it")


def test_limits_of_the_loss_are_checked(path: Path):
    wrong = "tis has a cap above 0, icepop a low and a high weight; got"
    for override, message in (
        ("kl={k3: 0}", "kl: a weight above 0, not {'k3': 0.0}; leave it empty for none"),
        ("correction={tis: 0}", f"correction: {wrong} {{'tis': 0.0}}"),
        ("correction={icepop: [5, 1]}", f"correction: {wrong} {{'icepop': (5.0, 1.0)}}"),
        ("correction={icepop: 2}", f"correction: {wrong} {{'icepop': 2.0}}"),
    ):
        assert errors(path, f"learner.loss.{override}") == [f"command line: learner.loss.{message}"]
    assert load(path, ["learner.loss.correction={tis: 3}"]).learner.loss.correction == {"tis": 3.0}


def test_all_errors_are_listed(tmp_path: Path):
    path = write_config(tmp_path, TEXT.replace("  steps: 10\n", "").replace("1e-4", "fast"))
    assert errors(path, "rollout.group_size=1") == [
        "run.yaml:1: run.steps: missing: it has no default",
        "command line: rollout.group_size: must be greater than 1, got 1",
        f"run.yaml:{line_of('1e-4') - 1}: learner.lr: expected a number, got 'fast'",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "run.yaml: expected sections such as `run:` and `model:`, found nothing"),
        ("- a\n", "run.yaml: expected sections such as `run:` and `model:`, found a list"),
        ("hello", "run.yaml: expected sections such as `run:` and `model:`, found the value 'hello'"),
        ("run: {\nmodel: [", "run.yaml:2: not YAML: expected the node content, but found '<stream end>'"),
        ("run:\n  steps: 1\n  steps: 2\n", "run.yaml:3: run.steps: written twice, first at run.yaml:2; keep one"),
        ("x: !hello {}", "run.yaml:1: not YAML: could not determine a constructor for the tag '!hello'"),
    ],
)
def test_a_file_that_is_no_config(tmp_path: Path, text: str, line: str):
    assert errors(write_config(tmp_path, text)) == [line]


def test_a_missing_file_names_its_neighbour(path: Path):
    assert errors(path.parent / "rum.yaml") == ["rum.yaml: no such file; did you mean run.yaml?"]
    assert errors(Path("nowhere") / "x") == ["x: no such file"]
    with pytest.raises(BadInput, match="cannot be read"):
        load(path.parent)


def test_what_is_dumped_loads_back_equal(path: Path):
    config = load(
        path, ["run.folder=/tmp/a b", "model.warmup.steps=3", "data.train.options={size: 1e-7, mark: '1e-5'}"]
    )
    text = dump(config)
    assert load(write_config(path.parent, text, "again.yaml")) == config
    assert dump(load(path.parent / "again.yaml")) == text
    assert "clip_low: 0.2" in text


@settings(max_examples=40, deadline=None)
@given(text=st.text(min_size=1, max_size=12), rate=st.floats(1e-12, 1e12))
def test_any_text_and_number_survives_a_dump(tmp_path_factory: pytest.TempPathFactory, text: str, rate: float):
    folder = tmp_path_factory.mktemp("dump")
    config = load(write_config(folder))
    changed = config.model_copy(
        update={
            "data": config.data.model_copy(update={"system": text, "template": "{prompt}" + text}),
            "learner": config.learner.model_copy(update={"lr": rate}),
        }
    )
    assert load(write_config(folder, dump(changed))) == changed


def test_configs_are_frozen(path: Path):
    config: TrainConfig = load(path)
    with pytest.raises(ValueError, match="frozen"):
        config.run.steps = 3  # pyright: ignore[reportAttributeAccessIssue]
