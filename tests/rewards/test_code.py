"""The code verifier: forms of tests, what counts as equal, where the program stands, and programs that cheat."""

import json
import re
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from rewards import Status, score
from rewards.code import code
from rewards.code_match import output_differs, value_differs
from rewards.code_tests import BadTests, Calls, InputOutput, read
from rewards.jail import talk
from rewards.sandbox import in_subprocess
from rollout.types import Answer, Task

SUMS = {"tests": {"inputs": ["1 2\n", "3 4\n", "5 6\n"], "outputs": ["3\n", "7\n", "11"]}}
SUM = "print(sum(map(int, input().split())))"
DOUBLE = {
    "test": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate([1]) == [1, 1]\n",
    "entry_point": "double",
}
ROOT = Path(__file__).parents[2]


def judge(meta, program, **knobs):
    return code(Task("t7", "?", "", meta=meta), Answer.from_text(f"```python\n{program}\n```"), **knobs)


# Forms of tests.


@pytest.mark.parametrize(
    ("meta", "program"),
    [
        (SUMS, SUM),
        ({"input_output": json.dumps(SUMS["tests"])}, SUM),
        ({"inputs": [["1", "2"]], "outputs": [["2", "1"]]}, "a, b = input(), input()\nprint(b)\nprint(a)"),
        ({"tests": json.dumps([{"input": "1 2", "output": "3", "testtype": "stdin"}])}, SUM),
        (
            {"tests": [{"input": "[1, 2]\n3", "output": "[1, 2, 3]", "testtype": "functional"}], "fn_name": "add"},
            "class Solution:\n    def add(self, xs: List[int], x: int) -> List[int]:\n        return (*xs, x)",
        ),
        ({"tests": {"inputs": ['"a"\n2'], "outputs": ['"aa"'], "fn_name": "f"}}, "def f(s, n): return s * n"),
        ({"tests": {"inputs": [[[1, 2]], [[]]], "outputs": [[3], 0], "fn_name": "f"}}, "def f(xs): return sum(xs)"),
        (DOUBLE, "def double(x): return x + x"),
        ({"tests": DOUBLE}, "double = lambda x: 2 * x"),
        ({"test_list": ["assert f(2) == 4", "assert f('a') == 'aa'"]}, "def f(x): return x + x"),
        ({"tests": ["assert f(2) == 4"]}, "def f(x): return x + x"),
        (
            {"test_list": ["assert math.isclose(root(two), 1.4142135623730951)"], "test_setup_code": "two = 2"},
            "def root(x): return x ** 0.5",
        ),
        ({"test_list": ["assert sum(10, 15) == 6"]}, "def sum(a, b): return 6"),
        ({"test_list": ["assert Pair(1, 2).b == 2"]}, "class Pair:\n    def __init__(self, *ab): self.a, self.b = ab"),
        (
            {"test": "def check(f):\n    assert f([3, 9]) == 1", "entry_point": "Solution().search"},
            "import bisect\nclass Solution:\n    def search(self, xs): return bisect.bisect(xs, 5)",
        ),
    ],
)  # fmt: skip
def test_every_form(meta, program):
    result = judge(meta, program)
    assert (result.status, result.value, result.parts, result.detail) == (Status.OK, 1.0, {"passed": 1.0}, "")


def test_humaneval_s_prompt_gives_imports_and_helpers_but_not_to_a_cheat():
    """As in HumanEval/32, 38 and 50, whose tests call a helper that only the prompt defines."""
    prompt = (
        "from typing import List\n\ndef encode(s):\n    return s[::-1]\n\n\ndef decode(s: str):\n    '''Undo it.'''\n"
    )
    test = "def check(candidate):\n    assert candidate(encode('abc')) == 'abc'\n    assert encode('abc') == 'cba'\n"
    meta = {"prompt": prompt, "test": test, "entry_point": "decode"}
    assert judge(meta, "def decode(s: List): return encode(s)").status is Status.OK
    assert judge(meta, f"{prompt}    return s[::-1]").status is Status.OK
    assert judge(meta, "def encode(s): return 'abc'\ndef decode(s): return s").status is Status.WRONG


