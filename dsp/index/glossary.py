"""English words for Chinese ones, so that a Chinese question finds English passages by their words too."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path


@cache
def glossary() -> Mapping[str, str]:
    """Chinese terms of research writing with English words for each, from `glossary.tsv`."""
    lines = Path(__file__).with_name("glossary.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines if line)


def english_words(query: str) -> str:
    """English words for the Chinese terms in a query, the longest terms first where several fit, from left to right."""
    terms = glossary()
    longest = max(map(len, terms))
    found, at = [], 0
    while at < len(query):
        size = next((n for n in range(longest, 0, -1) if query[at : at + n] in terms), 0)
        if size:
            found.append(terms[query[at : at + size]])
        at += size or 1
    return " ".join(found)
