"""How much disk and memory an index takes, by formulas over its passages, before anything is built."""

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

from dsp.index.presets import factory_of, vector_bytes
from dsp.index.recall import is_lossy
from dsp.index.recipe import Recipe
from dsp.index.vectors import is_exact

DIMENSION = 384
"""Numbers in a vector of the embedded encoder."""
# Measured on built indexes of HotpotQA, XQuAD and the digest: bytes for a byte of text, and terms in 100 bytes.
_STORED, _TERMS = 1.35, 11.0
# Where each passage begins, its document, work and language, and the hash of its text.
_OFFSET, _PLACE, _HASH = 8, 12, 16
# A term's position and score, its name with what lists it, and what a word is in memory while the terms are counted.
_POSTING, _TERM, _WORD = 8, 24, 100
# What the reading keeps of each passage (names of documents in tables, hashes, lengths), and one query's scores.
_READ, _SCORES = 420, 24
_SAMPLED, _TRAINING, _SHARD = 2048, 65_536, 8192


class Size(NamedTuple):
    """Bytes on disk; of memory that cannot be given back to build and to search; and mapped while it is searched.

    Beside them a process holds Python and the encoder.
    """

    disk: int
    build: int
    search: int
    mapped: int

    @property
    def searched(self) -> int:
        """All memory that is quick to search."""
        return self.search + self.mapped


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What the formulas are over: passages, the bytes that they are stored in, terms and different terms in all."""

    passages: int
    stored: int
    dimension: int = DIMENSION
    terms: int = 0
    vocabulary: int = 0


def size_of(corpus: Corpus, factory: str) -> Size:
    """What an index of that FAISS factory takes over a corpus; without terms it has no lexical side."""
    n, row = corpus.passages, 4 * corpus.dimension
    vectors = n * vector_bytes(factory, corpus.dimension) + _tables(factory, row)
    exact = 0 if is_exact(factory) else n * row
    sample = 0 if n <= _SAMPLED and is_exact(factory) else min(n, _SAMPLED) * row
    places = n * (_OFFSET + _PLACE)
    words = _POSTING * corpus.terms + _TERM * corpus.vocabulary
    training = 0 if factory.startswith(("Flat", "HNSW")) else 2 * min(n, _TRAINING) * row
    counted = (_WORD + 2 * _POSTING) * corpus.terms
    held = 2 * min(n, _SHARD) * row
    return Size(
        disk=corpus.stored + places + n * _HASH + vectors + exact + sample + words,
        build=n * _READ + held + max(training + 3 * vectors // 2, counted),
        search=places + n * _SCORES + sample + words + 4 * _TERM * corpus.vocabulary,
        mapped=vectors + (exact if is_lossy(factory) else 0),
    )


def stated_size(recipe: Recipe) -> Size | None:
    """What the index of a recipe will take by what the recipe states; None where it states no number of passages."""
    n, text = recipe.expected, recipe.expected_bytes
    if not n:
        return None
    terms = round(_TERMS * text / 100) if recipe.has_words else 0
    corpus = Corpus(passages=n, stored=round(_STORED * text), terms=terms, vocabulary=growing(terms))
    return size_of(corpus, factory_of(recipe, n, DIMENSION))


def growing(terms: int) -> int:
    """How many different terms so many hold, by Heaps' law: thirty times the root."""
    return round(30 * math.sqrt(terms))


def told(recipe: Recipe) -> str:
    """What a person should know before a build, in one line; empty where nothing is stated."""
    size = stated_size(recipe)
    if size is None:
        return ""
    disk, build, search = (f"{part / 1e9:,.1f} GB" for part in (size.disk, size.build, size.searched))
    licence = f", licence {recipe.licence}" if recipe.licence else ""
    return (
        f"{recipe.expected:,} passages ({recipe.expected_bytes / 1e9:,.1f} GB of text{licence}): about {disk} of disk, "
        f"{build} of memory to build and {search} to search"
    )


def _tables(factory: str, row: int) -> int:
    """The centres of the cells, and the code book of a product quantiser (256 rows, for each inner product a table)."""
    cells = re.search(r"IVF(\d+)", factory)
    return (int(cells[1]) * row if cells else 0) + (256 * row if "PQ" in factory else 0)