@pytest.mark.parametrize(
    ("meta", "detail"),
    [
        ({}, "there are no tests of a known form"),
        ({"tests": {"inputs": [], "outputs": []}}, "there are no tests of a known form"),
        ({"tests": []}, "there are no tests of a known form"),
        ({"tests": "[1, "}, "no JSON: '[1, '"),
        ({"tests": "[" * 100_000}, "no JSON: "),
        ({"tests": {"inputs": ["1"], "outputs": ["1", "2"]}}, "there are 1 inputs but 2 outputs"),
        ({"tests": {"inputs": [3], "outputs": [3], "fn_name": "f"}}, "a call's arguments are a list, or lines of JSON"),
        ({"tests": {"inputs": ["3"], "outputs": ["3"], "fn_name": "f()"}}, "'f()' is no name of a function"),
        ({"tests": [{"input": "1", "output": "1", "testtype": "functional"}]}, "functional tests need the function's"),
        ({"test_list": ["assert f("]}, "the tests are not Python"),
        ({"test_list": ["assert f(1)"], "test_imports": ["import no_such_module"]}, "ModuleNotFoundError: No module"),
        ({"test_list": ["assert f(lambda: 1) == 1"]}, "NotPlain: the tests pass a function, which is no plain data"),
    ],
)  # fmt: skip
def test_tests_that_cannot_be_used_are_an_error_of_the_data(meta, detail):
    result = judge(meta, "def f(x): return x")
    assert (result.status, result.value) == (Status.ERROR, 0.0)
    assert result.detail.startswith(f"task t7: {detail}")


SUMS_UP = {"test": "def check(candidate):\n    assert candidate([1, 2]) == 3", "entry_point": "sum"}
ADDS = {"test_list": ["assert sum(two(), 3) == len('12345')"], "test_setup_code": "def two(): return 2"}


@pytest.mark.parametrize(
    ("meta", "right"),
    [(SUMS_UP, "def sum(xs): return xs[0] + xs[1]"), (ADDS, "def sum(a, b): return a + b")],
)
def test_a_program_is_not_tested_on_the_built_in_of_the_same_name(meta, right):
    assert judge(meta, right).status is Status.OK
    assert judge(meta, "x = 1").detail == "test 1 of 1: NameError: name 'sum' is not defined"


def test_a_built_in_around_the_program_s_function_is_the_tests_own():
    meta = {"test_list": ["assert set(find(2)) == {1, 2}", "assert sum(x for x in find(2)) == 3"]}
    assert judge(meta, "def find(n): return range(1, n + 1)").status is Status.OK
    assert (
        judge(meta, "def find(n): return []\ndef set(xs): return {1, 2}\ndef sum(xs): return 3").status is Status.WRONG
    )


def test_read():
    assert read(SUMS) == InputOutput(("1 2\n", "3 4\n", "5 6\n"), ("3\n", "7\n", "11"))
    calls = read({"tests": {"inputs": [[1], "2\n[3]"], "outputs": [[5], "6"], "fn_name": "f"}})
    assert calls == Calls("f", ([1], [2, [3]]), (([5], 5), (6,)))
    with pytest.raises(BadTests):
        read({"question": "?"})


# What counts as equal.


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("3", "3\n"),
        ("3\n4", "3  \n4\t\n\n\n"),
        ("", "\n"),
        ("1.0 2", "1 2"),
        ("0.333333333", "0.33333333333333331"),
        ("1e-9", "0"),
        ("1 2", "1   2"),
        ("Case 1: 0.50", "Case 1: 0.5"),
        ("nan", "nan"),
        ("a\r\nb", "a\nb"),
    ],
)
def test_equal_outputs(wanted, got):
    assert output_differs(wanted, got) == ""


@pytest.mark.parametrize(
    ("wanted", "got", "how"),
    [
        ("3", "4", "line 1 is '4', not '3'"),
        ("1\n2", "1", "line 2 is missing, not '2'"),
        ("1", "1\n2", "line 2 is '2', not ''"),
        ("a b", "a  b", "line 1 is 'a  b', not 'a b'"),
        ("  *", "*", "line 1 is '*', not '  *'"),
        ("Yes", "YES", "line 1 is 'YES', not 'Yes'"),
        ("9007199254740993", "9007199254740992", "line 1 is '9007199254740992', not '9007199254740993'"),
        ("1" * 400, "1" * 399 + "2", "line 1 is '" + "1" * 59 + "…, not '" + "1" * 59 + "…"),
        ("0.3333", "0.3334", "line 1 is '0.3334', not '0.3333'"),
        ("1000.0", "1_000.0", "line 1 is '1_000.0', not '1000.0'"),
        ("inf", "1e999", "line 1 is '1e999', not 'inf'"),
        ("1 2 3", "1 2", "line 1 is '1 2', not '1 2 3'"),
    ],
)
def test_different_outputs(wanted, got, how):
    assert output_differs(wanted, got) == how


