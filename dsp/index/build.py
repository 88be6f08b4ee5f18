"""Builds an index: a corpus becomes a new generation, published whole; unchanged passages keep their vectors."""

import hashlib
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dsp.errors import IndexCorrupt
from dsp.index.built import Built, has_words, text_hash, write_lexical, write_passages, write_vectors
from dsp.index.corpus import Failure, Report, corpus_state, read_corpus
from dsp.index.encoder import Encoder, connect_encoder
from dsp.index.generation import SCHEMA, open_generation
from dsp.index.glossary import read_glossary
from dsp.index.indexed import encoded_text, lexical_text
from dsp.index.passage_file import passages_at, stored_passages
from dsp.index.presets import factory_of
from dsp.index.recall import QUERIES, tuned
from dsp.index.recipe import Recipe
from dsp.index.shards import Known, Wanted, make_rows, remove_shards
from dsp.index.storage import Draft, drafted, index_folder, locked
from dsp.index.stored import recipe_json
from dsp.index.vectors import is_exact
from dsp.types import Passage

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# What is being done, how much of it is done, and how much there is (0 where that is not known).
Progress: TypeAlias = Callable[[str, int, int], None]
# Raised when terms or indexed texts change: older generations are rebuilt, vectors of unchanged texts are taken over.
_ANALYSIS = 6
_QUERY = 80


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """What a build came to; `encoded` vectors were computed, the others taken over from the generation before.

    `changed` is False where the generation in force was current already and nothing was done.
    """

    name: str
    generation: str
    documents: int
    passages: int
    encoded: int
    changed: bool
    report: Report


def silent(what: str, done: int, total: int) -> None:
    """A progress that nobody watches."""


def build_index(
    recipe: Recipe, *, home: Path, name: str | None = None, progress: Progress | None = None, again: bool = False
) -> BuildResult:
    """Build the index of a recipe and put it in force; leave it where nothing changed, unless `again`.

    Failed documents are left out, stand in the report, and are tried again by the next build.
    Raises UsageError where there is no text at all, Busy, StorageError; until the end the index in force stays.
    """
    name = name or recipe.name
    folder = index_folder(home, name)
    with locked(folder):
        before = _before(folder)
        if before is not None and not again and _is_current(before.manifest, recipe, home):
            return _unchanged(before)
        known = _known(before, recipe, home)
        del before  # a generation that is open would be kept
        with drafted(folder) as draft:
            return _build(recipe, name, home, draft, known, progress or silent)


def is_fresh(manifest: Mapping[str, Any], recipe: Recipe, home: Path) -> bool:
    """Whether a generation holds the documents of this recipe as they are now, read and encoded as it says."""
    if (manifest["schema"], manifest.get("analysis")) != (SCHEMA, _ANALYSIS):
        return False
    encoder = connect_encoder(recipe.encoder, home=home, metric=recipe.metric)
    return bool(
        manifest["fingerprint"] == recipe.fingerprint
        and (has_words(manifest) or not recipe.has_words)
        and manifest["encoder"]["fingerprint"] == encoder.fingerprint
        and manifest["glossary"] == _hash(_glossary(recipe))
        and manifest["corpus"] == corpus_state(recipe)
    )


def _is_current(manifest: Mapping[str, Any], recipe: Recipe, home: Path) -> bool:
    same = manifest["recipe"] == recipe_json(recipe) and not manifest["failed"]
    return same and is_fresh(manifest, recipe, home)


def _before(folder: Path) -> Built | None:
    """The index in force; None where there is none or it is damaged, for then nothing of it is used."""
    try:
        generation = open_generation(folder)
    except IndexCorrupt:
        return None
    return Built(generation) if generation else None


