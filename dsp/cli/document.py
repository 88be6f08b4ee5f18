"""The JSON that `--json` puts on standard output: one document, or one a line."""

import json
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dsp.cli.terminal import safe, without_key
from dsp.types import JSON

_LONE = re.compile("[\ud800-\udfff]")


def json_text(value: object, *, indent: int | None = 2) -> str:
    """A value as strict JSON: no NaN, no lone surrogate, no character that steers a terminal."""
    text = json.dumps(_strict(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return "".join(c if c == safe(c) else _escape(c) for c in text) if text != safe(text) else text


def print_document(value: object) -> None:
    """Write the value on standard output as UTF-8, whatever the locale says."""
    _print(json_text(value))


def print_line(value: object) -> None:
    """Write the value as one of several lines of JSON."""
    _print(json_text(value, indent=None))


def _print(text: str) -> None:
    data = without_key(text) + "\n"
    stream = sys.stdout
    if stream is None:
        return
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(data)
    else:
        stream.flush()
        buffer.write(data.encode("utf-8"))
    stream.flush()


@contextmanager
def kept_clean(wanted: bool) -> Iterator[None]:
    """While the block runs, what anybody prints to standard output goes to standard error: Python or native code."""
    if not wanted or sys.stdout is None or sys.stderr is None:
        yield
        return
    python_level = sys.stdout
    try:
        native = os.dup(1)
    except OSError:
        native = -1
    try:
        python_level.flush()
        if native >= 0:
            os.dup2(2, 1)
        sys.stdout = sys.stderr
        yield
    finally:
        sys.stdout = python_level
        if native >= 0:
            os.dup2(native, 1)
            os.close(native)


def _strict(value: object) -> JSON:
    if isinstance(value, Mapping):
        return {_LONE.sub("\ufffd", str(name)): _strict(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_strict(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return _LONE.sub("\ufffd", str(value))


def _escape(character: str) -> str:
    return json.dumps(character, ensure_ascii=True)[1:-1] if character != "\x7f" else "\\u007f"
