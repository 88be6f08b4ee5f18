"""How many passages a corpus has, and what they are like, without reading all of it where it is large."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from dsp.errors import UsageError
from dsp.index.corpus import Report, nothing, read_dataset, read_found
from dsp.index.documents import Document, Unreadable
from dsp.index.files import Found, find_files
from dsp.index.passages import passages
from dsp.index.recipe import Recipe
from dsp.rows import count_rows
from dsp.types import Passage

if TYPE_CHECKING:
    from pathlib import Path

# Up to so many bytes every document is read, which takes some seconds; beyond, so many bytes of them.
_WHOLE = 16_000_000
_ROWS = 2_000
_KEPT = 512
_FORMATS_OF_ROWS = ("jsonl", "csv", "parquet")


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found: `how` says whether the passages were `counted`, `estimated` from a sample, `stated` or `given`.

    `sample` are some passages that were read, evenly taken; `reading` the seconds that each took.
    """

    passages: int
    how: str
    read: int
    sample: tuple[Passage, ...]
    reading: float
    report: Report


def survey(recipe: Recipe, *, given: int = 0) -> Survey:
    """Read the corpus of a recipe, or some of it; `given` is a number of passages that the user knows.

    Above 16 MB every n-th file is read, and of files of rows the first 2,000. Raises UsageError where nothing can be
    read, or where nobody knows how many rows a data set has.
    """
    report, sample = Report(), _Sample()
    started = time.perf_counter()
    estimate, is_whole = _files(recipe, report, sample)
    for source in recipe.sources:
        if source.dataset:
            sample.take(recipe, islice(read_dataset(recipe, source, report), _ROWS))
            is_whole = False
    seconds = time.perf_counter() - started
    if not sample.passages:
        raise nothing(recipe, report)
    if not given and not recipe.expected and any(source.dataset for source in recipe.sources):
        raise UsageError(
            f"nobody says how many passages {recipe.name!r} has: give --passages, or size.passages in its recipe"
        )
    known = given or recipe.expected
    how = "given" if given else "stated" if known and not is_whole else "counted" if is_whole else "estimated"
    return Survey(
        passages=given or (sample.count if is_whole else known or round(estimate)),
        how=how,
        read=sample.count,
        sample=tuple(sample.passages),
        reading=seconds / sample.count,
        report=report,
    )


def _files(recipe: Recipe, report: Report, sample: "_Sample") -> tuple[float, bool]:
    """Read files into the sample; about how many passages they all hold, and whether all were read."""
    found = [(file, _size(file.path)) for file in find_files(recipe, report.fail, report.skipped)]
    is_whole = sum(size for _, size in found) <= _WHOLE
    estimate = 0.0
    rows = [file for file, _ in found if file.format in _FORMATS_OF_ROWS]
    for file in rows:
        made, read = sample.file(recipe, file, report, None if is_whole else _ROWS)
        share = 1.0 if read < _ROWS or is_whole else count_rows(file.path, file.format) / read
        estimate += made * max(share, 1.0)
    for kind in sorted({file.format for file, _ in found} - set(_FORMATS_OF_ROWS)):
        estimate += _documents(recipe, [each for each in found if each[0].format == kind], report, sample)
    return estimate, is_whole


def _documents(recipe: Recipe, found: "Sequence[tuple[Found, int]]", report: Report, sample: "_Sample") -> float:
    """Read every n-th of some files of one format; about how many passages all of them hold, by their bytes."""
    total = sum(size for _, size in found)
    some = found[:: math.ceil(total / _WHOLE) or 1]
    made = sum(sample.file(recipe, file, report)[0] for file, _ in some)
    read = sum(size for _, size in some)
    return made * total / read if read else 0.0


class _Sample:
    """Passages, thinned out evenly as they come: at most 1,024 of them are kept."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.count = 0
        self._step = 1

    def file(self, recipe: Recipe, file: Found, report: Report, most: int | None = None) -> tuple[int, int]:
        """Read a file; how many passages and documents it had. One that cannot be read goes to the report."""
        try:
            made, read = self.take(recipe, islice(read_found(file, report), most))
        except Unreadable as error:
            report.fail(file.name, str(error))
            return 0, 0
        report.empty += not made
        return made, read

    def take(self, recipe: Recipe, documents: Iterator[Document]) -> tuple[int, int]:
        """Cut documents into passages; how many of each there were."""
        before, read = self.count, 0
        lang = "" if recipe.language == "auto" else recipe.language
        for document in documents:
            read += 1
            for passage in passages(document, recipe.words, recipe.overlap, lang):
                self._keep(passage)
        return self.count - before, read

    def _keep(self, passage: Passage) -> None:
        if self.count % self._step == 0:
            self.passages.append(passage)
        self.count += 1
        if len(self.passages) >= 2 * _KEPT:
            del self.passages[1::2]
            self._step *= 2


def _size(path: "Path") -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