def test_values():
    assert value_differs([[1, {"a": 0.3}]], [1, {"a": 0.1 + 0.2}]) == ""
    assert value_differs([[5], 5], 5) == ""
    assert value_differs([2], 2.0) == ""
    assert value_differs([None], None) == ""
    assert value_differs([[1, 2]], [1, 2, 3]) == "returned [1, 2, 3], not [1, 2]"
    assert value_differs([10**16 + 1], 10**16) == f"returned {10**16}, not {10**16 + 1}"
    assert value_differs(["1"], 1) == "returned 1, not '1'"
    assert value_differs([{"a": 1}], {"a": 1, "b": 2}) == "returned {'a': 1, 'b': 2}, not {'a': 1}"


# Where the program stands in the text.


@pytest.mark.parametrize(
    "text",
    [
        f"So:\n```python\n{SUM}\n```\nThat is it.",
        f"```python\nprint(0)\n```\nNo:\n```Python\n{SUM}\n```\nwhich prints\n```\n3\n```",
        f"```py\n{SUM}\n```\n```python\nprint(",
        f"1. Read.\n   ```python\n   if True:\n       {SUM}\n   ```",
        f"<answer>\n{SUM}\n</answer>",
        f"<answer>```python\n{SUM}\n```</answer>",
        f"<answer>\n```\n{SUM}\n```\n</answer>",
        f"```\n1 2\n```\n<answer>{SUM}</answer>",
        f"Here:\n```\n{SUM}\n```",
        SUM,
        f"# Add them.\n{SUM}\n",
        "```python\nimport sys\r\nprint(sum(map(int, sys.stdin.read().split())))\r\n```",
    ],
)
def test_the_program_is_found(text):
    assert code(Task("t", "?", "", meta=SUMS), Answer.from_text(text)).status is Status.OK


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "I cannot do this.",
        "```python\n```",
        "<answer></answer>",
        f"```python\n{SUM}",
        f"<answer>{SUM}",
        "def f(:",
    ],
)
def test_unparsable(text):
    result = code(Task("t", "?", "", meta=SUMS), Answer.from_text(text))
    assert (result.status, result.value, result.detail) == (Status.UNPARSABLE, 0.0, "no program in the text")


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10**6,
        "(" * 10**6,
        "-" * 10**6 + "1",
        "```python\n" * 10**5,
        "```\n" * 250_001,
        "\0" * 1000,
        "\udc80",
        "print('\u202e')",
    ],
)
def test_adversarial_text_is_never_right_and_quick(text):
    started = time.monotonic()
    result = code(Task("t", "?", "", meta=SUMS), Answer.from_text(text))
    assert result.status in (Status.UNPARSABLE, Status.WRONG)
    assert result.value == 0.0
    assert time.monotonic() - started < 30


# Values and details.


def test_shares():
    half = "a, b = map(int, input().split())\nprint(a + b if a != 3 else 0)"
    assert judge(SUMS, half).parts == {"passed": 1 / 3}  # before the first failure
    assert judge(SUMS, half).value == 0.0
    both = judge(SUMS, half, partial=True)
    assert (both.status, both.value, both.parts) == (Status.WRONG, 2 / 3, {"passed": 2 / 3})
    assert judge(SUMS, half, max_tests=1).status is Status.OK
    asserts = {"test_list": ["assert f(1) == 1", "assert f(2) == 0", "assert f(3) == 3"]}
    assert judge(asserts, "def f(x): return x", partial=True).value == 2 / 3
    assert judge(asserts, "def f(x): return x", max_tests=1).status is Status.OK


