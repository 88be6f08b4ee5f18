"""What the tests leave behind, searched for the key that they send: a secret that some test wrote fails the session."""

import os
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from tests.endpoints import KEY

FORMS = (KEY.encode(), b64encode(KEY.encode()).rstrip(b"="))
MEANT = "test_the_search_finds_a_key"
_PIECE = 1 << 20


def leaks(root: Path) -> list[str]:
    """The files below a folder that hold the key, but for those of the tests of this search; links are not followed."""
    return [str(path) for path in _files(root) if MEANT not in str(path) and _holds(path)]


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from (path for name in names if (path := Path(folder, name)).is_file() and not path.is_symlink())


def _holds(path: Path) -> bool:
    try:
        return any(form in piece for piece in _pieces(path) for form in FORMS)
    except OSError:  # a test took the permission away, or it is gone
        return False


def _pieces(path: Path) -> Iterator[bytes]:
    """The content in overlapping pieces, without the holes of a file that is larger than what it holds."""
    at, overlap = 0, max(map(len, FORMS))
    with path.open("rb", buffering=0) as file:
        while True:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                return
            file.seek(at)
            piece = file.read(_PIECE)
            yield piece
            if len(piece) < _PIECE:
                return
            at += _PIECE - overlap
