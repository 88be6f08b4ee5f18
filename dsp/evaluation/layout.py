"""What a `benchmark.toml` says, read key by key."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dsp.errors import UsageError
from dsp.evaluation.metrics import find_metric
from dsp.evaluation.pool import PoolColumns
from dsp.evaluation.questions import Columns, Keep
from dsp.index.recipe import Columns as DocumentColumns
from dsp.index.recipe import Source
from dsp.rows import Row, dataset_rows, read_rows
from dsp.tables import Table, read_table

SPLITS = ("train", "dev", "test")
LANGUAGES = ("en", "zh", "auto")


@dataclass(frozen=True, kw_only=True)
class RowSource:
    """Rows of a file beside the benchmark, or of a data set of the hub at a pinned revision."""

    path: str
    config: str = ""
    split: str = "train"
    revision: str = ""
    data_files: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """How errors call it."""
        return f"{self.path}, split {self.split}" if self.is_dataset else self.path

    @property
    def is_dataset(self) -> bool:
        """Whether it is on the hub, or in a local folder that `datasets` can load."""
        return self.path.startswith("hf:")

    def rows(self, folder: Path) -> Iterator[Row]:
        """The rows; the path of a file starts from `folder`."""
        if not self.is_dataset:
            return read_rows(folder / self.path)
        name = self.path.removeprefix("hf:")
        return dataset_rows(name, self.config, self.split, self.revision, self.data_files)


@dataclass(frozen=True, kw_only=True)
class Judgements:
    """A table of its own that says which passages are relevant for which question, and how much."""

    splits: Mapping[str, RowSource]
    question: str
    passage: str
    grade: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A benchmark as its owner describes it.

    The questions are asked over a named index, over the pool of passages that come with them, or over a corpus of
    the set's own. `passages` counts those of the index, so that its size can be told before it is built.
    """

    folder: Path
    description: str
    language: str
    metrics: tuple[str, ...]
    splits: Mapping[str, RowSource]
    columns: Columns
    keep: Keep
    index: str = ""
    passages: int = 0
    pool: PoolColumns | None = None
    corpus: Source | None = None
    judgements: Judgements | None = None


def read_layout(file: Path) -> Layout:
    """The layout in a TOML file; UsageError, naming the key, for whatever cannot be meant."""
    table = read_table(file)
    metrics = table.texts("metrics")
    if not metrics:
        raise UsageError(f'{file}: metrics is missing or empty; write metrics = ["exact_match", "f1"]')
    for name in metrics:
        find_metric(name)
    layout = Layout(
        folder=file.parent.absolute(),
        description=table.text("description"),
        language=table.text("language", "auto", LANGUAGES),
        metrics=metrics,
        splits=_splits(table, "splits"),
        columns=_columns(table.table("questions")),
        keep=_keep(table.table("keep")),
        index=table.text("index", ""),
        passages=table.whole("passages", 0, 0, 10**10),
        pool=_pool(table.table("pool")) if table.has("pool") else None,
        corpus=_corpus(table.table("corpus")) if table.has("corpus") else None,
        judgements=_judgements(table.table("judgements")) if table.has("judgements") else None,
    )
    table.finish()
    if (bool(layout.index), layout.pool is not None, layout.corpus is not None).count(True) != 1:
        raise UsageError(f"{file}: give exactly one of index, [pool] and [corpus], what the questions are asked over")
    if not layout.columns.answers and layout.judgements is None and not layout.columns.gold:
        raise UsageError(f"{file}: the questions have neither answers nor gold passages, so nothing can be scored")
    return layout


def _splits(table: Table, key: str) -> dict[str, RowSource]:
    part = table.table(key)
    found = {}
    for name in part.names():
        if name not in SPLITS:
            raise part.wrong(name, f"one of the splits {', '.join(SPLITS)}", name)
        found[name] = _row_source(part.table(name))
    if not found:
        raise UsageError(f"{table.where}: {key} is missing or empty; give at least one of {', '.join(SPLITS)}")
    return found


def _row_source(table: Table) -> RowSource:
    source = RowSource(
        path=table.text("source"),
        config=table.text("config", ""),
        split=table.text("split", "train"),
        revision=table.text("revision", ""),
        data_files=table.texts("data_files"),
    )
    table.finish()
    _pinned(table, source.path, source.revision)
    return source


def _pinned(table: Table, path: str, revision: str) -> None:
    if path.startswith("hf:") and not Path(path.removeprefix("hf:")).is_absolute() and len(revision) != 40:
        raise table.wrong("revision", "the 40 hex digits of a commit, so that the data cannot change", revision)


def _columns(table: Table) -> Columns:
    known = Columns()
    columns = Columns(
        question=table.text("question", known.question),
        answers=table.texts("answers") if table.has("answers") else known.answers,
        id=table.texts("id"),
        gold=table.text("gold", ""),
        facts=table.text("facts", ""),
        type=table.text("type", ""),
        history=table.text("history", ""),
        conversation=table.text("conversation", ""),
        turn=table.text("turn", ""),
        opening=table.text("opening", ""),
    )
    table.finish()
    if columns.opening and not columns.turn:
        raise UsageError(f"{table.where}: questions.opening needs questions.turn, which tells the first turn")
    return columns


def _keep(table: Table) -> Keep:
    keep = Keep(
        answered=_flag(table, "answered"),
        duplicates=_flag(table, "duplicates"),
        without=table.texts("without"),
        turns=table.whole("turns", 0, 0, 1000),
    )
    table.finish()
    return keep


def _flag(table: Table, key: str) -> bool:
    return table.text(key, "no", ("yes", "no")) == "yes"


def _pool(table: Table) -> PoolColumns:
    pool = PoolColumns(
        each=table.text("each", ""),
        title=table.text("title", ""),
        text=table.text("text", "text"),
        supporting=table.text("supporting", ""),
        gold_titles=table.text("gold_titles", ""),
    )
    table.finish()
    return pool


def _corpus(table: Table) -> Source:
    columns = table.table("columns")
    source = Source(
        path=table.text("source"),
        columns=DocumentColumns(
            text=columns.text("text", ""), id=columns.text("id", ""), title=columns.text("title", "")
        ),
        config=table.text("config", ""),
        split=table.text("split", "train"),
        revision=table.text("revision", ""),
        data_files=table.texts("data_files"),
    )
    columns.finish()
    table.finish()
    _pinned(table, source.path, source.revision)
    return source


def _judgements(table: Table) -> Judgements:
    judgements = Judgements(
        splits=_splits(table, "splits"),
        question=table.text("question"),
        passage=table.text("passage"),
        grade=table.text("grade"),
    )
    table.finish()
    return judgements
