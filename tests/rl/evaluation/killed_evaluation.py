"""A process that evaluates until it is killed after so many draws (or, for -1, until the disk takes no more)."""

import json
import os
import resource
import signal
import sys

from scripted import Told, config_of
from test_evaluation_run import thinker

from rl.cli import leave
from rl.errors import RunFailed
from rl.evaluation.run import evaluate


def dying(told: Told, after: int) -> Told:
    speak = told.engine.script

    def script(prompt: tuple[int, ...], seed: int) -> object:
        if after == 0 or len(told.engine.draws) <= after:
            return speak(prompt, seed)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    told.engine.script = script
    return told


if __name__ == "__main__":
    model, out, knobs, after = json.loads(sys.argv[1])
    if after < 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        os.makedirs(out, exist_ok=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1300, resource.RLIM_INFINITY))
    try:
        evaluate(config_of(model, out, **knobs), start=dying(thinker(model), max(0, after)))
    except RunFailed as error:
        leave(error)
