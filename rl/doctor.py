"""What would stop a run from starting, found before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from rl.config import TrainConfig
from rl.errors import BadInput
from rl.guard import check_import_names
from rl.machine import Machine, survey
from rl.model_shape import describe
from rl.plan import GIB, Plan, plan, size

_ENGINES = ("cpu", "gpu")  # extras that bring vLLM


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `remedy` where it is not ok."""

    level: Literal["ok", "warning", "stop"]
    name: str
    found: str
    remedy: str = ""


def examine(config: TrainConfig | None = None) -> list[Check]:
    """Every check on this machine, and for the run of `config` those of its placement."""
    machine = survey(config.run.folder if config else Path("runs"))
    needed = [Requirement(text) for text in metadata.requires("ration") or ()]
    installed = _installed(requirement.name for requirement in needed)
    checks = [_python(machine), _packages_are_ours(), *versions(needed, installed), *hardware(machine)]
    if any(machine.gpus) and "vllm" not in installed:
        checks.append(Check("warning", "engine", "a CPU build beside GPUs", "pip install 'ration[gpu]'"))
    if config:
        shape = describe(config.model.path, tied=config.model.tie_embeddings)
        checks += placement(config, plan(config, None, shape), machine)
    return checks


def render(checks: Iterable[Check]) -> str:
    """One line for each check."""
    rows = [(check.level, check.name, check.found + (f": {check.remedy}" if check.remedy else "")) for check in checks]
    width = max(len(name) for _, name, _ in rows)
    return "\n".join(f"{level:<7}  {name:<{width}}  {text}" for level, name, text in rows)


def versions(needed: Iterable[Requirement], installed: Mapping[str, str]) -> Iterator[Check]:
    """Each requirement against what is installed: `stop` outside its range, or where it is missing."""
    engines: list[Check] = []
    for requirement in needed:
        extra = _extra(requirement)
        version = installed.get(requirement.name)
        if extra not in ("", *_ENGINES) or (extra and version is None):
            continue
        if version is None:
            check = Check("stop", requirement.name, "not installed", f"pip install '{_bare(requirement)}'")
        elif requirement.specifier.contains(version, prereleases=True):
            check = Check("ok", requirement.name, version)
        else:
            check = Check("stop", requirement.name, version, f"pip install '{_bare(requirement)}'")
        (engines if extra else []).append(check)
        yield check
    if not engines:
        yield Check("stop", "vllm", "not installed", "pip install 'ration[gpu]', or 'ration[cpu]' without a GPU")


def hardware(machine: Machine) -> Iterator[Check]:
    """What any run needs of a machine."""
    yield _at_least("cores", machine.cores, 2, str(machine.cores), "a run has two processes that work at once")
    yield _at_least("memory", machine.memory, 6 * GIB, size(machine.memory), "the quickstart wants 6 GiB")
    shared = machine.shared_memory
    if shared is None:
        yield Check("stop", "/dev/shm", "missing", "mount it: Ray and weights (publish.backend=shm) pass through it")
    else:
        yield _at_least("/dev/shm", shared, GIB, f"{size(shared)} free", "enlarge it: Ray and weights pass through it")
    gpus = ", ".join(size(gpu) for gpu in machine.gpus)
    yield Check("ok", "GPUs", gpus or "none: everything runs on the CPU")
    if "ninja" in machine.tools and machine.tools & {"g++", "c++"}:
        yield Check("ok", "compiler", "g++ and ninja")
    else:
        level = "warning" if machine.gpus else "stop"
        yield Check(level, "compiler", "g++ or ninja is missing", "install both: DeepSpeed compiles a part of itself")
    yield _at_least("disk", machine.disk_free, 2 * GIB, f"{size(machine.disk_free)} free", "make room for checkpoints")
    used = f"{machine.temporary_used:.0%} used"
    if machine.temporary_used < 0.95:
        yield Check("ok", "temporary folder", used)
    else:
        yield Check("warning", "temporary folder", used, "Ray refuses to store objects above 95 %; free some space")


def placement(config: TrainConfig, plan: Plan, machine: Machine) -> Iterator[Check]:
    """Whether the run of a config would fit. A cluster that is joined is asked by the run itself."""
    if config.cluster.address != "local":
        if machine.ray_cluster or config.cluster.address != "auto":
            yield Check("ok", "cluster", f"{config.cluster.address}: asked for {plan.devices} devices at the start")
        else:
            yield Check("stop", "cluster", "no Ray cluster is known here", "run `ray start --address=HEAD:6379` first")
        return
    if machine.gpus:
        yield _fits("GPUs wanted", plan.devices, len(machine.gpus), f"{plan.devices} of {len(machine.gpus)}")
    elif config.publish.backend != "shm":
        yield Check("stop", "publish", f"{config.publish.backend} without a GPU", "publish.backend=shm")
    elif plan.devices > machine.cores:
        yield Check(
            "warning", "processes", f"{plan.devices} on {machine.cores} cores", "they take turns: fewer engines"
        )
    if plan.memory is None:
        yield Check("warning", "memory wanted", "unknown", f"config.json of {config.model.path} is not on this machine")
        return
    yield from _memory_fits(config, plan, machine)


def _memory_fits(config: TrainConfig, plan: Plan, machine: Machine) -> Iterator[Check]:
    wanted = plan.memory
    assert wanted is not None
    on_host = config.learner.ranks * wanted.on_host
    if machine.gpus:
        taken = config.rollout.memory_fraction if config.cluster.placement == "colocated" else 0
        room = round(min(machine.gpus) * (1 - taken))
        yield _fits("GPU memory / rank", wanted.on_device, room, f"{size(wanted.on_device)} of {size(room)}")
    else:
        caches = config.rollout.engines * config.rollout.memory_gib * GIB
        on_host += round(caches) + config.learner.ranks * wanted.on_device + config.rollout.engines * wanted.publish
    yield _fits("memory wanted", on_host, machine.memory, f"{size(on_host)} of {size(machine.memory)}")
    if config.publish.backend == "shm" and machine.shared_memory is not None:
        free = machine.shared_memory
        yield _fits("shared memory", wanted.publish, free, f"{size(wanted.publish)} of {size(free)} per publish")
    kept = (config.run.keep_last + 1) * wanted.checkpoint
    yield _fits("checkpoints", kept, machine.disk_free, f"{size(kept)} of {size(machine.disk_free)}")


def _fits(name: str, wanted: int, there: int, found: str) -> Check:
    return Check("ok" if wanted <= there else "stop", name, found, "" if wanted <= there else "does not fit")


def _at_least(name: str, there: int, wanted: int, found: str, remedy: str) -> Check:
    return Check("ok", name, found) if there >= wanted else Check("warning", name, found, remedy)


def _python(machine: Machine) -> Check:
    version, wanted = ".".join(map(str, machine.python)), metadata.metadata("ration")["Requires-Python"]
    if SpecifierSet(wanted).contains(version):
        return Check("ok", "python", version)
    return Check("stop", "python", version, f"Ration needs {wanted}")


def _packages_are_ours() -> Check:
    try:
        check_import_names()
    except BadInput as error:
        return Check("stop", "packages", str(error))
    return Check("ok", "packages", "rollout, rewards and rl come from one place")


def _installed(names: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _extra(requirement: Requirement) -> str:
    """The extra that a requirement belongs to; "" for one that everybody needs."""
    if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
        return ""
    return next((extra for extra in _ENGINES if requirement.marker.evaluate({"extra": extra})), "other")


def _bare(requirement: Requirement) -> str:
    return str(requirement).partition(";")[0].strip()
