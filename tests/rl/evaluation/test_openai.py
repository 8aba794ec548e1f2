"""Evaluations over a real HTTP server: what it is asked, how it fails, and what is kept when it does."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Reply

from rl.errors import BadInput, RunFailed
from rl.evaluation.command import assemble
from rl.evaluation.completions import limit_name
from rl.evaluation.config import EvalConfig
from rl.evaluation.drafts import DraftTrial
from rl.evaluation.finished import RESULT
from rl.evaluation.models import SERVER, Model, address, fingerprint, locate
from rl.evaluation.openai import KEY, Server, check_possible, only
from rl.evaluation.prompting import Asked, style_of
from rl.evaluation.records import SAMPLES, read_problems
from rl.evaluation.run import evaluate
from rl.evaluation.strategies import build
from rollout.strategies.hard import Hard
from rollout.types import Finish, Task

SUMS = {"2+2": "4", "3+4": "7", "5+6": "11"}
THOUGHT = "so it is: "


class Thinker(ChatServer):
    """A model of one token per character, on a server that stops it where it was told to.

    It thinks `THOUGHT`, closes the thought and says the sum; `field` is where its server puts thoughts, in the text
    if empty. `faults` are replies to the first requests, or for ever to those about `cursed`.
    """

    def __init__(self, field: str = "", faults: tuple[Reply, ...] = (), cursed: str = "", seconds: float = 0.0) -> None:
        super().__init__(models=[{"id": "org/adder", "max_model_len": 200}])
        self._field, self._faults, self._cursed, self._seconds = field, faults, cursed, seconds

    def reply_to(self, request: dict[str, Any], count: int) -> Reply:
        question = request["messages"][-1]["content"].partition("?")[0]
        if request["model"] != "org/adder":
            return 404, f"no model {request['model']}", 0.0
        if self._faults and (question == self._cursed or (not self._cursed and count <= len(self._faults))):
            return self._faults[(count - 1) % len(self._faults)]
        return 200, self.completion(SUMS[question], request["max_tokens"]), self._seconds

    def completion(self, answer: str, most: int) -> dict[str, Any]:
        tokens = [*THOUGHT, "</think>", *answer]
        said, cut = tokens[:most], len(tokens) >= most
        message: dict[str, Any] = {"content": "".join(said)}
        usage: dict[str, Any] = {"prompt_tokens": 20, "completion_tokens": len(said)}
        if self._field:
            thought, _, content = message["content"].partition("</think>")
            message = {"content": content or None, self._field: thought}
            usage["completion_tokens_details"] = {"reasoning_tokens": min(len(said), len(THOUGHT) + 1)}
        choice = {"message": message, "finish_reason": "length" if cut else "stop"}
        return {"choices": [choice], "usage": usage}


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)


@pytest.fixture
def config(tmp_path: Path):
    """A config of the sums for a server."""
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps({"prompt": p, "answer": a}) + "\n" for p, a in SUMS.items()))
    task = {"name": str(path), "prompt": "{prompt}?", "reward": "exact"}

    def made(server: ChatServer, **knobs: Any) -> EvalConfig:
        rollout = {"answer_tokens": 3, "max_in_flight": 4, **knobs.pop("rollout", {})}
        model = {"path": f"openai:{server.url}"}
        values = {"model": model, "tasks": [task], "budgets": [4, 8, 16], "out": str(tmp_path / "out"), "workers": 1}
        return EvalConfig.model_validate({**values, "rollout": rollout, **knobs})

    return made


def start(config: EvalConfig, model: Model, asked: object, attempts: int = 3) -> Server:
    """As the command starts it, less patient."""
    return Server(config, model, attempts=attempts, backoff_s=0.01)


def run(config: EvalConfig) -> dict[str, Any]:
    return json.loads((evaluate(config, start=start) / RESULT).read_text())


def sample(config: EvalConfig) -> dict[str, list[DraftTrial]]:
    """The trials of the sums by their problem."""
    asked = Asked((), style_of(config.tasks[0], config.rollout), {}, 0)
    tasks = [Task(problem, problem, answer) for problem, answer in SUMS.items()]
    with start(config, locate(config.model.path), None) as source:
        batches = source.sample(build(config.strategy), asked, tasks)
        return {task.id: trials for batch in batches for task, trials in zip(*batch, strict=True)}


@pytest.mark.parametrize("field", ["", "reasoning", "reasoning_content"])
def test_a_whole_evaluation(config, field):
    with Thinker(field) as server:
        found = run(config(server, samples=2, budgets=[4, 9, 16]))
    # Thought and mark have eleven tokens, and every budget has three more: 7 is too few, 12 is one digit of the sum.
    assert [point["accuracy"] for point in found["budgets"]] == [0.0, pytest.approx(2 / 3), 1.0]
    assert [point["forced_rate"] for point in found["budgets"]] == [1.0, 0.0, 0.0]
    assert [point["truncated_rate"] for point in found["budgets"]] == [0.0, 1.0, 0.0]
    assert [point["unparsable_rate"] for point in found["budgets"]] == [1.0, 0.0, 0.0]
    assert [point["thinking_tokens"] for point in found["budgets"]] == [7, 11, 11]
    assert (found["model"], found["n_problems"], found["samples"]) == ("adder", 3, 2)


def test_budgets_arrive_as_max_tokens(config):
    with Thinker() as server:
        sample(config(server, samples=2, rollout={"temperature": 0.5, "top_k": 9}))
        requests = server.requests
    assert len(requests) == 3 * 2 * 3
    assert sorted({request["max_tokens"] for request in requests}) == [7, 11, 19]
    assert all((one["model"], one["temperature"], one["top_k"]) == ("org/adder", 0.5, 9) for one in requests)
    assert not any({"n", "stop", "skip_special_tokens"} & set(one) for one in requests)
    # One seed for each sample of each problem, the same at all budgets, and of 31 bits.
    seeds = {request["seed"] for request in requests}
    assert len(seeds) == 6
    assert max(seeds) < 2**31
    asked = [request["messages"] for request in requests if request["seed"] == min(seeds)]
    assert asked in [[[{"role": "user", "content": f"{question}?"}]] * 3 for question in SUMS]


def test_servers_differ_in_what_they_list(config):
    with Thinker() as server:
        server.models = [{"id": "org/adder", "owned_by": "vllm"}]
        sample(config(server))
        assert all(one["skip_special_tokens"] is False for one in server.requests)
        server.models = None
        sample(config(server, model={"path": f"openai:{server.url}#org/adder"}))
        assert "skip_special_tokens" not in server.requests[-1]
    assert limit_name("http://127.0.0.1:8000/v1") == "max_tokens"
    assert limit_name("https://api.openai.com/v1") == "max_completion_tokens"


def test_a_cut_thought_is_no_answer(config, tmp_path):
    with Thinker() as server:
        run(config(server, budgets=[4, 9, 12]))
    (trial,) = next(read_problems(tmp_path / "out" / SAMPLES)).trials
    assert [(v.text, v.finish, v.forced, v.thinking_tokens, v.answer_tokens) for v in trial.verdicts] == [
        ("", Finish.EMPTY, True, 7, 0),
        ("4", Finish.LENGTH, False, 11, 1),
        ("4", Finish.STOP, False, 11, 1),
    ]
    assert [thought.finish for thought in trial.thoughts] == [Finish.BUDGET, Finish.CLOSED, Finish.CLOSED]
    assert trial.thoughts[0].text == THOUGHT[:7]
    assert trial.sampled == sum(verdict.spent for verdict in trial.verdicts) == 7 + 12 + 12


def test_a_stated_budget_stands_in_the_prompt_and_its_cap_in_max_tokens(config):
    with Thinker() as server:
        sample(config(server, strategy={"type": "stated", "cap": 30}))
    said = {request["messages"][-1]["content"].partition("? ")[2] for request in server.requests}
    assert said == {f"Think for maximum {budget} tokens." for budget in (4, 8, 16)}
    assert {request["max_tokens"] for request in server.requests} == {33}


def test_the_key_is_sent_where_there_is_one(config, monkeypatch):
    with Thinker() as server:
        sample(config(server))
        assert set(server.keys) == {None}
    monkeypatch.setenv(KEY, "secret")
    with Thinker() as server:
        assert only(server.url) == "org/adder"
        assert server.keys == ["Bearer secret"]


def test_requests_run_beside_each_other_and_no_more_than_allowed(config):
    with Thinker(seconds=0.2) as server:
        sample(config(server, samples=4))
    assert server.most_at_once == 4


def test_a_busy_or_failing_server_is_asked_again(config):
    broken = (200, {"choices": []}, 0.0)
    with Thinker(faults=((429, "later", 0.0), (500, "no model", 0.0), broken)) as server:
        found = sample(config(server))
    assert len(server.requests) == 9 + 3
    assert {problem: trials[0].drafts[-1].answer.text for problem, trials in found.items()} == SUMS


def test_what_is_finished_is_kept_when_a_request_fails(config, tmp_path):
    with Thinker(faults=((503, "overloaded", 0.0),), cursed="3+4") as server:
        with pytest.raises(RunFailed, match=r"replied 503: overloaded; what was finished before is kept: run this"):
            run(config(server, rollout={"max_in_flight": 32}))
        kept = [problem.prompt for problem in read_problems(tmp_path / "out" / SAMPLES)]
        assert kept == ["2+2", "5+6"]


@pytest.mark.parametrize(
    ("code", "said", "remedy"),
    [
        (401, "who are you?", "set OPENAI_API_KEY to a key that it takes"),
        (400, "max_tokens is too large", "lower budgets, or leave out the setting"),
    ],
)
def test_a_refusal_is_final_and_says_what_to_do(config, code, said, remedy):
    with (
        Thinker(faults=((code, said, 0.0),) * 99) as server,
        pytest.raises(BadInput, match=rf"model.path: .* replied {code}: {said.replace('?', '.')}: {remedy}"),
    ):
        sample(config(server, rollout={"max_in_flight": 1}))
    assert len(server.requests) == 1


def test_an_unknown_model_is_named_with_the_nearest(config):
    with Thinker() as server:
        for name, hint in (("org/ader", r"did you mean org/adder\?"), ("gpt", "it has org/adder")):
            with pytest.raises(BadInput, match=rf"replied 404: no model {name}: no model '{name}' there; {hint}"):
                sample(config(server, model={"path": f"openai:{server.url}#{name}"}))


def test_no_server_at_all(config, tmp_path):
    with Thinker() as server:
        asked = config(server)
    with pytest.raises(BadInput, match=r"cannot be asked: ConnectError.*is the server running"):
        run(asked)
    assert not (tmp_path / "out").exists()


def test_finished_work_is_read_again_from_its_config_without_the_server(config, tmp_path):
    with Thinker() as server:
        asked = config(server, model={"path": f"openai:{server.url}#org/adder"})
        before = run(asked)
    again = assemble([str(tmp_path / "out" / "config.yaml")], [])
    assert again == asked
    assert run(again) == before


def test_a_context_that_the_server_tells_is_heeded(config):
    with Thinker() as server:
        with pytest.raises(BadInput, match="budgets with 201 for thought and answer exceed the 200 that org/adder has"):
            run(config(server, budgets=[8, 198]))
        assert server.requests == []
        with pytest.raises(BadInput, match="20 tokens of prompt with 193 for thought and answer exceed the 200"):
            run(config(server, budgets=[190]))


def test_the_model_of_a_server_is_found_or_asked_for():
    with ChatServer(models=[{"id": "org/one"}]) as server:
        model = locate(f"openai:{server.url}/")
        assert model == Model(f"openai:{server.url}#org/one", "one")
        assert fingerprint(model.weights) == f"openai:{server.url}#org/one"
        assert locate("openai:http://nowhere.example/v1#a/b") == Model("openai:http://nowhere.example/v1#a/b", "b")
    with (
        ChatServer(models=[{"id": "b"}, {"id": "a"}]) as server,
        pytest.raises(BadInput, match=r"which model of .*/v1\? Write openai:.*/v1#NAME; it has a, b"),
    ):
        locate(f"openai:{server.url}")
    with ChatServer() as server, pytest.raises(BadInput, match="it lists none"):
        locate(f"openai:{server.url}")


@pytest.mark.parametrize("path", ["openai:", "openai:localhost:8000/v1", "openai:http://", "openai:http://[::1/v1#m"])
def test_what_is_no_url_is_refused(path):
    assert path.startswith(SERVER)
    with pytest.raises(BadInput, match="no URL: write openai:http://HOST:PORT/v1"):
        address(path)


@pytest.mark.parametrize(
    ("knobs", "why"),
    [
        ({"strategy": {"type": "wait"}}, "strategy 'wait': a server can do hard and stated"),
        ({"strategy": {"type": "separate"}}, "strategy 'separate'"),
        ({"check_forks": 2}, "check_forks: .* leave it out"),
        ({"rollout": {"cue": "So:"}}, "closes no thought by force"),
        ({"rollout": {"closing": "Time is up.</think>"}}, "closes no thought by force"),
        ({"price": {"completion": 2.0}}, "price: "),
    ],
)
def test_what_no_server_can_do_is_refused(config, knobs, why):
    with ChatServer() as server, pytest.raises(BadInput, match=why):
        check_possible(config(server, **knobs))


def test_an_abandoned_sampling_leaves_nothing_behind(config):
    with Thinker(seconds=0.2) as server:
        asked = config(server, rollout={"max_in_flight": 2})
        with start(asked, locate(asked.model.path), None) as source:
            style = style_of(asked.tasks[0], asked.rollout)
            tasks = [Task(str(i), "2+2", "4") for i in range(40)]
            next(source.sample(Hard(), Asked((), style, {}, 0), tasks))
        assert "openai" not in {thread.name for thread in threading.enumerate()}
        assert len(server.requests) < 20
