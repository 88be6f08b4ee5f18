"""Whole corpora: mixed documents, broken ones among them, rows, data sets, and what the report says."""

import json
import os
import resource
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from dsp.errors import Partial, UsageError
from dsp.index.corpus import Report, corpus_state, read_corpus
from dsp.index.recipe import Columns, Recipe, Source, load_recipe, recipe_for_path
from dsp.types import Passage
from tests.index.pdfs import pdf

DIGEST = Path(__file__).parents[2] / "indexes" / "digest"


def read(recipe: Recipe) -> tuple[list[Passage], Report]:
    report = Report()
    return list(read_corpus(recipe, report)), report


def rows_recipe(folder: Path, path: str, columns: Columns) -> Recipe:
    return Recipe(name="r", folder=folder, sources=(Source(path=path, columns=columns),))


def mixed(folder: Path) -> Path:
    (folder / "notes.md").write_text("---\nauthor: D. Gregory\n---\n# Castle\n\nIt has five storeys.\n")
    (folder / "plain.txt").write_text("Nine to five.")
    (folder / "page.html").write_text("<title>Page</title><script>no()</script><p>Seen text.")
    (folder / "paper.pdf").write_bytes(pdf("First page.", "Second page."))
    (folder / "broken.pdf").write_bytes(pdf("First page.")[:150])
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    (folder / "faq.csv").write_text("question,reply\nWhen?,At noon.\nToo,many,fields\n")
    (folder / "rows.jsonl").write_text('{"text": "A row.", "title": "T"}\n{"text": 1,\n')
    (folder / "image.png").write_bytes(b"\x89PNG")
    (folder / "empty.md").write_text("")
    (folder / ".hidden.md").write_text("hidden")
    return folder


def test_a_folder_of_mixed_documents_is_read_and_what_failed_is_listed(tmp_path: Path) -> None:
    made, report = read(recipe_for_path(mixed(tmp_path)))
    assert {p.id: p.text for p in made} == {
        "faq.csv:2#1": "question: When?\nreply: At noon.",
        "notes.md#1": "author: D. Gregory",
        "notes.md#2": "It has five storeys.",
        "page.html#1": "Seen text.",
        "paper.pdf#1": "First page.",
        "paper.pdf#2": "Second page.",
        "plain.txt#1": "Nine to five.",
        "rows.jsonl:1#1": "A row.",
    }
    assert [p.page for p in made if p.source == "paper.pdf"] == [1, 2]
    assert [p.metadata.get("author") for p in made if p.source == "notes.md"] == ["D. Gregory"] * 2
    assert (report.documents, report.passages, report.failed, report.empty) == (6, 8, 4, 1)
    assert report.skipped == {".png": 1}
    assert {(f.source, f.line) for f in report.failures} == {
        ("broken.pdf", None),
        ("faq.csv", 3),
        ("latin.txt", None),
        ("rows.jsonl", 2),
    }
    with pytest.raises(Partial) as caught:
        report.raise_if_partial()
    assert caught.value.exit_code == 6
    for part in ("4 documents or lines", "faq.csv, line 3: 3 fields", "latin.txt: not UTF-8: byte 0xe9 in line 1"):
        assert part in str(caught.value)


