"""The laws of the architecture that a machine can check. Reads sources; imports only the schema."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from statistics import median

import pytest
from pydantic import BaseModel

from rl.config import TrainConfig
from rl.config_schema import section_of

ROOT = Path(__file__).parents[1]
FLOORS = ("rollout", "rewards", "rl")
HOMES = {
    "vllm": {"rollout/vllm_engine.py", "rollout/vllm_worker.py"},
    "math_verify": {"rewards/math_answer.py"},
    "deepspeed": {"rl/deepspeed_learner.py", "rl/weight_sender.py"},
    "httpx": {"rewards/chat.py"},
    "jsonschema": {"rewards/json_schema.py"},
    "ray": {"rl/cluster"},
    "sentence_transformers": {"rewards/semantic_diversity.py"},
    "trl": {"rl/warmup.py"},
}
HEAVY = {"torch", "ray", "vllm", "deepspeed", "trl", "transformers"}

SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for floor in FLOORS
    for path in sorted((ROOT / floor).rglob("*.py"))
}
TREES = {name: ast.parse(text) for name, text in SOURCES.items()}
TESTS = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in (ROOT / "tests").rglob("*.py")}


def imported(tree: ast.AST) -> set[str]:
    """First names of the modules that a file imports."""
    whole = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in whole | parts}


def called(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def length(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_floor_imports_one_above_it():
    upward = [
        f"{name} imports {other}"
        for name, tree in TREES.items()
        for other in imported(tree) & set(FLOORS)
        if FLOORS.index(other) > FLOORS.index(name.split("/")[0])
    ]
    assert upward == []


def test_nobody_imports_tests_and_imports_are_absolute():
    relative = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []
    assert [name for name, tree in TREES.items() if "tests" in imported(tree)] == []


@pytest.mark.parametrize("library", HOMES)
def test_a_heavy_library_has_one_home(library: str):
    """A home is a file, or a package with all that is in it."""
    homes = tuple(HOMES[library])
    users = {name for name, tree in TREES.items() if library in imported(tree)}
    assert {name for name in users if name not in homes and str(Path(name).parent) not in homes} == set()


@pytest.mark.parametrize(
    "module", ["rl.controller", "rl.cli", "rl.config_file", "rl.plan", "rl.doctor", "rollout", "rewards"]
)
def test_the_page_and_the_command_load_no_heavy_library(module: str):
    script = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_files_functions_and_classes_stay_small():
    lines = {name: text.count("\n") for name, text in SOURCES.items()}
    nodes = [(name, node) for name, tree in TREES.items() for node in ast.walk(tree)]
    functions = [
        (length(node), f"{name} {node.name}")
        for name, node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    classes = [(node, f"{name} {node.name}") for name, node in nodes if isinstance(node, ast.ClassDef)]
    methods = {
        where: sum(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) for item in node.body)
        for node, where in classes
    }
    assert {name: n for name, n in lines.items() if n > 300} == {}
    assert median(lines.values()) <= 120
    assert [(n, where) for n, where in functions if n > 60] == []
    assert median(n for n, _ in functions) <= 10
    assert sorted(n for n, _ in functions)[int(0.9 * len(functions))] <= 35
    assert [where for node, where in classes if length(node) > 200 or methods[where] > 15] == []


def test_there_is_one_training_loop_and_it_fits_on_a_page():
    """A training loop is a loop that submits rollouts, updates the learner and publishes its weights."""
    verbs = {"submit", "update", "publish"}
    loops = [
        (name, function.name, length(function))
        for name, tree in TREES.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(verbs <= names_called(node) for node in ast.walk(function) if isinstance(node, ast.For | ast.While))
    ]
    assert [name for name, _, _ in loops] == ["rl/controller.py"], loops
    assert loops[0][2] <= 60


def names_called(tree: ast.AST) -> set[str]:
    return {call.func.attr for call in called(tree) if isinstance(call.func, ast.Attribute)}


def test_there_are_at_most_80_knobs_each_declared_once():
    sections = set(sections_below(TrainConfig))
    knobs = [
        f"{section.__name__}.{name}"
        for section in sections
        for name, info in section.model_fields.items()
        if section_of(info.annotation) is None
    ]
    assert len(knobs) <= 80
    assert all(
        section.model_config.get("frozen") and section.model_config.get("extra") == "forbid" for section in sections
    )


def sections_below(schema: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield schema
    for info in schema.model_fields.values():
        section = section_of(info.annotation)
        if section is not None:
            yield from sections_below(section)


def test_configs_are_read_by_name():
    reflection = [
        f"{name}:{call.lineno} {ast.unparse(call)}"
        for name, tree in TREES.items()
        for call in called(tree)
        if isinstance(call.func, ast.Name) and call.func.id in ("getattr", "hasattr", "setattr")
    ]
    assert [where for where in reflection if re.search(r"\((\w+\.)*\w*(config|cfg)\b", where)] == []
    assert len(reflection) <= 1 + sum(map(len, (text.splitlines() for text in SOURCES.values()))) / 2000


def test_borders_are_the_only_places_that_catch_everything():
    broad = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (all(isinstance(item, ast.Pass) for item in node.body) and "Error" not in ast.unparse(node.type))
        )
    ]
    assert broad == []


def test_no_test_patches_our_own_modules():
    patches = [
        f"{name}:{call.lineno}"
        for name, tree in TESTS.items()
        for call in called(tree)
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("setattr", "setitem") and call.args
        if ast.unparse(call.args[0]).strip("'\"").split(".")[0] in {*FLOORS, *names_from_us(tree)}
    ]
    assert patches == []
    mocking = [name for name, tree in TESTS.items() for node in ast.walk(tree) if is_mock(node)]
    assert mocking == []


def names_from_us(tree: ast.AST) -> set[str]:
    """Names that a test file took from our packages."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in FLOORS
        for alias in node.names
    }


def is_mock(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.startswith(("unittest.mock", "mock")) for alias in node.names)
    return isinstance(node, ast.ImportFrom) and node.module in ("unittest", "unittest.mock", "mock")


def test_no_two_files_share_more_than_15_percent_of_their_lines():
    bodies = {name: set(filter(is_logic, map(str.strip, text.splitlines()))) for name, text in SOURCES.items()}
    big = {name: body for name, body in bodies.items() if len(body) >= 15}
    shared = {f"{a} ~ {b}": len(big[a] & big[b]) / min(len(big[a]), len(big[b])) for a, b in combinations(big, 2)}
    assert {pair: share for pair, share in shared.items() if share > 0.15} == {}


def is_logic(line: str) -> bool:
    """Long enough to say something, and neither an import, a decorator nor a field of a record."""
    field = re.fullmatch(r"\w+: [\w.]+(\[.*\])?( = .*)?", line)
    return len(line) > 20 and not field and not line.startswith(("from ", "import ", "@"))


def test_no_file_names_a_package_registry_or_a_lock():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    if not listed:
        pytest.skip("not a git checkout")
    assert [name for name in listed if name.endswith((".lock", "requirements.txt"))] == []
    registry = re.compile(
        r"https?://[\w.-]*(pypi|python[h]osted|artifact|nexus|registry|mirror)[\w.-]*|--(extra-)?index-url|/simple/"
    )
    found = [
        f"{name}: {match.group()}"
        for name in listed
        if name != Path(__file__).relative_to(ROOT).as_posix() and (ROOT / name).is_file()
        for match in registry.finditer((ROOT / name).read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
