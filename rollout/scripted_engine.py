"""An engine that says what it is told to, token by token: dry runs, examples, tests.

It ships with the package because a sampler, a controller or an evaluation that is driven by it is
driven exactly as by the real engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rollout.engine import Completion, Draw, Ended
from rollout.types import VersionSpan

LOGPROB = -0.5


@dataclass
class ScriptedEngine:
    """Continues a prompt with the tokens that `script(prompt_ids, seed)` returns.

    The script's tokens are cut by the draw's stop tokens and by `max_tokens`; a script that runs out
    before ends with `eos_id`, and ends before `min_tokens` are passed over. `draws` records what was asked,
    `version` labels what is sampled.
    """

    script: Callable[[tuple[int, ...], int], Sequence[int]]
    eos_id: int
    version: int = 0
    draws: list[Draw] = field(default_factory=list[Draw])

    async def sample(self, draw: Draw) -> list[Completion]:
        self.draws.append(draw)
        return [self._one(draw, draw.seed + index) for index in range(draw.n)]

    def _one(self, draw: Draw, seed: int) -> Completion:
        tokens: list[int] = []
        ended = Ended.LENGTH
        for token in (*self.script(draw.prompt_ids, seed), self.eos_id):
            ends = token == self.eos_id or token in draw.stop_ids
            if ends and len(tokens) < draw.min_tokens:
                continue
            if len(tokens) == draw.max_tokens:
                break
            tokens.append(token)
            if ends:
                ended = Ended.EOS if token == self.eos_id else Ended.STOP
                break
        spans = (VersionSpan(self.version, 0, len(tokens)),) if tokens else ()
        return Completion(tuple(tokens), (LOGPROB,) * len(tokens), ended, spans)
