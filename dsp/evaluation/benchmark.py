"""A benchmark: where its questions come from, what they are asked over, and how answers are scored."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsp.catalog import is_bare, names, shelf
from dsp.errors import UnknownName, UsageError
from dsp.evaluation.layout import Layout, read_layout
from dsp.evaluation.pool import Pooled, passages_of, write_pool
from dsp.evaluation.questions import PLAIN, Columns, Keep, choose, read_questions, texts
from dsp.index.recipe import Columns as DocumentColumns
from dsp.index.recipe import Recipe, Source, index_name
from dsp.rows import Row, column, read_rows
from dsp.types import Example, Passage

_FILE = "benchmark.toml"
_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
_ASKED = ("test", "dev")


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark as its `benchmark.toml` lays it out."""

    name: str
    layout: Layout

    @property
    def default_split(self) -> str:
        """The split that is asked where none is named: test, or else dev."""
        return next(split for split in (*_ASKED, "train") if split in self.layout.splits)

    def questions(
        self, split: str = "", *, data: Path | None = None, n: int | None = None, seed: int = 0
    ) -> list[Example]:
        """The questions of a split, or n of them drawn by seed, in the order of the set.

        Each has `id`, `question`, and what the set offers of `answers`, `gold` (ids of supporting passages), `facts`,
        `type` and `history`. `data` is a folder with a file for each split (`dev.jsonl`), or one file of questions, in
        place of the set's own source; its columns are the set's own or `id`, `question`, `answers`, `gold_ids`.
        """
        where, rows = self._rows(split, data)
        name = f"{self.name}-{split or self.default_split}"
        if data is None:
            found = self._read(rows, where, name, split or self.default_split)
        else:
            held = list(rows)
            columns = _fitting((self.layout.columns, *PLAIN), held, where)
            if columns == self.layout.columns:
                found = self._read(held, where, name, split or self.default_split)
            else:
                found = read_questions(held, columns, Keep(duplicates=self.layout.keep.duplicates), where, name)
        return found if n is None else choose(found, n, seed)

    def corpus(self, split: str = "", *, data: Path | None = None) -> Iterator[Pooled]:
        """The passages that come with the questions of a split, those of several questions more than once.

        Raises UsageError where the questions bring none.
        """
        pool = self.layout.pool
        if pool is None:
            over = f"the index {self.layout.index}" if self.layout.index else "a corpus of its own"
            raise UsageError(f"the questions of {self.name} bring no passages; they are asked over {over}")
        where, rows = self._rows(split, data)
        for row in rows:
            yield from passages_of(row, pool, where)[0]

    def recipe(self, folder: Path, split: str = "", *, data: Path | None = None) -> Recipe | None:
        """The recipe of what belongs to the questions; None where they are asked over a named index.

        A `corpus.jsonl` beside the questions in `data` is taken as it is; a pool is written to `folder`.
        """
        name = index_name(f"{self.name}-{split or self.default_split}")
        if data is not None and data.is_dir() and (data / "corpus.jsonl").is_file():
            return _passage_recipe(index_name(f"{data.absolute().name}-corpus"), data)
        if self.layout.pool is not None:
            write_pool(self.corpus(split, data=data), folder / "corpus.jsonl")
            return _passage_recipe(name, folder)
        if self.layout.corpus is not None:
            own = index_name(f"{self.name}-corpus")
            return Recipe(name=own, folder=self.layout.folder, sources=(self.layout.corpus,), language=self._language)
        return None

    @property
    def _language(self) -> str:
        return self.layout.language

    def _read(self, rows: Iterable[Row], where: str, name: str, split: str) -> list[Example]:
        layout = self.layout

        def gold(row: Row) -> Mapping[str, Any]:
            return {"gold": passages_of(row, layout.pool, where)[1]} if layout.pool is not None else {}

        judged = self._judgements(split)
        found = read_questions(rows, layout.columns, layout.keep, where, name, gold)
        if judged is None:
            return found
        kept = [question.but(gold=judged[question.id]) for question in found if question.id in judged]
        if not kept:
            raise UsageError(f"{where}: no question has a judgement in the split {split}; do the ids agree?")
        return kept

    def _judgements(self, split: str) -> Mapping[str, Mapping[str, int]] | None:
        """For each question the graded ids of passages, where the set has a table of judgements."""
        judgements = self.layout.judgements
        if judgements is None:
            return None
        if split not in judgements.splits:
            there = ", ".join(judgements.splits)
            raise UsageError(f"{self.name} has no judgements for the split {split!r}; there are: {there}")
        source = judgements.splits[split]
        graded: dict[str, dict[str, int]] = {}
        for row in source.rows(self.layout.folder):
            try:
                question, passage = (texts(column(row.values, c))[0] for c in (judgements.question, judgements.passage))
                graded.setdefault(question, {})[passage] = round(float(column(row.values, judgements.grade)))
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise UsageError(f"{source.where}, row {row.number}: no judgement can be read: {error}") from None
        return graded

    def _rows(self, split: str, data: Path | None) -> tuple[str, Iterator[Row]]:
        """Where the rows of a split come from, for errors, and the rows."""
        if data is not None:
            path = _split_file(data, split)
            return str(path), read_rows(path)
        name = split or self.default_split
        if name not in self.layout.splits:
            raise UsageError(f"{self.name} has no split {name!r}; there are: {', '.join(self.layout.splits)}")
        source = self.layout.splits[name]
        return source.where, source.rows(self.layout.folder)


