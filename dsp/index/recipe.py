"""Recipes: what an index is made of and how it is searched, as data in a TOML file."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from dsp.errors import UsageError
from dsp.tables import Table, read_table
from dsp.types import JSON

FORMATS = ("markdown", "text", "html", "pdf", "jsonl", "csv", "parquet")
PRESETS = ("auto", "flat", "hnsw", "sq8", "pq")
METRICS = ("cosine", "inner_product", "l2")
MODES = ("dense", "lexical", "hybrid")
LANGUAGES = ("auto", "en", "zh")
LARGE = 1_000_000
"""Passages from which on an index is built only when somebody asks for that."""
# Raised when reading or cutting changes, so that built indexes are known to be of an older kind.
READING = 2

_NO_METADATA: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where a row keeps what: dotted names (`passage.body`); `metadata` maps our name to theirs.

    Without `text` it is the column `text`, or else all columns as lines; without `title` it is `title` if there is one.
    """

    text: str = ""
    id: str = ""
    title: str = ""
    language: str = ""
    metadata: Mapping[str, str] = field(default_factory=lambda: _NO_METADATA, hash=False)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Documents to read: a file, a folder or a glob relative to the recipe, or `hf:` and a data set.

    `format` is empty where the suffix of each file decides; `root`, where not None, is the folder that
    relative paths start from in place of the recipe's own, and `label` goes before the names of its documents.
    """

    path: str
    format: str = ""
    columns: Columns = Columns()
    config: str = ""
    split: str = "train"
    revision: str = ""
    data_files: tuple[str, ...] = ()
    root: Path | None = None
    label: str = ""

    @property
    def dataset(self) -> str:
        """The name of the data set after `hf:`; empty for files."""
        return self.path.removeprefix("hf:") if self.path.startswith("hf:") else ""

    def described(self) -> dict[str, JSON]:
        """All of it as JSON, but for `root`, which says where on this machine the files lie."""
        columns: dict[str, JSON] = {name: getattr(self.columns, name) for name in ("text", "id", "title", "language")}
        return {
            "path": self.path,
            "format": self.format,
            "columns": {**columns, "metadata": dict(self.columns.metadata)},
            "dataset": [self.config, self.split, self.revision, list(self.data_files)],
            "label": self.label,
        }


@dataclass(frozen=True, kw_only=True)
class EncoderChoice:
    """Which encoder, and what it wants before each text; None leaves the prefix to the encoder."""

    name: str = "embedded"
    query_prefix: str | None = None
    passage_prefix: str | None = None


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A PDF that is fetched only when the user asks for it."""

    name: str
    url: str
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An index as its owner describes it. `words` and `overlap` count words (1.6 Chinese characters are one).

    A `factory` other than Flat goes before the `preset`; `memory` are the megabytes that `auto` lets the vectors take.
    `glossary` names a file of terms and words for them, relative to the recipe; empty where there is none.
    `expected` and `expected_bytes` state how many passages and bytes of text there will be, 0 where nobody knows.
    """

    name: str
    folder: Path
    sources: tuple[Source, ...]
    description: str = ""
    language: str = "auto"
    words: int = 110
    overlap: int = 15
    encoder: EncoderChoice = EncoderChoice()
    factory: str = "Flat"
    preset: str = "auto"
    memory: int = 512
    metric: str = "cosine"
    mode: str = "hybrid"
    dense_weight: float = 1.0
    lexical_weight: float = 1.0
    papers: tuple[Paper, ...] = ()
    glossary: str = ""
    licence: str = ""
    expected: int = 0
    expected_bytes: int = 0

    @property
    def has_words(self) -> bool:
        """Whether its index has a lexical side; one that is searched by vectors alone needs none."""
        return self.mode != "dense"

    @property
    def is_large(self) -> bool:
        """Whether it states so many passages that nobody should be surprised by a build."""
        return self.expected >= LARGE

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits of everything that a built index depends on, whatever the file's layout.

        The folder, what is said of the corpus (description, licence, size) and how the index is searched (mode,
        weights) are left out; whether the documents themselves changed is `corpus.corpus_state`.
        """
        sources = [source.described() for source in self.sources]
        fetched = any(source.label for source in self.sources)
        papers = [[paper.name, paper.title] for paper in self.papers if fetched]
        encoder = [self.encoder.name, self.encoder.query_prefix, self.encoder.passage_prefix]
        built = [READING, sources, papers, self.language, self.words, self.overlap, encoder, self.factory, self.metric]
        if (self.preset, self.memory) != (Recipe.preset, Recipe.memory):
            built += [self.preset, self.memory]
        text = json.dumps(built, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def with_papers(self, folder: Path) -> "Recipe":
        """The recipe that also reads those of its papers that `fetch.fetch_papers` has put into `folder`."""
        names = [f"{paper.name}.pdf" for paper in self.papers if (folder / f"{paper.name}.pdf").is_file()]
        more = tuple(Source(path=name, format="pdf", root=folder, label="fetched") for name in names)
        return replace(self, sources=self.sources + more)


def load_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file, or in `index.toml` of a folder."""
    file = path / "index.toml" if path.is_dir() else path
    table = read_table(file)
    folder = file.parent.absolute()
    recipe = _recipe(table, folder, folder.name if file.name == "index.toml" else file.stem)
    table.finish()
    return recipe


def open_recipe(path: Path) -> Recipe:
    """The recipe that a path means: a TOML file, a folder with `index.toml` in it, `hf:` and a data set, else the
    user's documents.
    """
    if str(path).startswith("hf:"):
        name = str(path).removeprefix("hf:")
        return Recipe(name=index_name(name), folder=Path.cwd(), sources=(Source(path=f"hf:{name}"),))
    if path.suffix == ".toml" or (path / "index.toml").is_file():
        return load_recipe(path)
    return recipe_for_path(path)


def recipe_for_path(path: Path) -> Recipe:
    """A recipe with the defaults for a user's own folder or file."""
    place = path.expanduser().absolute()
    if place.is_dir():
        source = Source(path=".")
        return Recipe(name=index_name(place.name), folder=place, sources=(source,))
    if place.is_file():
        return Recipe(name=index_name(place.stem), folder=place.parent, sources=(Source(path=place.name),))
    raise UsageError(f"there is no file or folder {path}; give the path of a recipe, a folder or a document")


def index_name(text: str) -> str:
    """A name for an index made from any text: lower case, at most 64 of `a-z 0-9 . _ -`."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.casefold()).strip("-._")[:64] or "index"


def _recipe(table: Table, folder: Path, name: str) -> Recipe:
    passages, search, faiss = table.table("passages"), table.table("search"), table.table("faiss")
    weights, size = search.table("weights"), table.table("size")
    words = passages.whole("words", 110, 10, 2000)
    recipe = Recipe(
        name=index_name(name),
        folder=folder,
        description=table.text("description", ""),
        language=table.text("language", "auto", LANGUAGES),
        sources=tuple(_source(table, item) for item in table.items("sources")),
        words=words,
        overlap=passages.whole("overlap", 15, 0, words // 2),
        encoder=_encoder(table.table("encoder")),
        factory=faiss.text("factory", "Flat"),
        preset=faiss.text("preset", "flat" if faiss.text("factory", "") == "Flat" else "auto", PRESETS),
        memory=faiss.whole("memory", 512, 1, 10**6),
        metric=faiss.text("metric", "cosine", METRICS),
        mode=search.text("mode", "hybrid", MODES),
        dense_weight=weights.number("dense", 1.0, 0.0, 1000.0),
        lexical_weight=weights.number("lexical", 1.0, 0.0, 1000.0),
        papers=tuple(_paper(table, item) for item in table.items("papers")),
        glossary=table.text("glossary", ""),
        licence=table.text("licence", ""),
        expected=size.whole("passages", 0, 0, 10**10),
        expected_bytes=size.whole("bytes", 0, 0, 10**13),
    )
    for part in (passages, search, faiss, weights, size):
        part.finish()
    if faiss.has("preset") and faiss.has("factory"):
        raise UsageError(f"{table.where}: faiss.preset and faiss.factory exclude each other; leave one out")
    names = [paper.name for paper in recipe.papers]
    if len(set(names)) < len(names):
        raise UsageError(f"{table.where}: two papers have the same name; found {', '.join(names)}")
    if recipe.dense_weight == recipe.lexical_weight == 0:
        raise UsageError(f"{table.where}: search.weights must not all be 0")
    if not recipe.sources:
        raise UsageError(f'{table.where}: sources is missing or empty; write sources = ["folder-of-documents"]')
    return recipe


def _source(table: Table, item: object) -> Source:
    if isinstance(item, str):
        return Source(path=item)
    part = table.inside("sources", item)
    source = Source(
        path=part.text("path"),
        format=part.text("format", "", ("", *FORMATS)),
        columns=_columns(part.table("columns")),
        config=part.text("config", ""),
        split=part.text("split", "train"),
        revision=part.text("revision", ""),
        data_files=part.texts("data_files"),
    )
    part.finish()
    return source


def _columns(table: Table) -> Columns:
    metadata = table.table("metadata")
    columns = Columns(
        text=table.text("text", ""),
        id=table.text("id", ""),
        title=table.text("title", ""),
        language=table.text("language", ""),
        metadata={name: metadata.text(name) for name in metadata.names()},
    )
    table.finish()
    return columns


def _encoder(table: Table) -> EncoderChoice:
    choice = EncoderChoice(
        name=table.text("name", "embedded"),
        query_prefix=table.text("query_prefix", "") if table.has("query_prefix") else None,
        passage_prefix=table.text("passage_prefix", "") if table.has("passage_prefix") else None,
    )
    table.finish()
    return choice


def _paper(table: Table, item: object) -> Paper:
    part = table.inside("papers", item)
    paper = Paper(name=part.text("name"), url=part.text("url"), title=part.text("title", ""))
    part.finish()
    if paper.name != index_name(paper.name):
        raise part.wrong("name", "made of a-z 0-9 . _ - only, for it becomes a file name", paper.name)
    return paper