def test_a_whole_corpus_has_no_partial_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    read(recipe_for_path(tmp_path))[1].raise_if_partial()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there are no documents in"),
        ({"a.png": b"x", "b.zip": b"y"}, "(there are files of other kinds: 1 .png, 1 .zip); dsp reads Markdown"),
        ({"a.md": b"", "b.txt": b" \n"}, "(2 have no text)"),
        ({"a.pdf": b"junk"}, "could be read: a.pdf: a broken PDF"),
        ({"a.jsonl": b"{}\n[]\n"}, "could be read: a.jsonl, line 2: a row must be an object"),
    ],
)
def test_a_corpus_without_any_document_is_an_error(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    for name, raw in files.items():
        (tmp_path / name).write_bytes(raw)
    with pytest.raises(UsageError) as caught:
        read(recipe_for_path(tmp_path))
    assert message in str(caught.value)


def test_columns_of_rows_are_mapped_by_dotted_names(tmp_path: Path) -> None:
    rows = [
        {"_id": 7, "passage": {"body": ["One.", "Two."], "head": "H"}, "meta": {"year": 2022}, "tongue": "zh-TW"},
        {"_id": "x", "passage": {"body": "Three."}, "meta": {"year": None}, "tongue": None},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = Columns(
        text="passage.body", id="_id", title="passage.head", language="tongue", metadata={"year": "meta.year"}
    )
    made, report = read(rows_recipe(tmp_path, "a.jsonl", columns))
    assert made == [
        Passage(
            id="7#1",
            text="One. Two.",
            title="H",
            source="a.jsonl:1",
            start=0,
            end=9,
            lang="zh",
            metadata={"year": 2022, "id": "7"},
        )
    ]
    assert [str(f) for f in report.failures] == ["a.jsonl, line 2: there is no column 'passage.head'. There are: body."]


def test_rows_that_lack_what_the_recipe_names_are_listed_with_their_line(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": "a"}, {"id": 1, "text": "b"}, {"id": None, "text": "c"}, {"id": 2, "txet": "d"}]
    rows += [{"id": 3, "text": {"no": "text"}}, {"id": 4, "text": None}, {"id": 5, "text": True}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made, report = read(rows_recipe(tmp_path, "a.jsonl", Columns(text="text", id="id")))
    assert [p.id for p in made] == ["1#1"]
    assert report.empty == 1
    assert [(f.line, f.reason.partition(";")[0].partition(".")[0]) for f in report.failures] == [
        (None, "the id '1' was used before"),
        (3, "column 'id', which the recipe names for the id, is empty"),
        (4, "there is no column 'text'"),
        (5, "column 'text' must hold a text"),
        (7, "column 'text' must hold a text"),
    ]
    assert report.failures[0].source == "a.jsonl:2"


def test_passages_of_rows_are_exact_spans_of_the_row_s_text(tmp_path: Path) -> None:
    text = "One sentence of several words. " * 40
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": text}) + "\n")
    made, _ = read(rows_recipe(tmp_path, "a.jsonl", Columns()))
    assert len(made) == 2
    assert all(text[p.start : p.end] == p.text for p in made)


def test_a_data_set_in_a_local_folder_is_read_by_column(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    (tmp_path / "set").mkdir()
    table = pyarrow.Table.from_pylist([{"p": {"b": f"Text {n}."}, "n": n} for n in range(3)])
    pyarrow.parquet.write_table(table, tmp_path / "set" / "test-00000-of-00001.parquet")
    columns = Columns(text="p.b", id="n")
    source = Source(path="hf:set", split="test", columns=columns)
    files = Source(path="hf:parquet", data_files=("set/test-00000-of-00001.parquet",), columns=columns)
    for each in (source, files):
        made, report = read(Recipe(name="r", folder=tmp_path, sources=(each,)))
        assert [(p.id, p.source, p.text) for p in made] == [
            (f"{n}#1", f"{each.path}:{n + 1}", f"Text {n}.") for n in range(3)
        ]
        assert not report.failed
    with pytest.raises(UsageError, match=r"hf:set: the data set cannot be loaded"):
        read(Recipe(name="r", folder=tmp_path, sources=(Source(path="hf:set", split="none"),)))


def test_the_failures_of_a_large_corpus_are_counted_but_not_all_kept(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "good"}\n' + "bad\n" * 5000)
    _, report = read(recipe_for_path(tmp_path))
    assert (report.failed, len(report.failures)) == (5000, 1000)
    with pytest.raises(Partial, match="and 4980 more"):
        report.raise_if_partial()


def test_rows_are_streamed_into_passages(tmp_path: Path) -> None:
    with (tmp_path / "a.jsonl").open("w") as file:
        for n in range(4_000):
            file.write(json.dumps({"text": f"Row {n}." + " " * 1000 + "x"}) + "\n")
    tracemalloc.start()
    assert sum(1 for _ in read_corpus(recipe_for_path(tmp_path), Report())) == 4_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20 < (tmp_path / "a.jsonl").stat().st_size


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("size", "memory"), [(400 << 20, 400 << 20), pytest.param(1 << 30, 400 << 20, marks=pytest.mark.slow)]
)
def test_huge_files_are_refused_in_bounded_memory(tmp_path: Path, size: int, memory: int) -> None:
    for name in ("huge.txt", "huge.md", "huge.html", "huge.pdf", "huge.jsonl"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    (tmp_path / "good.txt").write_text("good")
    code = (
        "import sys, pathlib\nfrom dsp.index.corpus import Report, read_corpus\n"
        "from dsp.index.recipe import recipe_for_path\nreport = Report()\n"
        "made = list(read_corpus(recipe_for_path(pathlib.Path(sys.argv[1])), report))\n"
        "print(len(made), sorted(f.source for f in report.failures))\n"
    )

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], preexec_fn=limited, capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    failed = ["huge.html", "huge.jsonl", "huge.md", "huge.pdf", "huge.txt"]
    assert run.stdout == f"1 {failed}\n"


def test_a_file_that_may_not_be_read_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("a.txt", "b.txt", "c.jsonl", "d.pdf", "e.csv", "f.parquet", "g.html")
    for name in names:
        (tmp_path / name).write_text("text")
    refused: list[str] = []
    usual = Path.open

    def guarded(self: Path, *args: Any, **options: Any) -> Any:
        if self.parent == tmp_path and self.name != "a.txt":
            refused.append(self.name)
            raise PermissionError(13, "Permission denied", str(self))
        return usual(self, *args, **options)

    monkeypatch.setattr(Path, "open", guarded)
    made, report = read(recipe_for_path(tmp_path))
    assert [p.source for p in made] == ["a.txt"]
    assert [f.source for f in report.failures] == [name for name in names if name != "a.txt"]
    assert refused == ["b.txt", "c.jsonl", "d.pdf", "e.csv", "g.html"]
    denied = [f.source for f in report.failures if f.reason == "cannot be opened: Permission denied"]
    assert denied == refused


def test_the_state_of_a_corpus_changes_with_its_documents_only(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one")
    recipe = recipe_for_path(tmp_path)
    first = corpus_state(recipe)
    os.utime(tmp_path / "a.md", (1, 1))
    (tmp_path / ".hidden.md").write_text("x")
    (tmp_path / "image.png").write_text("x")
    assert corpus_state(recipe) == first
    (tmp_path / "a.md").write_text("two")
    second = corpus_state(recipe)
    (tmp_path / "b.md").write_text("one")
    third = corpus_state(recipe)
    (tmp_path / "b.md").rename(tmp_path / "c.md")
    assert len({first, second, third, corpus_state(recipe)}) == 4


def test_the_shipped_corpus_is_read_whole() -> None:
    made, report = read(load_recipe(DIGEST))
    assert (report.documents, report.failed, report.empty) == (41, 0, 0)
    assert len({p.id for p in made}) == len(made) == report.passages
    for passage in made:
        text = (DIGEST / passage.source).read_text(encoding="utf-8")
        if passage.metadata.get("front_matter"):
            assert text[passage.start : passage.end].startswith("---\n")
        else:
            assert text[passage.start : passage.end] == passage.text
    by_id = {p.id: p for p in made}
    assert "licence: MIT" in by_id["papers/03-dsp.md#1"].text
    assert by_id["digest/zh/03-dsp.md#1"].lang == "zh"
    lines = (DIGEST.parents[1] / "eval" / "digest" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    supporting = {name for line in lines for name in json.loads(line)["supporting"]}
    assert supporting <= {p.source for p in made}
