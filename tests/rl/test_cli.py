import subprocess
import sys
from pathlib import Path

import pytest
from example_config import TEXT, write_config

import rl
from rl.cli import main
from rl.errors import ConfigError, RunFailed


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    printed = capsys.readouterr()
    return int(caught.value.code or 0), printed.out, printed.err


@pytest.mark.parametrize("verb", ["train", "report", "doctor"])
def test_every_verb_explains_itself_with_an_example(capsys: pytest.CaptureFixture[str], verb: str):
    code, out, err = run(capsys, verb, "--help")
    assert (code, err) == (0, "")
    assert f"Example: ration {verb} " in " ".join(out.split())


def test_a_dry_run_prints_the_config_and_the_plan_and_starts_nothing(tmp_path: Path):
    path = write_config(tmp_path)
    script = (
        "import sys\nfrom rl.cli import main\n"
        "try:\n    main(['train', sys.argv[1], 'learner.lr=3e-5', '--dry-run'])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'ray', 'vllm', 'deepspeed', 'trl', 'transformers', 'datasets', 'reasoning_gym'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = ran.stdout.splitlines()
    assert "  lr: 3.0e-05" in lines
    assert next(line.split()[4:6] for line in lines if line.startswith("sampled tokens / step")) == ["<=", "384"]
    assert lines[-1] == "[]"
    assert [file.name for file in tmp_path.iterdir()] == ["run.yaml"]


@pytest.mark.parametrize(
    ("text", "override", "line"),
    [
        (TEXT, "learner.rate=1", "command line: learner.rate: unknown key; known here: "),
        (TEXT, "learner.lrr=1", "command line: learner.lrr: unknown key; did you mean learner.lr?"),
        (TEXT, "run.steps=many", "command line: run.steps: expected a whole number, got 'many'"),
        (TEXT, "run.steps", "command line: 'run.steps': expected key=value, such as learner.lr=1e-5"),
        (
            TEXT,
            "algorithm.budget=0",
            "run.yaml:20 and command line: algorithm: grpo: budget: a budget must be at least 1 token",
        ),
        (TEXT, "algorithm.budget=500", "run.yaml and command line: a budget of 500 and 16 answer tokens leave no room"),
        (TEXT, "data.train.source=no.jsonl", "no.jsonl: no such data file"),
        ("- a list", "run.steps=1", "run.yaml: expected sections such as `run:` and `model:`, found a list"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    override: str,
    line: str,
):
    write_config(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "train", "run.yaml", override, "--dry-run")
    assert (code, out) == (2, "")
    assert err.startswith(f"ration: {line}")
    assert err.count("\n") == 1


def test_several_errors_are_several_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, _, err = run(capsys, "train", str(write_config(tmp_path)), "run.steps=0", "learner.lr=-1", "--dry-run")
    assert code == 2
    assert err.splitlines() == [
        "ration: command line: run.steps: must be greater than 0, got 0",
        "ration: command line: learner.lr: must be greater than 0, got -1",
    ]


def test_the_installed_command_and_the_module_are_the_same(tmp_path: Path):
    installed = [str(Path(sys.executable).parent / "ration")]
    for command in ([sys.executable, "-m", "rl"], installed):
        ran = subprocess.run([*command, "train", "no.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", "ration: no.yaml: no such file\n")


def test_a_report_needs_a_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, _, err = run(capsys, "report", str(tmp_path))
    assert code == 2
    assert err.startswith(f"ration: {tmp_path}")
    assert err.count("\n") == 1


def test_an_unknown_verb_or_option_is_exit_code_2(capsys: pytest.CaptureFixture[str]):
    assert run(capsys, "trian")[0] == 2
    assert run(capsys, "train", "x.yaml", "--learner.lr=3")[0] == 2


def test_a_failed_run_is_exit_code_1_without_a_traceback(capsys: pytest.CaptureFixture[str]):
    from rl.cli import leave

    with pytest.raises(SystemExit) as caught:
        leave(RunFailed("the loss is not a number\nsee runs/x/log.txt"))
    assert caught.value.code == 1
    assert capsys.readouterr().err == "ration: the loss is not a number\nration: see runs/x/log.txt\n"


def test_rl_train_takes_a_path_and_raises_bad_input(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"nothing\.yaml: no such file"):
        rl.train(tmp_path / "nothing.yaml")
