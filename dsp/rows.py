"""Rows of JSONL, CSV, Parquet or a hub data set, one after another, with columns by dotted name."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from dsp.errors import UsageError

LARGEST_ROW = 8 << 20

Bad = Callable[[int, str], None]


class BadRows(UsageError):
    """Rows that cannot be read: a whole file, or one line of it where nobody asked to go on without it."""

    def __init__(self, where: str, reason: str, line: int | None = None) -> None:
        """Name the file or data set, the line where there is one, and the reason."""
        self.reason, self.line = reason, line
        super().__init__(f"{where}{f', line {line}' if line else ''}: {reason}")


class Row(NamedTuple):
    """One row: its values by column, and its number from 1 (the line on which it begins, where there are lines)."""

    number: int
    values: Mapping[str, Any]


def read_rows(path: Path, format: str = "", bad: Bad | None = None) -> Iterator[Row]:
    """The rows of a `.jsonl`, `.csv`, `.tsv` or `.parquet` file, in bounded memory.

    A line that is no row goes with its number and the reason to `bad`, and reading goes on; without `bad` it is
    an error.
    """
    kind = format or {".tsv": "csv", ".ndjson": "jsonl"}.get(path.suffix.casefold(), path.suffix.casefold()[1:])
    reader = _READERS.get(kind)
    if reader is None:
        raise BadRows(
            str(path), f"rows are read from {', '.join(_READERS)}, not from {kind or 'a file without suffix'}"
        )
    try:
        yield from reader(path, bad or _refuse(str(path)))
    except OSError as error:
        raise BadRows(str(path), f"cannot be opened: {error.strerror or error}") from None


def count_rows(path: Path, format: str) -> int:
    """About how many rows a file has, without reading them: its lines, or what a Parquet file says of itself."""
    try:
        if format == "parquet":
            import pyarrow.parquet

            return int(pyarrow.parquet.read_metadata(path).num_rows)
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except OSError as error:
        raise BadRows(str(path), f"cannot be opened: {error.strerror or error}") from None


def dataset_rows(
    name: str, config: str = "", split: str = "train", revision: str = "", data_files: Sequence[str] = ()
) -> Iterator[Row]:
    """The rows of a data set of the hub, or of a local folder that `datasets` can load, streamed."""
    import datasets

    datasets.disable_progress_bars()
    try:
        rows = datasets.load_dataset(
            name,
            config or None,
            split=split,
            revision=revision or None,
            data_files=list(data_files) or None,
            streaming=True,
        )
        for number, values in enumerate(rows, start=1):
            yield Row(number, values)
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise BadRows(f"hf:{name}", f"the data set cannot be loaded: {reason}") from error


def column(values: Mapping[str, Any], name: str) -> Any:
    """The value under a dotted name: `passage.body`, `answers.0.text`; a KeyError says what there is instead.

    A column whose own name has full stops in it is found first.
    """
    if name in values:
        return values[name]
    value: Any = values
    walked: list[str] = []
    for part in name.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, Sequence) and not isinstance(value, str) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise KeyError(_missing(value, ".".join([*walked, part])))
        walked.append(part)
    return value


def _missing(value: object, name: str) -> str:
    if not isinstance(value, Mapping):
        return f"there is no {name!r}: what stands before it holds no columns"
    nearest = get_close_matches(name.rpartition(".")[2], [str(key) for key in value], n=1)
    guess = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return f"there is no column {name!r}.{guess} There are: {', '.join(map(str, list(value)[:20])) or 'none'}."


def _refuse(where: str) -> Bad:
    def bad(line: int, reason: str) -> None:
        raise BadRows(where, reason, line)

    return bad


def _lines(file: BinaryIO, bad: Bad) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; one longer than the largest row is reported and passed over, never held whole."""
    number = 0
    while raw := file.readline(LARGEST_ROW + 1):
        number += 1
        if len(raw) > LARGEST_ROW:
            while not raw.endswith(b"\n") and (raw := file.readline(LARGEST_ROW)):
                pass
            bad(number, f"the line is longer than {LARGEST_ROW >> 20} MiB")
            continue
        if number == 1:
            if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise BadRows(file.name, "the file is UTF-16; save it as UTF-8")
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        yield number, raw


def _jsonl(path: Path, bad: Bad) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, raw in _lines(file, bad):
            if not raw.strip():
                continue
            try:
                values = json.loads(raw.rstrip().decode("utf-8"), parse_constant=lambda _: None)
            except UnicodeDecodeError as error:
                bad(number, f"not UTF-8: byte 0x{raw[error.start]:02x}")
            except json.JSONDecodeError as error:
                bad(number, f"not JSON: {error.msg} at character {error.pos + 1}")
            except (ValueError, RecursionError) as error:
                bad(number, f"not JSON: {error}")
            else:
                if isinstance(values, dict):
                    yield Row(number, values)
                else:
                    bad(number, f"a row must be an object {{...}}; found {type(values).__name__}")


def _csv(path: Path, bad: Bad) -> Iterator[Row]:
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_ROW))
    with path.open("rb") as file:
        begun = 0

        def text_lines() -> Iterator[str]:
            nonlocal begun
            for number, raw in _lines(file, bad):
                begun = begun or number
                yield raw.decode("utf-8", "surrogateescape")

        lines = text_lines()
        first = next(lines, "")
        reader = csv.reader(_again(first, lines), delimiter=_delimiter(path, first), strict=True)
        names: list[str] | None = None
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                unclosed = "unexpected end" in str(error) or "field limit" in str(error)
                bad(begun, f"not CSV: {'a quote that opens here is not closed' if unclosed else error}")
                begun = 0
                continue
            if cells is None:
                return
            number, begun = begun, 0
            if not cells:
                continue
            if names is None:
                names = _header(path, cells)
            elif reason := _cells_reason(cells, names):
                bad(number, reason)
            else:
                yield Row(number, dict(zip(names, cells, strict=True)))


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter(path: Path, header: str) -> str:
    if path.suffix.casefold() == ".tsv":
        return "\t"
    return next((mark for mark in (",", ";", "\t") if mark in header), ",")


def _header(path: Path, cells: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    for name in names:
        if reason := _cells_reason([name], [name]):
            raise BadRows(str(path), reason, 1)
        if not name or names.count(name) > 1:
            what = f"two columns are called {name!r}" if name else "a column has no name"
            raise BadRows(str(path), f"{what}; the first line must name every column once", 1)
    return names


def _cells_reason(cells: Sequence[str], names: Sequence[str]) -> str:
    if len(cells) != len(names):
        return f"{len(cells)} fields where the first line names {len(names)}"
    if any("\udc80" <= char <= "\udcff" for cell in cells for char in cell):
        return "not UTF-8"
    return ""


def _parquet(path: Path, bad: Bad) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)
    except (pyarrow.ArrowException, OSError) as error:
        if getattr(error, "errno", None):
            raise
        raise BadRows(str(path), f"not Parquet: {' '.join(str(error).split())[:200]}", number + 1) from None


_READERS: dict[str, Callable[[Path, Bad], Iterator[Row]]] = {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}
