"""HTML: the text that a reader of the page sees, its title and its headings."""

import re
import time
from html.parser import HTMLParser
from pathlib import Path

from dsp.index.documents import Document, Heading, Unreadable, clean, decode, read_bytes, sections

_LARGEST = 16 << 20
# The parser takes quadratic time where thousands of tags or comments are never closed.
_SECONDS, _SECONDS_PER_MIB = 10.0, 2.0
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)

_BLANKS = re.compile(r"[ \t\n\r\f]+")

_SILENT = frozenset(["script", "style", "noscript", "template", "svg", "iframe", "object", "select", "nav", "math"])
_BLOCKS = frozenset(
    "address article aside blockquote br caption dd details div dl dt figcaption figure footer form header hr main "
    "ol p pre section summary table ul".split()
)
_PARAGRAPHS = _BLOCKS - {"br", "dd", "dt"}
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_ABOUT = frozenset(["author", "date", "description", "keywords", "citation_author", "citation_date", "citation_title"])


def read_html(path: Path, source: str) -> Document:
    """A page: its visible text by sections; `author`, `description` and the like of its head become front lines."""
    raw = read_bytes(path, _LARGEST)
    page = _Page(time.thread_time() + _SECONDS + _SECONDS_PER_MIB * len(raw) / (1 << 20))
    try:
        page.feed(_decoded(raw))
        page.close()
    except (AssertionError, ValueError, RecursionError) as error:
        raise Unreadable(f"not HTML that can be read: {error}") from None
    title = " ".join("".join(page.title).split())
    first = next((heading.title for heading in page.headings if heading.depth == 1), "")
    return Document(
        id=source,
        source=source,
        text=page.text,
        title=title or first or path.stem,
        language=page.language,
        sections=tuple(sections(page.text, 0, page.headings)),
        front=tuple(page.about),
    )


def _decoded(raw: bytes) -> str:
    """The page in the encoding that its head names, else as UTF-8."""
    named = _CHARSET.search(raw, 0, 4096)
    encoding = named.group(1).decode("ascii", "replace") if named else "utf-8"
    if encoding.casefold() in ("utf-8", "utf8", "utf-16") or raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return decode(raw)
    try:
        return clean(raw.decode(encoding))
    except LookupError:
        return decode(raw)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"not {encoding}, as its head says: byte 0x{raw[error.start]:02x} in line {line}") from None


class _Page(HTMLParser):
    """Collects text as it stands on the page: blocks on lines of their own, blanks within a line drawn together."""

    def __init__(self, deadline: float) -> None:
        super().__init__(convert_charrefs=True)
        self._deadline = deadline
        self.title: list[str] = []
        self.about: list[str] = []
        self.language = ""
        self.headings: list[Heading] = []
        self._parts: list[str] = []
        self._length = 0
        self._silent: list[str] = []
        self._in_title = False
        self._preformatted = 0
        self._heading_part = -1
        self._heading_start = 0

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Pass over `<![…]>`, of which the parser knows only some kinds."""
        return self.rawdata.find(">", i) + 1 or len(self.rawdata)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a block, or fall silent for a script."""
        if self._silent:
            if tag == self._silent[-1]:
                self._silent.append(tag)
            return
        if tag in _SILENT:
            self._silent.append(tag)
        elif tag == "title":
            self._in_title = not self.title
        elif tag == "html":
            self.language = (dict(attrs).get("lang") or "").partition("-")[0].casefold()
        elif tag == "meta":
            self._meta(dict(attrs))
        else:
            self._open(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close a block, a heading, or the silence."""
        if self._silent:
            if tag == self._silent[-1]:
                self._silent.pop()
        elif tag == "title":
            self._in_title = False
        elif tag in _HEADINGS and self._heading_part >= 0:
            title = " ".join("".join(self._parts[self._heading_part :]).split())
            self.headings.append(Heading(_HEADINGS[tag], title, self._heading_start, self._length))
            self._heading_part = -1
            self._break("\n\n")
        elif tag in _BLOCKS:
            self._preformatted -= tag == "pre" and self._preformatted > 0
            self._break("\n\n" if tag in _PARAGRAPHS else "\n")

    def handle_data(self, data: str) -> None:
        """Add text that is seen."""
        if time.thread_time() > self._deadline:
            raise Unreadable("it takes too long to read: too many of its tags are never closed")
        if self._in_title:
            self.title.append(data)
        elif not self._silent and data:
            self._add(data if self._preformatted else _BLANKS.sub(" ", data))

    @property
    def text(self) -> str:
        """All that is seen."""
        return "".join(self._parts)

    def _meta(self, attributes: dict[str, str | None]) -> None:
        name, content = attributes.get("name") or "", attributes.get("content") or ""
        if name.casefold() in _ABOUT and content.strip():
            self.about.append(f"{name.casefold().removeprefix('citation_')}: {' '.join(content.split())}")

    def _open(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._break("\n\n")
            self._heading_part, self._heading_start = len(self._parts), self._length
        elif tag in ("li", "tr"):
            self._break("\n")
            self._add("- " if tag == "li" else "")
        elif tag in ("td", "th"):
            if self._parts and not self._parts[-1].endswith("\n"):
                self._add(" | ")
        elif tag in _BLOCKS:
            self._preformatted += tag == "pre"
            self._break("\n\n" if tag in _PARAGRAPHS else "\n")

    def _add(self, text: str) -> None:
        if text.startswith(" ") and (not self._parts or self._parts[-1][-1:] in (" ", "\n")):
            text = text.lstrip(" ")
        if text:
            self._parts.append(text)
            self._length += len(text)

    def _break(self, mark: str) -> None:
        """End a line or a paragraph, unless it has ended already."""
        ended = "".join(self._parts[-2:])[-2:]
        if self._parts and not ended.endswith(mark):
            self._add("\n" if ended.endswith("\n") else mark)