def _build(recipe: Recipe, name: str, home: Path, draft: Draft, known: Known | None, progress: Progress) -> BuildResult:
    import numpy as np

    report, state, glossary = Report(), corpus_state(recipe), _glossary(recipe)
    hashes, sizes = bytearray(), array("i")
    languages = write_passages(draft, _kept(read_corpus(recipe, report), hashes, sizes, progress))
    wanted = Wanted(np.frombuffer(bytes(hashes), np.uint8).reshape(-1, 16), known)
    needed = int(np.asarray(sizes)[wanted.missing].sum(dtype=np.int64))
    encoder = connect_encoder(recipe.encoder, home=home, metric=recipe.metric, bytes_to_encode=needed)
    folder = index_folder(home, name)
    rows = make_rows(wanted, lambda p: _texts(draft, p), encoder, recipe.metric, folder, progress)
    progress("writing the index", 0, 0)
    factory = factory_of(recipe, rows.count, rows.dimension)
    index = write_vectors(draft, rows, wanted.hashes, factory, recipe.metric)
    search = None if is_exact(factory) else tuned(index, rows, _asked(draft, rows.count, encoder), factory)
    del index
    if recipe.has_words:
        write_lexical(draft, map(lexical_text, stored_passages(draft)), glossary)
    about = {
        **_about(recipe, report),
        "corpus": state,
        "factory": factory,
        "search": search,
        "glossary": _hash(glossary),
        "encoder": {"name": encoder.name, "fingerprint": encoder.fingerprint, "dimension": rows.dimension},
        "passages": rows.count,
        "languages": languages,
    }
    generation = draft.publish(about)
    remove_shards(folder)
    return BuildResult(
        name=name,
        generation=generation,
        documents=report.documents,
        passages=rows.count,
        encoded=wanted.count,
        changed=True,
        report=report,
    )


def _about(recipe: Recipe, report: Report) -> dict[str, Any]:
    """What a manifest says of the recipe, of what was read, and of who built it."""
    from importlib import metadata

    return {
        "schema": SCHEMA,
        "analysis": _ANALYSIS,
        "built": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "recipe": recipe_json(recipe),
        "fingerprint": recipe.fingerprint,
        "metric": recipe.metric,
        "documents": report.documents,
        "failed": report.failed,
        "failures": [asdict(failure) for failure in report.failures],
        "versions": {package: metadata.version(package) for package in ("dsp-qa", "faiss-cpu", "bm25s", "numpy")},
    }


def _glossary(recipe: Recipe) -> dict[str, str]:
    return read_glossary(recipe.folder / recipe.glossary) if recipe.glossary else {}


def _hash(glossary: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(glossary.items())).encode()).hexdigest()[:16]


def _kept(passages: Iterator[Passage], hashes: bytearray, sizes: "array[int]", progress: Progress) -> Iterator[Passage]:
    """The passages as they come; of what is encoded of each, the hash and the number of bytes are put aside."""
    for number, passage in enumerate(passages, start=1):
        text = encoded_text(passage)
        hashes += text_hash(text)
        sizes.append(len(text.encode("utf-8", "replace")))
        if number % 100 == 0:
            progress("reading the documents", number, 0)
        yield passage


def _texts(draft: Draft, positions: "NDArray[numpy.int64]") -> list[str]:
    """What the encoder is given of the passages at these positions."""
    return [encoded_text(passage) for passage in passages_at(draft, positions)]


def _asked(draft: Draft, count: int, encoder: Encoder) -> "NDArray[numpy.float32]":
    """Queries to measure an index with: the beginnings of some of its passages, evenly taken."""
    import numpy as np

    positions = np.unique(np.linspace(0, count - 1, min(count, QUERIES)).astype(np.int64))
    return encoder.encode_queries([passage.text[:_QUERY] for passage in passages_at(draft, positions)])


def _known(before: Built | None, recipe: Recipe, home: Path) -> Known | None:
    """The vectors of the generation before, where the same encoder made them."""
    if before is None or before.manifest["schema"] != SCHEMA or before.manifest["metric"] != recipe.metric:
        return None
    encoder = connect_encoder(recipe.encoder, home=home, metric=recipe.metric)
    same = before.manifest["encoder"]["fingerprint"] == encoder.fingerprint
    return before.known() if same else None


def _unchanged(before: Built) -> BuildResult:
    manifest = before.manifest
    report = Report(
        documents=manifest["documents"],
        passages=manifest["passages"],
        failures=[Failure(**failure) for failure in manifest["failures"]],
    )
    return BuildResult(
        name=before.name,
        generation=before.generation,
        documents=report.documents,
        passages=report.passages,
        encoded=0,
        changed=False,
        report=report,
    )
