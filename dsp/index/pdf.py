"""PDF: the text of each page, read by pypdf."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsp.index.documents import Document, Section, Unreadable, clean

if TYPE_CHECKING:
    from pypdf import PdfReader

_LARGEST = 256 << 20
_MOST_PAGES = 5000
_MOST_TEXT = 64 << 20
_FEW_PAGES = 4

_HYPHENATED = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010]\n(?=[a-z])")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "\u00ad": ""})
_WRAPPED = re.compile(r"(?<=[^\n]{40})\n(?=[^\W\d_]|[(\"“‘])")


def read_pdf(path: Path, source: str) -> Document:
    """A PDF: one section for each page that has text, so that every passage lies on one page."""
    import pypdf
    import pypdf.errors

    # Without a handler of its own, each oddity of a file would be printed on the user's terminal.
    logging.getLogger("pypdf").addHandler(logging.NullHandler())
    try:
        if path.stat().st_size > _LARGEST:
            raise Unreadable(f"larger than {_LARGEST >> 20} MiB")
        with path.open("rb") as file:
            reader = pypdf.PdfReader(file)
            if reader.is_encrypted and not reader.decrypt(""):
                raise Unreadable("encrypted; save a copy without a password")
            return _document(reader, path, source)
    except Unreadable:
        raise
    except pypdf.errors.DependencyError:
        raise Unreadable("encrypted; save a copy without a password") from None
    except OSError as error:
        raise Unreadable(f"cannot be opened: {error.strerror or error}") from None
    except Exception as error:
        raise Unreadable(f"a broken PDF: {' '.join(str(error).split())[:200] or type(error).__name__}") from error


def _document(reader: "PdfReader", path: Path, source: str) -> Document:
    if len(reader.pages) > _MOST_PAGES:
        raise Unreadable(f"it has {len(reader.pages)} pages; the most that are read is {_MOST_PAGES}")
    texts: list[str] = []
    sections: list[Section] = []
    place = 0
    for number, text in enumerate(_pages(reader), start=1):
        if text:
            sections.append(Section(start=place, end=place + len(text), page=number))
            texts.append(text)
            place += len(text) + 2
    if not texts:
        raise Unreadable("it holds no text; a scanned PDF needs OCR first")
    about = reader.metadata
    title = clean(str(about.title or "")) if about else ""
    return Document(
        id=source,
        source=source,
        text="\n\n".join(texts),
        title=" ".join(title.split()) or path.stem,
        sections=tuple(sections),
    )


def _pages(reader: "PdfReader") -> list[str]:
    """The text of each page, without the lines that stand at the head or foot of most pages."""
    pages: list[list[str]] = []
    size = 0
    for page in reader.pages:
        pages.append(clean(page.extract_text()).translate(_LIGATURES).strip().split("\n"))
        size += sum(map(len, pages[-1]))
        if size > _MOST_TEXT:
            raise Unreadable(f"its text is longer than {_MOST_TEXT >> 20} MiB")
    for edge in (0, -1):
        running = _running([lines[edge] for lines in pages])
        for lines in pages:
            if _numberless(lines[edge]) in running:
                lines[edge] = ""
    return [_flowing("\n".join(lines)) for lines in pages]


def _running(lines: Sequence[str]) -> set[str]:
    """Lines that, page numbers apart, most pages have; none in a document too short to tell."""
    if len(lines) < _FEW_PAGES:
        return set()
    counts = Counter(_numberless(line) for line in lines if line.strip())
    return {line for line, count in counts.items() if count > len(lines) / 2}


def _numberless(line: str) -> str:
    return re.sub(r"\d+", "#", line).strip()


def _flowing(text: str) -> str:
    """A page's text with words and lines that the layout broke put together again."""
    text = _HYPHENATED.sub("", re.sub(r"[ \t]+\n", "\n", text))
    return _WRAPPED.sub(" ", text).strip()
