"""A program and its tests in two processes, with nothing between them but a pipe of plain data.

So a program cannot read its tests, redefine what they compare with, answer with an object that equals everything, or
end their process: it can only return values. In the tests, each of the program's names is a `Remote`.
"""

from __future__ import annotations

import builtins
import json
import os
import pickle
import sys
from contextlib import suppress
from functools import partial
from importlib import import_module
from io import BytesIO
from operator import attrgetter

from rewards.jail import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn

DATA_AT_FAULT = 3  # how the tests' process ends when no program could pass them
LOST = "EOFError: the program has gone"  # what it says of a test in which the program ended
_DEPTH = 500  # of what is returned: whoever reads it recurses as well
_SHORT = 300  # characters of one reason

# Values of these types are copied. Any other stays in its process, and a `Remote` stands for it in the tests.
_COPIED: Mapping[str, str] = {
    **dict.fromkeys(("NoneType", "bool", "int", "float", "complex", "str", "bytes", "bytearray"), "builtins"),
    **dict.fromkeys(("list", "tuple", "dict", "set", "frozenset", "range"), "builtins"),
    **dict.fromkeys(("Counter", "OrderedDict", "defaultdict", "deque"), "collections"),
    **dict.fromkeys(("date", "datetime", "time", "timedelta"), "datetime"),
    "Decimal": "decimal",
    "Fraction": "fractions",
}
_OPEN = ("Counter", "Fraction")  # of these, the classes that are written in Python: their attributes can be set


class NotPlain(BaseException):
    """The tests pass something that cannot be sent. Not an Exception, for a test may expect one of the program."""


class Remote:
    """Something of the program: a function, a class, an object, an iterator. It equals nothing but itself.

    `_key` is a name of the program, or the number of an object that it keeps for its tests.
    """

    def __init__(self, ask: Callable[..., object], key: str | int) -> None:
        self._ask, self._key = ask, key

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self._ask("call", self, *args, **kwargs)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # Python's protocols are not passed on, such as __eq__ and __reduce__
            raise AttributeError(name)
        return self._ask("attribute", self, name)

    def __iter__(self) -> object:
        return self._ask("iterate", self)

    def __next__(self) -> object:
        return self._ask("next", self)

    @staticmethod
    def key_of(value: object) -> str | int | None:
        """What is sent in the place of a value; None for one that is copied. Raises NotPlain when it cannot be sent."""
        if isinstance(value, Remote):
            return value._key
        if isinstance(value, _Maker):
            return value.func.__name__
        if not _copied(value):
            raise NotPlain(f"the tests pass a {type(value).__name__}, which is no plain data")
        return None


class _Program:
    """The tests' end of the pipe."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = reader, writer
        self.asked = False

    def remote(self, key: str | int) -> Remote:
        return Remote(self._ask, key)

    def _ask(self, operation: str, target: Remote, *args: object, **kwargs: object) -> object:
        self.asked = True
        request = frames.pack(_dump((operation, target, args, kwargs), Remote.key_of))
        with suppress(BrokenPipeError):
            _write(self._writer, request)
        reply = frames.read(self._reader)
        if reply is None:
            raise EOFError("the program has gone")
        raised, value = _load(reply, self.remote)
        if raised:
            raise _exception(raised, value)
        return value


def serve(names: Mapping[str, object], reader: int, writer: int) -> None:
    """In the program's process: do what its tests ask for, until they end."""
    kept: list[object] = []

    def key_of(value: object) -> int | None:
        if _copied(value):
            return None
        kept.append(value)
        return len(kept) - 1

    def value_of(key: str | int) -> object:
        if isinstance(key, int):
            return kept[key]
        if key not in names:
            raise NameError(f"name {key!r} is not defined")
        return names[key]

    while (request := frames.read(reader)) is not None:
        try:
            reply = _dump(((), _perform(*_load(request, value_of))), key_of)
        except BaseException as error:  # noqa: BLE001  (whatever a program raises, its tests are told)
            reply = _dump(([kind.__name__ for kind in type(error).__mro__], str(error)), key_of)
        _write(writer, frames.pack(reply))