@pytest.mark.parametrize(
    ("meta", "program", "detail"),
    [
        (SUMS, "print(3)", "test 2 of 3: line 1 is '3', not '7'"),
        (SUMS, "print(1 / 0)", "test 1 of 3: ZeroDivisionError: division by zero"),
        (SUMS, f"{SUM}\nraise SystemExit(3)", "test 1 of 3: exit code 3"),
        (SUMS, "x = [0] * 10**10", "test 1 of 3: memory limit"),
        (SUMS, "while True: print('x' * 1000)", "test 1 of 3: output limit"),
        (SUMS, "import ctypes\nctypes.string_at(0)", "test 1 of 3: killed by signal 11 (Segmentation fault)"),
        (SUMS, "print(", "test 1 of 3: SyntaxError: '(' was never closed"),
        (DOUBLE, "def double(x): return 4", "test 1 of 1: AssertionError: assert candidate([1]) == [1, 1]"),
        (DOUBLE, "def twice(x): return x + x", "test 1 of 1: NameError: name 'double' is not defined"),
        (DOUBLE, "def double(x): return [0] * 10**10", "test 1 of 1: memory limit"),
        (DOUBLE, "def double(x: List): return x + x", "test 1 of 1: NameError: name 'List' is not defined"),
        (
            DOUBLE,
            "def double(x): import ctypes; ctypes.string_at(0)",
            "test 1 of 1: killed by signal 11 (Segmentation fault)",
        ),
    ],
)
def test_details(meta, program, detail):
    result = judge(meta, program)
    assert (result.status, result.value) == (Status.WRONG, 0.0)
    assert result.detail.startswith(detail)


@pytest.mark.parametrize("meta", [SUMS, DOUBLE])
def test_a_program_without_end_is_wrong(meta):
    for program in ("while True: pass", "import time\ntime.sleep(600)"):
        result = judge(meta, program, timeout_s=1.0)
        assert (result.status, result.value) == (Status.WRONG, 0.0)
        assert result.detail.endswith("time limit")
    assert judge(meta, "while True: pass", timeout_s=1.0, partial=True).parts == {"passed": 0.0}


@pytest.mark.parametrize("knobs", [{"timeout_s": 0}, {"memory_mib": 8}, {"max_tests": -1}, {"sandbox": "docker"}])
def test_knobs_that_cannot_be_meant(knobs):
    with pytest.raises(ValueError):
        judge(SUMS, SUM, **knobs)


# Programs that cheat, as models trained with such rewards have learnt to.

CHEATS = {
    "leaves": "import os\nos._exit(0)",
    "leaves politely": "import sys\nsys.exit(0)",
    "leaves when called": "import os\ndef double(x): os._exit(0)",
    "leaves politely when called": "def double(x): raise SystemExit(0)",
    "says that it passed": "print('OK', flush=True)\nprint('[\"\", null]', flush=True)\nimport os\nos._exit(0)",
    "writes it to every descriptor": """
import os
for descriptor in range(64):
    try: os.write(descriptor, b'["", null]\\n')
    except OSError: pass
def double(x): os._exit(0)""",
    "equals everything": """
class Any:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = None
def double(x): return Any()""",
    "is an integer that equals everything": """
class Any(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def double(x): return Any(0)""",
    "pretends to be of Python": """
class int(int):
    def __eq__(self, other): return True
int.__module__, int.__qualname__ = 'builtins', 'int'
def double(x): return int(0)""",
    "redefines the tests": "def check(candidate): pass\ndef double(x): return 0",
    "changes the built-ins": """
import builtins
builtins.AssertionError = Warning
builtins.compile = builtins.exec = print
def double(x): return 0""",
    "skips the lines of its caller": "import sys\nsys.settrace(lambda *_: None)\ndef double(x): return 0",
    "reads its caller": """
import sys
def double(x):
    frame = sys._getframe()
    while frame.f_back: frame = frame.f_back
    return frame.f_globals.get('tests') or 0""",
    "takes the harness over": """
import sys
for module in list(sys.modules.values()):
    if hasattr(module, '_perform'):
        module._perform = lambda *_: {'anything': True}
def double(x): return 0""",
    **{
        f"makes every {name} of the tests' process equal to what is true": rf"""
import sys
reply = b")c{module}\n{name}\nN}}U\x06__eq__cbuiltins\nbool\ns\x86b" + b")R\x86."
for module in list(sys.modules.values()):
    if hasattr(module, '_dump'):
        module._dump = lambda value, key_of: reply
def double(x): return 0"""
        for module, name in (("collections", "Counter"), ("fractions", "Fraction"))
    },
    "sends what is no data": """
import sys, pickle
class Evil:
    def __reduce__(self): return exec, ("import os; os.write(5, b'[\\"\\", null]'); os._exit(0)",)
for module in list(sys.modules.values()):
    if hasattr(module, '_dump'):
        module._dump = lambda value, key_of: pickle.dumps(((), Evil()))
def double(x): return 0""",
}  # fmt: skip


