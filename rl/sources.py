"""Where problems come from: rows of a local file, of a Hugging Face data set, or generated ones."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from rl.config import SourceConfig
from rl.errors import DataError

Row: TypeAlias = tuple[str, Mapping[str, Any]]
"""The place of a row, such as `train.jsonl:17`, which is also its default id; and its columns."""

GENERATED = "reasoning_gym:"
_FILES = (".json", ".jsonl", ".parquet")
_OTHER_FILES = (".arrow", ".csv", ".gz", ".tsv", ".txt", ".xlsx", ".yaml", ".zip")
_SPARE = 4  # generated problems for each wanted one, where some are left out


def rows(source: SourceConfig, *, seed: int) -> Iterator[Row]:
    """The rows of a source in their own order, before `limit`. Raises DataError naming the source or the row."""
    name = source.source
    if name.startswith(GENERATED):
        return _generated(source, seed)
    if not _is_file(name):
        return _from_hub(source)
    if source.options:
        raise DataError(f"{name}: options {sorted(source.options)} mean nothing for a file; remove them")
    return {".jsonl": _json_lines, ".json": _json_list, ".parquet": _parquet}[Path(name).suffix](_existing(name))


def count(source: SourceConfig) -> int | None:
    """How many rows the source offers, None where only a download can tell. Raises DataError for a missing file."""
    name = source.source
    if name.startswith(GENERATED) or not _is_file(name):
        return source.limit or None
    found = _number_of_rows(_existing(name))
    return min(found, source.limit) if source.limit else found


def _number_of_rows(path: Path) -> int:
    if path.suffix == ".parquet":
        from pyarrow.parquet import read_metadata

        return read_metadata(path).num_rows
    if path.suffix == ".jsonl":
        with path.open("rb") as lines:
            return sum(not line.isspace() for line in lines)
    return sum(1 for _ in _json_list(path))


def _is_file(name: str) -> bool:
    suffix = Path(name).suffix
    if suffix not in _FILES and (suffix in _OTHER_FILES or Path(name).is_file()):
        raise DataError(f"{name}: a data file is one of {', '.join(_FILES)}; convert it")
    return suffix in _FILES


def _existing(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        near = get_close_matches(path.name, [file.name for file in path.parent.glob("*.*")], n=1)
        hint = f"; did you mean {path.parent / near[0]}?" if near else f" (seen from {Path.cwd()})"
        raise DataError(f"{name}: no such data file{hint}")
    return path


def _json_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.isspace():
                place = f"{path.name}:{number}"
                yield place, _record(place, _json(place, line))


def _json_list(path: Path) -> Iterator[Row]:
    records = _json(path.name, path.read_text(encoding="utf-8"))
    if not isinstance(records, list):
        raise DataError(f"{path.name}: expected a list of records, found {type(records).__name__}")
    for number, record in enumerate(records, 1):
        place = f"{path.name}:{number}"
        yield place, _record(place, record)


def _json(place: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: not JSON: {error}") from None


def _record(place: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{place}: expected a record with named columns, found {type(value).__name__}")
    return value


def _parquet(path: Path) -> Iterator[Row]:
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
    except ArrowInvalid as error:
        raise DataError(f"{path.name}: not a parquet file: {error}") from None
    number = 0
    with file:
        for batch in file.iter_batches():
            for record in batch.to_pylist():
                number += 1
                yield f"{path.name}:{number}", record


def _from_hub(source: SourceConfig) -> Iterator[Row]:
    from datasets import load_dataset

    try:
        table = load_dataset(source.source, split=source.split, **source.options)
    except (OSError, TypeError, ValueError) as error:  # DatasetNotFoundError is a FileNotFoundError
        reason = " ".join(str(error).split())
        raise DataError(f"{source.source}: no local file, and not loaded from the Hugging Face hub: {reason}") from None
    for number, record in enumerate(table, 1):
        yield f"{source.source}/{source.split}:{number}", record


def _generated(source: SourceConfig, seed: int) -> Iterator[Row]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of a dependency, where its bytecode is not cached yet
        from reasoning_gym.factory import DATASETS, create_dataset

    name = source.source.removeprefix(GENERATED)
    if name not in DATASETS:
        near = get_close_matches(name, list(DATASETS), n=1)
        raise DataError(f"{source.source}: no such data set{f'; did you mean {near[0]}?' if near else ''}")
    if not source.limit or "size" in source.options:
        raise DataError(f"{source.source}: say with `limit` how many problems to generate, not with options")
    options = {"seed": seed, **source.options}
    try:
        entries = create_dataset(name, size=_SPARE * source.limit, **options)
    except (AssertionError, TypeError, ValueError) as error:
        raise DataError(f"{source.source}: options {source.options}: {error}") from None
    return ((f"{name}/{options['seed']}/{index}", entry) for index, entry in enumerate(entries))
