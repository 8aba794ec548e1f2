"""`rl`, `rewards` and `rollout` are common names: check that all three are ours."""

from __future__ import annotations

from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

from rl.errors import BadInput

PACKAGES = ("rollout", "rewards", "rl")


def check_import_names(packages: tuple[str, ...] = PACKAGES) -> None:
    """Raises BadInput, naming the other distribution, when a package is not the one beside this file."""
    home = Path(__file__).resolve().parent.parent
    for name in packages:
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise BadInput(f"package {name!r} of Ration cannot be imported: install again with `pip install ration`")
        found = Path(next(iter(spec.submodule_search_locations))).resolve()
        if found != home / name:
            raise BadInput(f"package {name!r} comes from {found}, not from Ration in {home}: {_remedy(name)}")


def _remedy(name: str) -> str:
    others = sorted(set(packages_distributions().get(name, [])) - {"ration"})
    if others:
        return f"uninstall {', '.join(others)}, or give Ration an environment of its own"
    return "move that folder off PYTHONPATH, or start somewhere else"