def _perform(operation: str, target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
    match operation:
        case "call":
            return target(*args, **kwargs)
        case "attribute":
            return attrgetter(*args)(target)
        case "iterate":
            return iter(target)
        case _:
            return next(target)


def examine(job: bytes, reader: int, writer: int) -> None:
    """In the tests' process: run each test and print a line of JSON: why it failed ("" if not), and its result.

    The job, as JSON: `names` are the program's, `modules` are imported, `setup` is run, and then each of `items`,
    which may leave a result in `_`. Ends with DATA_AT_FAULT where the program is not to blame.
    """
    tests = json.loads(job)
    program = _Program(reader, writer)
    results = os.dup(1)
    os.dup2(2, 1)  # what tests print is no result
    namespace: dict[str, object] = {"__name__": "tests"}
    try:
        namespace |= {name: program.remote(name) for name in tests["names"]}
        namespace |= {name: import_module(name) for name in tests["modules"]}
        exec(compile(tests["setup"], "setup", "exec", dont_inherit=True), namespace)
    except BaseException as error:
        if program.asked and not isinstance(error, NotPlain):
            raise
        _blame_data(error)
    for item in tests["items"]:
        _write(results, _examined(item, tests["setup"], namespace).encode() + b"\n")


def _examined(item: str, setup: str, namespace: dict[str, object]) -> str:
    try:
        exec(compile(item, "item", "exec", dont_inherit=True), namespace)
        sys.setrecursionlimit(_DEPTH)
        return json.dumps(["", namespace.pop("_", None)], default=repr)
    except NotPlain as error:
        _blame_data(error)
    except BaseException as error:  # noqa: BLE001  (code from a data set, and what it makes of a program's values)
        return json.dumps([_reason(error, {"setup": setup, "item": item}), None])
    finally:
        sys.setrecursionlimit(1000)


def _blame_data(error: BaseException) -> NoReturn:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(DATA_AT_FAULT)


def _reason(error: BaseException, sources: Mapping[str, str]) -> str:
    """One line: the exception, or the line of the tests that it comes from when it says nothing."""
    said, line = str(error), ""
    place = error.__traceback__
    while place is not None and not said:
        frame = place.tb_frame
        if frame.f_code.co_filename in sources:
            line = sources[frame.f_code.co_filename].splitlines()[place.tb_lineno - 1].strip()
        place = place.tb_next
    return " ".join(f"{type(error).__name__}: {said or line}".split())[:_SHORT]


def _exception(raised: list[str], message: str) -> Exception:
    """What a program raised, by the names of its class and that one's bases: the nearest of Python's own exceptions."""
    known = (vars(builtins).get(name) for name in raised)
    nearest = next((it for it in known if isinstance(it, type) and issubclass(it, Exception)), RuntimeError)
    return nearest(message if nearest.__name__ == raised[0] else f"{raised[0]}: {message}")


def _copied(value: object) -> bool:
    kind = value if isinstance(value, type) else type(value)
    return _COPIED.get(kind.__qualname__) == kind.__module__


def _dump(value: object, key_of: Callable[[object], str | int | None]) -> bytes:
    buffer = BytesIO()
    _Sender(buffer, key_of).dump(value)
    return buffer.getvalue()


def _load(data: bytes, value_of: Callable[[str | int], object]) -> Any:
    return _Receiver(BytesIO(data), value_of).load()


class _Sender(pickle.Pickler):
    def __init__(self, buffer: BytesIO, key_of: Callable[[object], str | int | None]) -> None:
        super().__init__(buffer, protocol=4)
        self._key_of = key_of

    def persistent_id(self, obj: object) -> str | int | None:
        return self._key_of(obj)


class _Maker(partial[object]):
    """What a pickle gets for a class that is open: it can call it, but its BUILD sets no attribute of the class."""


class _Receiver(pickle.Unpickler):
    def __init__(self, buffer: BytesIO, value_of: Callable[[str | int], object]) -> None:
        super().__init__(buffer)
        self._value_of = value_of

    def persistent_load(self, pid: str | int) -> object:
        return self._value_of(pid)

    def find_class(self, module_name: str, global_name: str) -> object:
        if _COPIED.get(global_name) != module_name:  # nothing of a pickle's usual power to call what it likes
            raise pickle.UnpicklingError(f"{module_name}.{global_name} is no plain data")
        found = super().find_class(module_name, global_name)
        return _Maker(found) if global_name in _OPEN else found


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
