"""The tests of a programming task, as the data sets of the field write them down.

LiveCodeBench and APPS compare outputs, or what a function returns; HumanEval and MBPP assert.
"""

from __future__ import annotations

import ast
import builtins
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, cast

_STARTED_WITH = ("typing", "collections", "heapq", "bisect", "itertools", "functools", "math")
STARTER = "\n".join(
    [f"import {module}\nfrom {module} import *" for module in _STARTED_WITH] + ["from builtins import *"]
)
"""What LeetCode has imported for a solution; its signatures need it: `def twoSum(self, nums: List[int])`."""


@dataclass(frozen=True, slots=True)
class InputOutput:
    """For each standard input, the output that the program should print."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Calls:
    """For each list of arguments, the results of `function` that are right. It may be a method of `class Solution`."""

    function: str
    arguments: tuple[Sequence[object], ...]
    outputs: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True)
class Asserts:
    """Statements that raise nothing when the program is right.

    `context` stands before the program and before the tests; `setup` is the tests' own. `names` in them are the
    program's, `modules` are the standard library's, though nothing imports them.
    """

    context: str
    setup: str
    items: tuple[str, ...]
    names: tuple[str, ...]
    modules: tuple[str, ...]


Tests: TypeAlias = InputOutput | Calls | Asserts


class BadTests(ValueError):
    """The data is at fault: no program could pass these tests."""


def read(meta: Mapping[str, Any]) -> Tests:
    """The tests in a task's column `tests` (or `input_output`), else in its columns themselves.

    A string is read as JSON. The forms are listed in docs/code-rewards.md. Raises BadTests when there is none that can
    be used.
    """
    found = meta.get("tests", meta.get("input_output", meta))
    match _json(found) if isinstance(found, str) else found:
        case {"inputs": [_, *_] as inputs, "outputs": [_, *_] as outputs, **rest}:
            return _pairs(cast(list[Any], inputs), cast(list[Any], outputs), rest.get("fn_name"))
        case [{"input": _, "output": _}, *_] as cases:
            return _cases(cast(list[dict[str, Any]], cases), meta.get("fn_name"))
        case {"test": str() as test, "entry_point": str() as name, **rest}:
            context = _without(name, str(rest.get("prompt", "")))
            return _asserts(context, f"{context}\n{test}", (f"check({name})",), _root(name))
        case {"test_list": [str(), *_] as items, **rest}:
            setup = "\n".join([*rest.get("test_imports", ()), rest.get("test_setup_code", "")])
            return _asserts("", setup, tuple(cast(list[str], items)))
        case [str(), *_] as items:
            return _asserts("", "", tuple(cast(list[str], items)))
        case _:
            raise BadTests("there are no tests of a known form")


def first(tests: Tests, count: int) -> Tests:
    """The first `count` tests; all for 0."""
    end = count or None
    match tests:
        case InputOutput(inputs, outputs):
            return InputOutput(inputs[:end], outputs[:end])
        case Calls(function, arguments, outputs):
            return Calls(function, arguments[:end], outputs[:end])
        case Asserts(context, setup, items, names, modules):
            return Asserts(context, setup, items[:end], names, modules)


def _cases(cases: list[dict[str, Any]], function: str | None) -> InputOutput | Calls:
    if cases[0].get("testtype") != "functional":
        function = None
    elif function is None:
        raise BadTests("functional tests need the function's name in a column fn_name")
    return _pairs([case["input"] for case in cases], [case["output"] for case in cases], function)


def _pairs(inputs: list[Any], outputs: list[Any], function: str | None) -> InputOutput | Calls:
    if len(inputs) != len(outputs):
        raise BadTests(f"there are {len(inputs)} inputs but {len(outputs)} outputs")
    if function is None:
        return InputOutput(tuple(map(_text, inputs)), tuple(map(_text, outputs)))
    if not function.isidentifier():
        raise BadTests(f"{function!r} is no name of a function")
    calls = [_call(given, wanted) for given, wanted in zip(inputs, outputs, strict=True)]
    return Calls(function, tuple(given for given, _ in calls), tuple(wanted for _, wanted in calls))


def _text(value: object) -> str:
    """A whole input or output; some are written as a list of lines."""
    return "\n".join(map(str, cast(list[object], value))) if isinstance(value, list) else str(value)


def _call(given: Any, wanted: Any) -> tuple[Sequence[object], tuple[object, ...]]:
    """LiveCodeBench writes a line of JSON per argument, APPS a list of them, and may put the result in a list."""
    match given, wanted:
        case str(), str():
            return [_json(line) for line in given.splitlines() if line.strip()], (_json(wanted),)
        case [*arguments], [result]:
            return arguments, (wanted, result)
        case [*arguments], _:
            return arguments, (wanted,)
        case _:
            raise BadTests(f"a call's arguments are a list, or lines of JSON, not {given!r:.80}")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadTests(f"no JSON: {text[:80]!r} ({error})") from error


def _without(name: str, prompt: str) -> str:
    """What HumanEval's prompt defines beside the function that is asked for: imports, and helpers of its tests."""
    try:
        module = ast.parse(prompt)
    except SyntaxError:  # a prompt in words
        return ""
    module.body = [node for node in module.body if not (isinstance(node, ast.FunctionDef) and node.name == name)]
    return ast.unparse(module)


def _root(expression: str) -> str:
    """`Solution` of `Solution().search`."""
    return expression.partition(".")[0].partition("(")[0].strip()


@lru_cache(maxsize=1024)
def _asserts(context: str, setup: str, items: tuple[str, ...], asked: str = "") -> Asserts:
    """Of the names in the tests, those are the program's that nobody else has, and the one that is `asked` for."""
    try:
        nodes = list(ast.walk(ast.parse("\n".join((setup, *items)))))
    except SyntaxError as error:
        raise BadTests(f"the tests are not Python: {error}") from error
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    owners = {node.value.id for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)}
    modules = owners & sys.stdlib_module_names
    others = used - modules - set(vars(builtins))
    # A task may ask for a function with the name of a built-in one: then its tests have nothing else to call.
    meant = {asked} if asked else set[str]() if others - _own(nodes) else _heads(nodes) or used - modules
    return Asserts(context, setup, items, tuple(sorted(others | meant)), tuple(sorted(modules)))


def _own(nodes: Iterable[ast.AST]) -> set[str]:
    """What the tests define themselves."""
    own: set[str] = set()
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                own.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                own.add(name)
            case ast.alias(name=name, asname=alias):
                own.add(alias or name.partition(".")[0])
            case _:
                pass
    return own


def _heads(nodes: Iterable[ast.AST]) -> set[str]:
    """The function that is called first, from outside, in each assert."""
    asserted = (ast.walk(node.test) for node in nodes if isinstance(node, ast.Assert))
    calls = (next((node.func for node in inside if isinstance(node, ast.Call)), None) for inside in asserted)
    return {called.id for called in calls if isinstance(called, ast.Name)}
