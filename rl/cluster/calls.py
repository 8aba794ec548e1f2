"""Calling actors and waiting for them: every wait has a deadline, every failure a name."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from rl.errors import BadInput, RunFailed

Handle: TypeAlias = Any
"""A Ray actor; Ray's own types do not know its methods."""


Ref: TypeAlias = ray.ObjectRef
"""What a call of an actor gives at once; `gather` waits for it."""


def actors_of(lives_in: type, **options: Any) -> Any:
    """What makes actors of a class, each with these resources of Ray's."""
    made: Any = ray.remote(lives_in)
    return made.options(**options)


def pairs(count: int, each: Mapping[str, float], deadline_s: float) -> list[dict[str, Any]]:
    """Options that put two actors on the same one of `count` shares of the cluster, each of so many resources.

    Left to itself Ray fills a device that is half taken: the first two engines would share one, and so would two
    ranks, which NCCL refuses. Raises RunFailed when the shares are not free within the deadline.
    """
    group = placement_group([dict(each)] * count)
    if not group.wait(deadline_s):
        raise RunFailed(f"start: others hold the cluster; {count} x {dict(each)} not free within {deadline_s:.0f} s")
    return [{"scheduling_strategy": PlacementGroupSchedulingStrategy(group, index)} for index in range(count)]


def resources() -> Mapping[str, float]:
    """What the cluster has in all."""
    return ray.cluster_resources()


def own_address() -> str:
    """The address by which the cluster knows this host."""
    return ray.util.get_node_ip_address()


def end(actor: Handle) -> None:
    """Let an actor go, alive or not; what it was doing is lost."""
    ray.kill(actor)


KNOCK_S = 10.0
"""How long the head of a cluster may take to answer a first call."""


class ActorDied(RunFailed):
    """An actor is gone, and with it what it was doing."""


def gather(what: str, calls: Mapping[str, Ref], deadline_s: float) -> list[Any]:
    """The results of calls to actors, in order. The first that fails raises at once.

    Raises RunFailed, naming who, when the deadline passes or a call raised; ActorDied when an actor died.
    """
    names = {ref: name for name, ref in calls.items()}
    waiting, end = list(calls.values()), time.monotonic() + deadline_s
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=1, timeout=max(0.0, end - time.monotonic()))
        if not ready:
            late = ", ".join(names[ref] for ref in waiting)
            raise RunFailed(f"{what}: no answer from {late} within {deadline_s:.0f} s (cluster.deadline_s)")
        try:
            ray.get(ready[0])
        except RayTaskError as error:
            kind = ActorDied if isinstance(error.cause, ActorDied) else RunFailed  # an actor that it waited for
            raise kind(f"{what}: {names[ready[0]]} failed: {error.cause}") from error
        except (RayActorError, OutOfMemoryError) as error:
            why = str(error).splitlines()[0]
            raise ActorDied(f"{what}: {names[ready[0]]} died: {why}; what was saved can be taken up again") from error
    return ray.get(list(calls.values()))


def named(kind: str, refs: Sequence[Ref]) -> dict[str, Ref]:
    return {f"{kind} {index}": ref for index, ref in enumerate(refs)}


def knock(address: str) -> None:
    """Raise ConnectionError when nobody listens at HOST:PORT, which Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host:  # `local`, `auto`, or a URL, which Ray resolves
        return
    try:
        socket.create_connection((host, int(port)), timeout=KNOCK_S).close()
    except OSError as error:
        raise ConnectionError(f"{address}: {error}") from error


@contextmanager
def ray_at(address: str) -> Iterator[None]:
    """Ray on this machine (`local`), or the running cluster that `address` names; left again at the end.

    Raises BadInput when there is no cluster at the address.
    """
    try:
        knock(address)
        ray.init(
            address=address,
            include_dashboard=False if address == "local" else None,
            log_to_driver=False,
            runtime_env={"env_vars": {"OMP_WAIT_POLICY": "PASSIVE"}},  # threads that spin starve a shared core
            logging_level=logging.ERROR,
        )
    except ConnectionError as error:
        remedy = "run `ray start` there first, or set cluster.address=local"
        raise BadInput(f"cluster.address={address}: there is no Ray cluster to join; {remedy}") from error
    try:
        yield
    finally:
        ray.shutdown()
