"""Samples from a server that speaks OpenAI's protocol: a request for each sample at each budget."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from pydantic import BaseModel

from rewards import chat
from rl.config_schema import suggest
from rl.errors import BadInput, RunFailed
from rl.evaluation.completions import Completion, limit_name, most_tokens, request_of, trial_of
from rl.evaluation.config import EvalConfig
from rl.evaluation.drafts import DraftTrial
from rl.evaluation.models import Model, address
from rl.evaluation.prompting import Asked
from rl.evaluation.sampling import Sampled
from rl.evaluation.strategies import build
from rollout.prompts import PromptFormat
from rollout.sampler import seed_of
from rollout.strategies.base import Strategy
from rollout.types import Answer, Task

KEY = "OPENAI_API_KEY"
"""The environment variable whose value is sent as the key, if there is one."""
STRATEGIES = ("hard", "stated")
"""What a server can do: nothing can be forced into a thought there."""

_START_S = 30.0  # for the list of models
_SLOWEST, _GRACE_S = 2.0, 600.0  # a completion slower than so many tokens a second, after so long, will not come


class Served(BaseModel):
    """A model of the server. vLLM says that it is the owner, and with `max_model_len` how long the context is."""

    id: str
    owned_by: str = ""
    max_model_len: int | None = None


class _List(BaseModel):
    data: tuple[Served, ...]


def check_possible(config: EvalConfig) -> None:
    """Raise BadInput for what a config asks of a server that none can do."""
    knobs, kind = config.rollout, config.strategy["type"]
    if kind not in STRATEGIES:
        raise BadInput(f"strategy {kind!r}: a server can do {' and '.join(STRATEGIES)}; others need the weights")
    if config.check_forks:
        raise BadInput("check_forks: on a server every budget has a run of its own, there are no forks: leave it out")
    if knobs.cue or knobs.closing != knobs.think_end:
        raise BadInput("rollout.closing and rollout.cue: a server closes no thought by force: leave them out")
    if config.price.prompt or config.price.completion:
        raise BadInput("price: the tokens of a server's prompts are not counted: leave it out")


def served(server: chat.Server) -> dict[str, Served]:
    """The server's models by name; none where it keeps no list. Raises BadInput where it cannot be reached."""
    try:
        found = asyncio.run(chat.fetch(server, "/models", _List.model_validate_json))
    except chat.Refused as refused:
        if refused.code in (401, 403):
            raise _blamed(refused) from refused
        return {}
    except chat.NoVerdict as none:
        raise BadInput(f"model.path: {none}: is the server running, and does its URL end in /v1?") from none
    return {model.id: model for model in found.data}


def only(url: str) -> str:
    """The name of a server's single model. Raises BadInput naming them when there are several, or none."""
    names = sorted(served(_server(url, "", attempts=1, request_s=_START_S)))
    if len(names) != 1:
        found = f"it has {', '.join(names[:8])}" if names else "it lists none"
        raise BadInput(f"model.path: which model of {url}? Write openai:{url}#NAME; {found}")
    return names[0]


def _server(url: str, name: str, *, attempts: int, request_s: float, backoff_s: float = 1.0) -> chat.Server:
    return chat.Server(url, name, KEY if KEY in os.environ else "", attempts, request_s, backoff_s)


def _blamed(none: chat.NoVerdict, names: Sequence[str] = (), name: str = "") -> BadInput | RunFailed:
    """What a user can do about a request that got no completion."""
    if not isinstance(none, chat.Refused):
        return RunFailed(f"{none}; what was finished before is kept: run this again when the server answers")
    if none.code in (401, 403):
        return BadInput(f"model.path: {none}: set {KEY} to a key that it takes")
    if none.code == 404:
        listed = f"; it has {', '.join(names[:8])}" if names else ""
        return BadInput(f"model.path: {none}: no model {name!r} there{suggest(name, names) or listed}")
    return BadInput(f"model.path: {none}: lower budgets, or leave out the setting that this server does not take")


