"""The parts of a built index: written into a draft, and read from a generation, each when it is first needed."""

import hashlib
import io
import json
from array import array
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from dsp.errors import IndexCorrupt
from dsp.index import lexical, vectors
from dsp.index.filters import Facets
from dsp.index.generation import Generation
from dsp.index.passage_file import OFFSETS, PASSAGES, read_passage
from dsp.index.protocol import passage_json
from dsp.index.recall import depth
from dsp.index.shards import Known, Rows
from dsp.index.storage import Draft
from dsp.types import Passage

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from dsp.index.vectors import Nearest

    Array: TypeAlias = NDArray[Any]
    Floats: TypeAlias = NDArray[numpy.float32]
    Mask: TypeAlias = NDArray[numpy.bool_]

_PLACES, _TEXTS = "places.npy", "texts.npy"
_INDEX, _EXACT, _SAMPLE = "vectors.faiss", "vectors.npy", "sample.npy"
_VOCABULARY, _GLOSSARY, _LEXICAL = "lexical.json", "glossary.json", ("data", "indices", "indptr")
_SAMPLED = 2048
# Passages that were found before are kept as they were read, some 20 MB of a hundred words each: many queries find
# the same ones.
_KEPT = 10_000


class Built:
    """The passages, vectors and word scores of one generation; reading them is safe from many threads."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self.manifest: Mapping[str, Any] = generation.manifest
        self.name = generation.index
        self.generation = generation.name
        self.count: int = self.manifest["passages"]
        self._seen: dict[str, Mask | None] = {}

    def passage(self, position: int) -> Passage:
        """The passage at a position of the index."""
        return self._passages(position)

    @cached_property
    def _passages(self) -> Callable[[int], Passage]:
        return lru_cache(_KEPT)(partial(read_passage, self._generation, self._offsets))

    def passages(self) -> Iterable[Passage]:
        """All passages in order."""
        return (read_passage(self._generation, self._offsets, position) for position in range(self.count))

    @cached_property
    def documents(self) -> "Array":
        """For each passage the number of its document, shape (count,)."""
        return self._places[:, 0]

    @cached_property
    def one_passage_each(self) -> bool:
        """Whether every passage is a document and a work of its own, so that only scores decide between them."""
        return all(int(column.max(initial=-1)) + 1 == self.count for column in self._places[:, :2].T)

    def seen_in(self, language: str, among: "Mask | None" = None) -> "Mask | None":
        """Which passages a query of this language is answered from, shape (count,); None where that is all.

        Of a work and its translations (`translation_of` in the metadata) only the one in the language of the query is;
        with `among`, of those passages.
        """
        if among is not None:
            return self._seen_in(language, among)
        if language not in self._seen:
            seen = self._seen_in(language, True)
            self._seen[language] = None if seen.all() else seen
        return self._seen[language]

    def _seen_in(self, language: str, among: "Mask | bool") -> "Mask":
        import numpy as np

        _, works, languages = self._places.T
        known = self.manifest["languages"]
        same = among & (languages == (known.index(language) if language in known else -1))
        seen: Mask = among & (same | ~np.isin(works, works[same]))
        return seen

    @cached_property
    def facets(self) -> Facets:
        """Which passages have which metadata; all passages are read for it."""
        return Facets(self.passages())

    @cached_property
    def vectors(self) -> vectors.Vectors:
        """The FAISS index; IndexCorrupt where it does not belong to the passages."""
        index = vectors.read(self._generation.mapped(_INDEX))
        if (index.count, index.dimension) != (self.count, self.manifest["encoder"]["dimension"]):
            raise self._mixed(f"{index.count} vectors of {index.dimension} numbers")
        index.search_widely(int(self._search["width"]))
        return index

    @property
    def _search(self) -> Mapping[str, Any]:
        return self.manifest.get("search") or {"width": 0, "refine": False}

    def nearest(self, queries: "Floats", k: int, among: "Mask | None" = None) -> "Nearest":
        """The k nearest passages of each query; with `among`, shape (count,), of those, and then never fewer than k.

        Where the FAISS index cannot choose well enough among them, the exact vectors are compared one by one.
        """
        found = self._found(queries, k, among)
        if among is None or not (found.positions[:, : int(among.sum())] < 0).any():
            return found
        return vectors.compared(self._exact, queries, k, among, far_is_large=self.manifest["metric"] == "l2")

    def _found(self, queries: "Floats", k: int, among: "Mask | None") -> "Nearest":
        """What the FAISS index finds; where its scores are coarse, more, of which the best by exact scores are kept."""
        if not self._search["refine"]:
            return self.vectors.nearest(queries, k, among)
        found = self.vectors.nearest(queries, depth(k), among)
        return vectors.rescored(self._exact.__getitem__, queries, found, k, far_is_large=self.vectors.far_is_large)

    def sample_scores(self, query: "Floats") -> "Floats":
        """The scores of some vectors, evenly taken (of all where there are few): what this query's scores are like."""
        if self.manifest["metric"] == "l2":
            return -((self._sample - query) ** 2).sum(axis=1)  # type: ignore[no-any-return]
        return self._sample @ query

    @property
    def has_words(self) -> bool:
        """Whether there is a lexical side."""
        return has_words(self.manifest)

    @cached_property
    def lexical(self) -> lexical.Lexical:
        """The lexical side; IndexCorrupt where it does not belong to the passages."""
        arrays = {name: self._array(_lexical_file(name)) for name in _LEXICAL}
        vocabulary, glossary = (json.loads(self._generation.read(file)) for file in (_VOCABULARY, _GLOSSARY))
        return lexical.Lexical(arrays, vocabulary, self.count, glossary)

    def some_vectors(self, most: int) -> "Floats":
        """Up to `most` vectors of the index, evenly taken."""
        return self._sample[:: max(len(self._sample) // most, 1)][:most]

    def known(self) -> Known:
        """The exact vector of every encoded text, for the next build."""
        return Known(self._array(_TEXTS), self._exact)

    @cached_property
    def _exact(self) -> "Floats":
        """The vectors as they were given; they stay on disk unless the FAISS index is what holds them."""
        rows = self._mapped(_EXACT) if _EXACT in self._generation else self.vectors.rows()
        if len(rows) != self.count:
            raise self._mixed(f"{len(rows)} exact vectors")
        return rows

    @cached_property
    def _sample(self) -> "Floats":
        return self._array(_SAMPLE) if _SAMPLE in self._generation else self.vectors.rows()

    @cached_property
    def _places(self) -> "Array":
        places = self._array(_PLACES)
        if places.shape != (self.count, 3):
            raise self._mixed(f"{len(places)} places of passages")
        return places

    @cached_property
    def _offsets(self) -> "Array":
        offsets = self._array(OFFSETS)
        if len(offsets) != self.count + 1:
            raise self._mixed(f"{len(offsets) - 1} beginnings of passages")
        return offsets

    def _array(self, file: str) -> "Array":
        import numpy as np

        loaded: Array = np.load(io.BytesIO(self._generation.read(file)), allow_pickle=False)
        return loaded

    def _mapped(self, file: str) -> "Array":
        import numpy as np

        content = self._generation.mapped(file)
        header = io.BytesIO(content[:4096])
        np.lib.format.read_magic(header)
        shape, _, dtype = np.lib.format.read_array_header_1_0(header)
        return np.frombuffer(content, dtype, offset=header.tell()).reshape(shape)

    def _mixed(self, found: str) -> IndexCorrupt:
        return IndexCorrupt(
            f"the index {self.name!r} mixes two builds: {found}, but {self.count} passages; "
            f"build it again with: dsp index build {self.name}"
        )


def has_words(manifest: Mapping[str, Any]) -> bool:
    """Whether a generation has a lexical side: a recipe whose mode is `dense` makes none."""
    return _VOCABULARY in manifest["files"]


def text_hash(text: str) -> bytes:
    """Sixteen bytes that tell an encoded text from others."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def write_passages(draft: Draft, passages: Iterable[Passage]) -> list[str]:
    """Write passages, where each begins, and which document, work and language each is of; the languages, in order."""
    import numpy as np

    offsets, places = array("q", [0]), array("i")
    documents: dict[str, int] = {}
    works: dict[str, int] = {}
    languages: dict[str, int] = {}
    with draft.file(PASSAGES) as file:
        for passage in passages:
            file.write(json.dumps(passage_json(passage), ensure_ascii=False).encode("utf-8", "replace") + b"\n")
            offsets.append(file.size)
            document = passage.id.rpartition("#")[0] or passage.id
            named = (document, documents), (str(passage.metadata.get("translation_of") or document), works)
            places.extend(
                numbers.setdefault(name, len(numbers)) for name, numbers in (*named, (passage.lang, languages))
            )
    _write_array(draft, OFFSETS, np.array(offsets, np.int64))
    _write_array(draft, _PLACES, np.array(places, np.int32).reshape(-1, 3))
    return list(languages)


def write_vectors(draft: Draft, rows: Rows, hashes: "Array", factory: str, metric: str) -> vectors.Vectors:
    """Build the FAISS index over the rows and write it, and what a later build needs to take them over."""
    index = vectors.grow(rows.pieces, rows.some, factory, metric)
    with draft.file(_INDEX) as file:
        index.write(file)
    if not vectors.is_exact(factory):
        _write_rows(draft, _EXACT, rows)
    if rows.count > _SAMPLED or not vectors.is_exact(factory):
        _write_array(draft, _SAMPLE, rows.some(_SAMPLED))
    _write_array(draft, _TEXTS, hashes)
    return index


def write_lexical(draft: Draft, texts: Iterable[str], glossary: Mapping[str, str]) -> None:
    """Build the lexical side over the texts and write it, and the glossary with it."""
    side = lexical.build(texts)
    for name in _LEXICAL:
        _write_array(draft, _lexical_file(name), side.arrays[name])
    with draft.file(_VOCABULARY) as file:
        file.write(json.dumps(dict(side.vocabulary), ensure_ascii=False).encode())
    with draft.file(_GLOSSARY) as file:
        file.write(json.dumps(dict(glossary), ensure_ascii=False).encode())


def _lexical_file(name: str) -> str:
    return f"lexical.{name}.npy"


def _write_array(draft: Draft, name: str, array: "Array") -> None:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    with draft.file(name) as file:
        file.write(buffer.getvalue())


def _write_rows(draft: Draft, name: str, rows: Rows) -> None:
    """The rows as one array, written piece by piece."""
    import numpy as np

    header = io.BytesIO()
    about = {"descr": "<f4", "fortran_order": False, "shape": (rows.count, rows.dimension)}
    np.lib.format.write_array_header_1_0(header, about)
    with draft.file(name) as file:
        file.write(header.getvalue())
        for piece in rows.pieces:
            file.write(piece.tobytes())
