"""Every code block of docs/rewards.md does what the page says."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from rewards import PoolJudge, Status
from rl.config import RewardConfig
from rollout.types import Answer, BudgetPrior, Finish, Group, Rollout, Task

PAGE = (Path(__file__).parents[2] / "docs/rewards.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch):
    assert [kind for kind, _ in BLOCKS] == ["yaml", "python", "python"]
    config, reward, script = (code for _, code in BLOCKS)
    name = reward.splitlines()[0].removeprefix("# ")
    (tmp_path / name).write_text(reward)
    (tmp_path / "try_it.py").write_text(script)  # no __main__ guard: workers do not run the caller's module
    done = subprocess.run([sys.executable, "try_it.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    monkeypatch.chdir(tmp_path)
    knobs = RewardConfig.model_validate(yaml.safe_load(config)["reward"])
    rollout = Rollout((), (), (), Finish.CLOSED, (), ((Answer.from_text("9"),),))
    group = Group(Task("1", "3 + 5 =", "8"), BudgetPrior.single(8), (rollout,))
    terms = [(term.name, term.weight) for term in knobs.terms]
    with PoolJudge(terms, workers=knobs.workers, timeout_s=knobs.deadline_s) as judge:
        result = judge.score([group])[0].results[0][0][0]
    assert (result.status, result.value) == (Status.WRONG, 0.1 * 0.5)