class Server:
    """A model on a server as a `Source`, inside a `with` block: requests run in a thread beside the caller's.

    Samples of one number have one seed at all budgets, so that a larger budget continues the same thought wherever
    seeds are honoured. `attempts` and `backoff_s` are those of `rewards.chat.Server`.
    Raises BadInput for what no server can do (`check_possible`), for what this one refuses, and when budgets and
    answers exceed a context that it tells; RunFailed when a request fails after all attempts, once all problems that
    could be finished have been.
    """

    def __init__(self, config: EvalConfig, model: Model, *, attempts: int = 10, backoff_s: float = 1.0) -> None:
        check_possible(config)
        self._config, (url, self._name) = config, address(model.weights)
        self._most = most_tokens(build(config.strategy), config.budgets[-1], config.rollout)
        slow = _GRACE_S + self._most / _SLOWEST
        self._server = _server(url, self._name, attempts=attempts, request_s=slow, backoff_s=backoff_s)
        self._limit = limit_name(url)
        self._free = asyncio.Semaphore(config.rollout.max_in_flight)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="openai", daemon=True)
        self._started = threading.Event()

    def __enter__(self) -> Self:
        first = _server(self._server.url, self._name, attempts=1, request_s=_START_S)
        self._models = served(first)
        model = self._models.get(self._name)
        self._context = (model and model.max_model_len) or 0
        # vLLM leaves special tokens out of its texts, and in some tokenizers the end of a thought is one.
        self._own = {"skip_special_tokens": False} if model and model.owned_by == "vllm" else {}
        self._check_room(0, self._most)
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _run(self) -> None:
        """The life of the thread; what is still under way at its end is cancelled."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        await self._stop.wait()

    def sample(self, strategy: Strategy, asked: Asked, tasks: Sequence[Task]) -> Iterator[Sampled]:
        each = self._config.samples * len(self._config.budgets)
        window = max(1, -(-2 * self._config.rollout.max_in_flight // each))  # the next ones wait for a free place
        left, failed = deque(tasks), list[Exception]()
        under_way = deque[tuple[Task, Future[list[DraftTrial]]]]()
        try:
            while under_way or (left and not failed):
                while left and not failed and len(under_way) < window:
                    work = self._problem(strategy, asked.style, left[0])
                    under_way.append((left.popleft(), asyncio.run_coroutine_threadsafe(work, self._loop)))
                task, future = under_way.popleft()
                try:
                    trials = future.result()
                except (BadInput, RunFailed) as error:
                    failed.append(error)
                    continue
                yield [task], [trials]
        finally:
            for _, future in under_way:
                future.cancel()
        if failed:
            raise failed[0]

    def confidence(self, task: Task, answer: Answer) -> float | None:
        return None

    async def _problem(self, strategy: Strategy, style: PromptFormat, task: Task) -> list[DraftTrial]:
        """The trials of a problem; the first request that fails ends the others."""
        places = range(len(self._config.budgets))
        try:
            async with asyncio.TaskGroup() as group:
                rows = [
                    [group.create_task(self._complete(strategy, style, task, place, g)) for place in places]
                    for g in range(self._config.samples)
                ]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        end = self._config.rollout.think_end
        return [trial_of([one.result() for one in row], end, self._config.budgets) for row in rows]

    async def _complete(self, strategy: Strategy, style: PromptFormat, task: Task, place: int, g: int) -> Completion:
        knobs = self._config
        asked = request_of(task, style, strategy, knobs.budgets, place, knobs.rollout)
        most = most_tokens(strategy, knobs.budgets[place], knobs.rollout)
        seed = seed_of(knobs.seed, task.id, task.epoch, g) >> 17  # 31 bits, the most that some servers take
        request = {"model": self._name, **asked, self._limit: most, "seed": seed, **self._own}
        try:
            async with self._free:
                found = await chat.fetch(self._server, "/chat/completions", Completion.model_validate_json, request)
        except chat.NoVerdict as none:
            raise _blamed(none, sorted(self._models), self._name) from none
        self._check_room(found.usage.prompt_tokens, most, task.id)
        return found

    def _check_room(self, prompt: int, most: int, task: str = "") -> None:
        """A server may cut a completion at its context without saying so: its results would be another budget's."""
        if 0 < self._context < prompt + most:
            asked = f"task {task}: {prompt} tokens of prompt" if task else "budgets"
            raise BadInput(
                f"{asked} with {most} for thought and answer exceed the {self._context} that {self._name} has on "
                f"{self._server.url}: lower budgets or rollout.answer_tokens"
            )
