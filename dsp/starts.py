"""A start for a program of one's own: a commented copy from the shelf, under a name of one's own."""

import keyword
import re
from pathlib import Path

from dsp.catalog import shelf
from dsp.errors import StorageError, UsageError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def new_program(name: str, folder: Path) -> Path:
    """Write `NAME.py`, a program that runs, into the folder; gives its path.

    Raises UsageError for a name that no function can have, and where there is such a file: nothing is written over.
    """
    name = name.removesuffix(".py")
    function = name.replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(function):
        raise UsageError(f"{name!r} cannot name a program; write letters, digits, - and _, a letter first: my_program")
    text = (shelf("programs") / "_start.py").read_text(encoding="utf-8")
    path = folder / f"{name}.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text.replace("def start(", f"def {function}("))
    except FileExistsError:
        raise UsageError(f"there is a file {path.name} already; choose another name") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}; go to another folder") from error
    return path
