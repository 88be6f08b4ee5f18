"""The files of a recipe: which ones its sources name, in one order, each with the name it is cited by."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from dsp.errors import UsageError
from dsp.index.documents import clean
from dsp.index.recipe import Recipe, Source

SUFFIXES = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}

Fail = Callable[[str, str], None]


class Found(NamedTuple):
    """A file to read: `name` is what its passages give as their source."""

    name: str
    path: Path
    format: str
    source: Source


def find_files(recipe: Recipe, fail: Fail, skipped: Counter[str]) -> Iterator[Found]:
    """The files that the sources of a recipe name, sorted within each source, none twice.

    Files and folders whose names begin with a full stop are passed over, and files of a kind that dsp does not
    read are counted in `skipped` by suffix. Links are followed, each folder once. The glossary is no document.
    """
    taken = {os.path.normpath(recipe.folder / recipe.glossary)} if recipe.glossary else set()
    for source in recipe.sources:
        if source.dataset:
            continue
        for path in _paths(recipe, source, fail):
            kind = source.format or SUFFIXES.get(path.suffix.casefold(), "")
            place = os.path.normpath(path)
            if not kind:
                skipped[path.suffix.casefold() or path.name] += 1
            elif place not in taken:
                taken.add(place)
                yield Found(_name(recipe, source, path), path, kind, source)


def _paths(recipe: Recipe, source: Source, fail: Fail) -> Iterator[Path]:
    root = source.root or recipe.folder
    place = root / source.path
    if place.is_dir():
        yield from _walk(place, lambda path, reason: fail(_name(recipe, source, path), reason))
    elif os.path.lexists(place):
        if _readable(place, lambda path, reason: fail(_name(recipe, source, path), reason)):
            yield place
    elif any(mark in source.path for mark in "*?["):
        yield from _globbed(recipe, source, root, fail)
    else:
        raise UsageError(f"recipe {recipe.name!r}: there is no file or folder {place}, which its sources name")


def _globbed(recipe: Recipe, source: Source, root: Path, fail: Fail) -> Iterator[Path]:
    try:
        matches = sorted(root.glob(source.path))
    except (ValueError, NotImplementedError) as error:
        raise UsageError(
            f"recipe {recipe.name!r}: {source.path!r} is not a pattern of relative paths: {error}"
        ) from None
    if not matches:
        raise UsageError(f"recipe {recipe.name!r}: no file matches {source.path!r} in {root}")
    for path in matches:
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if (
            not hidden
            and not path.is_dir()
            and _readable(path, lambda p, reason: fail(_name(recipe, source, p), reason))
        ):
            yield path


def _walk(folder: Path, fail: Callable[[Path, str], None]) -> Iterator[Path]:
    """All files below a folder, sorted, with links followed and no folder entered twice."""
    entered: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            about = here.stat()
            if (about.st_dev, about.st_ino) in entered:
                continue
            entered.add((about.st_dev, about.st_ino))
            entries = sorted(here.iterdir())
        except OSError as error:
            fail(here, f"cannot be opened: {error.strerror or error}")
            continue
        seen = [entry for entry in entries if not entry.name.startswith(".")]
        yield from (entry for entry in seen if not entry.is_dir() and _readable(entry, fail))
        waiting.extend(reversed([entry for entry in seen if entry.is_dir()]))


def _readable(path: Path, fail: Callable[[Path, str], None]) -> bool:
    """Whether a path is a regular file; a pipe would wait for ever, and a broken link is worth saying."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        fail(path, "a link to a file that is not there" if path.is_symlink() else f"cannot be opened: {error.strerror}")
        return False


def _name(recipe: Recipe, source: Source, path: Path) -> str:
    """The path from the recipe's folder, or from the source's where that is absolute; `/` between its parts."""
    root = source.root or recipe.folder
    base = (root / source.path).parent if Path(source.path).is_absolute() else root
    name = Path(os.path.relpath(path, base)).as_posix()
    return clean(f"{source.label}/{name}" if source.label else name)