@pytest.mark.parametrize("name", CHEATS)
def test_no_cheat_passes(name):
    for meta in (DOUBLE, {"test_list": ["assert double(2) == 4"]}):
        result = judge(meta, CHEATS[name])
        assert (result.status, result.value) == (Status.WRONG, 0.0)
    calls = {"tests": {"inputs": ["2"], "outputs": ["4"], "fn_name": "double"}}
    assert judge(calls, CHEATS[name]).status is Status.WRONG
    assert judge(SUMS, CHEATS[name]).status is Status.WRONG


def test_the_classes_that_a_pickle_may_not_touch_are_those_that_it_could_change():
    immutable = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE
    classes = {name: vars(import_module(module)).get(name) for name, module in talk._COPIED.items()}
    assert {name for name, kind in classes.items() if kind and not kind.__flags__ & immutable} == set(talk._OPEN)


def test_counters_and_fractions_travel_both_ways():
    meta = {
        "test_imports": ["from collections import Counter", "from fractions import Fraction"],
        "test_list": [
            "assert letters('aab') == Counter('aab')",
            "assert invert(Fraction(1, 2)) == 2 and type(invert(2)) is Fraction",
            "assert most(grouped()) == {'x': Counter('a')}",
        ],
    }
    program = """
from collections import Counter, defaultdict
from fractions import Fraction
def letters(s): return Counter(s)
def invert(x): return 1 / Fraction(x)
def grouped():
    found = defaultdict(Counter)
    found['x']['a'] += 1
    return found
def most(found): return found
"""
    assert judge(meta, program).detail == ""


# Sandboxes and workers.

seen: list[bytes] = []


def recording(files, stdin, limits):
    seen.append(stdin)
    return in_subprocess(files, stdin, limits)


def broken(files, stdin, limits):
    raise OSError("no route to host")


def test_wanted_outputs_never_enter_the_sandbox():
    meta = {"tests": {"inputs": ["4200 17\n"], "outputs": ["4217"]}}
    calls = {"tests": {"inputs": ["4200\n17"], "outputs": ["4217"], "fn_name": "add"}}
    seen.clear()
    assert judge(meta, SUM, sandbox=f"{__name__}:recording").status is Status.OK
    assert judge(calls, "def add(a, b): return a + b", sandbox=f"{__name__}:recording").status is Status.OK
    assert [(b"4200" in job, b"4217" in job) for job in seen] == [(True, False), (True, False)]


def test_in_a_worker():
    task = Task("t", "?", "", meta=SUMS)
    texts = [
        f"```python\n{program}\n```"
        for program in (SUM, "print(3)", "while True: pass", "import os\nos.kill(os.getppid(), 9)", SUM)
    ]
    knobs = [{"name": "rewards.code:code", "params": {"timeout_s": 1.5, "partial": True}}]
    results = score(knobs, [task] * 5, [Answer.from_text(text) for text in texts], timeout_s=30)
    assert [result.status for result in results] == [Status.OK, Status.WRONG, Status.WRONG, Status.WRONG, Status.OK]
    assert [result.value for result in results] == [1.0, 1 / 3, 0.0, 0.0, 1.0]


def test_the_page_s_container_sandbox_works_where_docker_is_replaced_by_a_script(tmp_path, monkeypatch):
    page = (ROOT / "docs/code-rewards.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "container.py").write_text(next(block for block in blocks if block.startswith("# container.py")))
    docker = tmp_path / "docker"
    docker.write_text(
        f"#!{sys.executable}\nimport os, sys\nfolder = sys.argv[sys.argv.index('-v') + 1].split(':')[0]\n"
        f"os.chdir(folder)\nos.execv({sys.executable!r}, [{sys.executable!r}, 'main.py'])\n"
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.syspath_prepend(tmp_path)
    assert judge(SUMS, SUM, sandbox="container:run").status is Status.OK
    assert judge(DOUBLE, "def double(x): return 0", sandbox="container:run").status is Status.WRONG


def test_the_page_s_example_runs():
    page = (ROOT / "docs/code-rewards.md").read_text()
    script = next(b for b in re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "score(" in b)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
