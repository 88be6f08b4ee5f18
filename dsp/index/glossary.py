"""A glossary: words of the documents' language for terms of another, so that words match across languages too."""

from collections.abc import Mapping
from pathlib import Path

from dsp.errors import UsageError


def read_glossary(path: Path) -> dict[str, str]:
    """The glossary in a file: on each line a term, a tab, and the words it adds to a query. Raises UsageError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(
            f"the glossary {path} cannot be read: {reason}; mend it or take it out of the recipe"
        ) from error
    found = {}
    for number, line in enumerate(lines, start=1):
        term, tab, words = line.partition("\t")
        if line and not (term.strip() and tab and words.strip()):
            raise UsageError(f"{path}, line {number}: found {line[:60]!r}; write a term, a tab and the words for it")
        if line:
            found[term.strip()] = words.strip()
    return found


def added_words(query: str, glossary: Mapping[str, str]) -> str:
    """The words for the terms in a query, from left to right, the longest term first where several fit."""
    longest = max(map(len, glossary), default=0)
    found, at = [], 0
    while at < len(query):
        size = next((n for n in range(longest, 0, -1) if query[at : at + n] in glossary), 0)
        if size:
            found.append(glossary[query[at : at + size]])
        at += size or 1
    return " ".join(found)