def load_benchmark(name: str) -> Benchmark:
    """The benchmark of a bare name, which is shipped, or of a path: a folder with `benchmark.toml`, or such a file."""
    if is_bare(name):
        file = shelf("eval") / name / _FILE
        if not file.is_file():
            raise UnknownName("benchmark", name, names("eval"), f"For one of your own write its path: ./{name}")
        return Benchmark(name=name, layout=read_layout(file))
    path = Path(name).expanduser()
    file = path / _FILE if path.is_dir() else path
    if not file.is_file():
        raise UsageError(f"there is no benchmark {name}; give a folder with {_FILE} in it, or such a file")
    return Benchmark(name=file.absolute().parent.name, layout=read_layout(file))


def document_id(passage: Passage) -> str:
    """What gold ids name: the id of the row that a passage was cut from, or else its document."""
    return str(passage.metadata.get("id") or passage.source or passage.id)


def check_gold(questions: Sequence[Example], documents: Iterable[str]) -> None:
    """UsageError, naming questions and passages, where gold passages are not among the documents of the corpus."""
    there = set(documents)
    missing = {q.id: [name for name in q.get("gold", ()) if name not in there] for q in questions}
    lacking = [(question, found) for question, found in missing.items() if found]
    if lacking:
        shown = "; ".join(f"{question} lacks {', '.join(found[:3])}" for question, found in lacking[:3])
        raise UsageError(
            f"{len(lacking)} of {len(questions)} questions have gold passages that the index does not hold: {shown}. "
            "Ask over the corpus that belongs to these questions, or leave the ranking metrics out"
        )


def _split_file(data: Path, split: str) -> Path:
    if data.is_file():
        return data
    if not data.is_dir():
        raise UsageError(f"there is no file or folder {data}")
    for name in (split,) if split else _ASKED:
        for suffix in _SUFFIXES:
            if (data / f"{name}{suffix}").is_file():
                return data / f"{name}{suffix}"
    there = ", ".join(sorted(path.name for path in data.iterdir() if path.suffix in _SUFFIXES)) or "none"
    raise UsageError(
        f"{data} has no file {split or 'test or dev'} ({', '.join(_SUFFIXES)}); files of rows there: {there}"
    )


def _fitting(candidates: Sequence[Columns], rows: Sequence[Row], where: str) -> Columns:
    """The columns that a file of the user's own has, by its first row."""
    if not rows:
        raise UsageError(f"{where} holds no questions")
    first = rows[0].values
    own = candidates[0]
    if all(_has(first, name) for name in (own.question, *own.answers, *own.id, own.gold, own.facts) if name):
        return own
    for plain in candidates[1:]:
        if _has(first, plain.question) and _has(first, plain.answers[0]):
            optional = {
                n: getattr(plain, n) for n in ("gold", "facts", "type", "history") if _has(first, getattr(plain, n))
            }
            if "gold" in optional or plain == candidates[-1]:
                return Columns(id=tuple(name for name in plain.id if _has(first, name)), **optional)
    wanted = " or ".join(sorted({f"{c.question} and {' and '.join(c.answers)}" for c in candidates}))
    raise UsageError(f"{where}: the columns {wanted} are needed; found {', '.join(map(str, first))}")


def _has(values: Mapping[str, Any], name: str) -> bool:
    try:
        column(values, name)
    except KeyError:
        return False
    return True


def _passage_recipe(name: str, folder: Path) -> Recipe:
    columns = DocumentColumns(id="id", title="title", text="text")
    return Recipe(
        name=name, folder=folder.absolute(), sources=(Source(path="corpus.jsonl", columns=columns),), words=300
    )
