"""The corpus of a recipe: its documents, read one after another and cut into passages."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from dsp.errors import Partial, UsageError
from dsp.index.documents import Document, Reader, Unreadable, read_text
from dsp.index.files import Found, find_files
from dsp.index.html import read_html
from dsp.index.markdown import read_markdown
from dsp.index.passages import passages
from dsp.index.pdf import read_pdf
from dsp.index.recipe import Recipe, Source
from dsp.index.records import read_records, record_documents
from dsp.rows import BadRows, dataset_rows
from dsp.types import Passage

_READERS: dict[str, Reader] = {"markdown": read_markdown, "text": read_text, "html": read_html, "pdf": read_pdf}
_MOST_LISTED = 1000
_HASHED_WHOLE = 32 << 20


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A document, or one line of a file of rows, that could not be read, and why."""

    source: str
    reason: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.source}{f', line {self.line}' if self.line else ''}: {self.reason}"


@dataclass(kw_only=True)
class Report:
    """What a reading of a corpus came to; filled while the passages are drawn.

    `failed` counts all failures, `failures` lists the first thousand; `empty` counts documents without any text,
    `skipped` files of kinds that are not read, by suffix.
    """

    documents: int = 0
    passages: int = 0
    failed: int = 0
    empty: int = 0
    failures: list[Failure] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def fail(self, source: str, reason: str, line: int | None = None) -> None:
        """Record a document or line that was left out."""
        self.failed += 1
        if len(self.failures) < _MOST_LISTED:
            self.failures.append(Failure(source=source, reason=reason, line=line))

    def raise_if_partial(self) -> None:
        """Raise `Partial`, naming what was left out, where something was."""
        if self.failed:
            what = "document or line" if self.failed == 1 else "documents or lines"
            raise Partial(
                f"{self.failed} {what} could not be read: {self.listed()}. {self.documents} documents were indexed; "
                "the others are tried again by the next build."
            )

    def listed(self, most: int = 20) -> str:
        """The first failures in one line."""
        more = f"; and {self.failed - most} more" if self.failed > most else ""
        return "; ".join(str(failure) for failure in self.failures[:most]) + more


def read_corpus(recipe: Recipe, report: Report) -> Iterator[Passage]:
    """The passages of all documents of a recipe, in order; failures go to the report, the rest goes on.

    A recipe without a single readable document is an error, raised at the end of the reading.
    """
    lang = "" if recipe.language == "auto" else recipe.language
    taken: set[int] = set()
    for document in _documents(recipe, report):
        key = hash(document.id)
        if key in taken:
            report.fail(document.source, f"the id {document.id!r} was used before; each document needs its own")
            continue
        taken.add(key)
        made = 0
        for passage in passages(document, recipe.words, recipe.overlap, lang):
            made += 1
            report.passages += 1
            yield passage
        report.documents += made > 0
        report.empty += made == 0
    if not report.passages:
        raise nothing(recipe, report)


def corpus_state(recipe: Recipe) -> str:
    """A hash that changes when a document of the recipe is added, removed or altered.

    Files count by content for the first 32 MiB, the others by size and time of change; a data set counts by its
    name and revision, which the recipe's fingerprint holds.
    """
    digest = hashlib.sha256()
    left = _HASHED_WHOLE
    for found in find_files(recipe, lambda name, reason: digest.update(f"{name}\0{reason}\0".encode()), Counter()):
        about = found.path.stat()
        digest.update(f"{found.name}\0{found.format}\0{about.st_size}\0".encode())
        if about.st_size <= left and os.access(found.path, os.R_OK):
            left -= about.st_size
            digest.update(hashlib.sha256(found.path.read_bytes()).digest())
        else:
            digest.update(f"{about.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]


def _documents(recipe: Recipe, report: Report) -> Iterator[Document]:
    titles = {f"{paper.name}.pdf": paper.title for paper in recipe.papers}
    for found in find_files(recipe, report.fail, report.skipped):
        try:
            for document in read_found(found, report):
                title = titles.get(found.path.name, "") if found.source.label else ""
                yield replace(document, title=title) if title else document
        except Unreadable as error:
            report.fail(found.name, str(error))
    for source in recipe.sources:
        if source.dataset:
            yield from read_dataset(recipe, source, report)


def read_found(found: Found, report: Report) -> Iterator[Document]:
    """The documents of one file; bad rows go to the report. Raises Unreadable where the whole file is."""
    reader = _READERS.get(found.format)
    if reader:
        yield reader(found.path, found.name)
    else:
        fail = _failing(report, found.name)
        yield from read_records(found.path, found.name, found.format, found.source.columns, fail)


def read_dataset(recipe: Recipe, source: Source, report: Report) -> Iterator[Document]:
    """The rows of a data set as documents; a data set that cannot be loaded goes to the report."""
    local = recipe.folder / source.dataset
    name = str(local) if local.is_dir() else source.dataset
    files = [str(recipe.folder / file) if (recipe.folder / file).exists() else file for file in source.data_files]
    rows = dataset_rows(name, source.config, source.split, source.revision, files)
    try:
        yield from record_documents(rows, source.path, source.columns, _failing(report, source.path))
    except BadRows as error:
        report.fail(source.path, error.reason)


def _failing(report: Report, source: str) -> Callable[[int, str], None]:
    return lambda line, reason: report.fail(source, reason, line)


def nothing(recipe: Recipe, report: Report) -> UsageError:
    """The error of a recipe without any text, which says what was found instead."""
    where = ", ".join(source.path if source.path != "." else str(recipe.folder) for source in recipe.sources)
    if report.failed:
        return UsageError(f"no document of {where} could be read: {report.listed(5)}")
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in report.skipped.most_common(5))
    other = f" (there are files of other kinds: {kinds})" if kinds else ""
    blank = f" ({report.empty} have no text)" if report.empty else ""
    return UsageError(
        f"there are no documents in {where}{other}{blank}; dsp reads Markdown, text, HTML, PDF, JSONL, CSV and Parquet"
    )
