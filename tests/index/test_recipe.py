"""Recipes: read, checked, and told apart by what they build."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.errors import UsageError
from dsp.index.recipe import Columns, EncoderChoice, Paper, Recipe, Source, index_name, load_recipe, open_recipe

FULL = """
description = "Answers of the help desk"
language = "zh"
sources = [
  "notes",
  { path = "faq/*.csv", format = "csv", columns = { text = "passage.body", id = "_id", metadata.year = "meta.year" } },
  { path = "hf:owner/name", config = "en", split = "test", revision = "v1", data_files = ["a.parquet"] },
]
[passages]
words = 80
overlap = 0
[encoder]
name = "some/model"
query_prefix = "q: "
passage_prefix = ""
[faiss]
factory = "IVF32,Flat"
metric = "l2"
[search]
mode = "dense"
weights = { dense = 2, lexical = 0.5 }
[[papers]]
name = "one"
title = "One"
url = "https://example.org/one.pdf"
"""


def written(folder: Path, text: str, name: str = "index.toml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_recipe_says_all_of_it(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, FULL, "desk.toml"))
    assert recipe == Recipe(
        name="desk",
        folder=tmp_path,
        description="Answers of the help desk",
        language="zh",
        sources=(
            Source(path="notes"),
            Source(
                path="faq/*.csv",
                format="csv",
                columns=Columns(text="passage.body", id="_id", metadata={"year": "meta.year"}),
            ),
            Source(path="hf:owner/name", config="en", split="test", revision="v1", data_files=("a.parquet",)),
        ),
        words=80,
        overlap=0,
        encoder=EncoderChoice(name="some/model", query_prefix="q: ", passage_prefix=""),
        factory="IVF32,Flat",
        metric="l2",
        mode="dense",
        dense_weight=2.0,
        lexical_weight=0.5,
        papers=(Paper(name="one", title="One", url="https://example.org/one.pdf"),),
    )
    assert recipe.sources[2].dataset == "owner/name"
    assert recipe.sources[0].dataset == ""


def test_the_least_recipe_has_defaults_and_the_name_of_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "Help Desk"
    folder.mkdir()
    written(folder, 'sources = "docs"')
    recipe = open_recipe(folder)
    assert (recipe.name, recipe.sources) == ("help-desk", (Source(path="docs"),))
    assert recipe == Recipe(name="help-desk", folder=folder, sources=(Source(path="docs"),))


def test_a_folder_or_file_of_documents_is_its_own_recipe(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes")
    assert open_recipe(tmp_path).sources == (Source(path="."),)
    assert open_recipe(tmp_path / "notes.md").sources == (Source(path="notes.md"),)
    assert open_recipe(tmp_path / "notes.md").name == "notes"
    assert open_recipe(Path("hf:owner/Name")).sources == (Source(path="hf:owner/Name"),)
    assert open_recipe(Path("hf:owner/Name")).name == "owner-name"
    with pytest.raises(UsageError, match="there is no file or folder"):
        open_recipe(tmp_path / "nothing")
    with pytest.raises(UsageError, match="there is no file"):
        open_recipe(tmp_path / "nothing.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "sources is missing or empty"),
        ("sources = []", "sources is missing or empty"),
        ("sources = [3]", "sources must be a table; found 3"),
        ("sources = [{}]", "sources.path is missing"),
        ("sources = [{path = 'a', fromat = 'csv'}]", "unknown key sources.fromat. Did you mean sources.format?"),
        ("sources = [{path = 'a', format = 'docx'}]", "sources.format must be one of"),
        ("sources = [{path = 'a', columns = {txt = 'b'}}]", "unknown key sources.columns.txt"),
        ("sources = 'a'\n[pasages]\nwords = 3", "unknown key pasages. Did you mean passages?"),
        ("sources = 'a'\n[passages]\nwords = 3", "passages.words must be a whole number from 10 to 2000; found 3"),
        ("sources = 'a'\n[passages]\noverlap = 60", "passages.overlap must be a whole number from 0 to 55; found 60"),
        ("sources = 'a'\n[search]\nmode = 'both'", "search.mode must be one of dense, lexical, hybrid"),
        ("sources = 'a'\n[search.weights]\ndense = -1", "search.weights.dense must be a number from 0.0"),
        ("sources = 'a'\n[search.weights]\ndense = 0\nlexical = 0", "search.weights"),
        ("sources = 'a'\n[faiss]\nmetric = 'cos'", "faiss.metric must be one of cosine, inner_product, l2"),
        ("sources = 'a'\nlanguage = 'fr'", "language must be one of"),
        ("sources = 'a'\n[[papers]]\nname = '../x'\nurl = 'u'", "papers.name must be made of"),
        ("sources = 'a'\n[[papers]]\nname = 'x'", "papers.url is missing"),
        ("sources = 'a'\n[[papers]]\nname = 'x'\nurl = 'u'\n[[papers]]\nname = 'x'\nurl = 'v'", "two papers"),
    ],
)
def test_a_wrong_recipe_says_which_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe(written(tmp_path, text))
    assert message in str(caught.value)
    assert "index.toml" in str(caught.value)


def test_the_fingerprint_ignores_layout_and_how_the_index_is_searched(tmp_path: Path) -> None:
    first = load_recipe(written(tmp_path, "sources = ['a']\n[passages]\nwords = 80\noverlap = 15", "a.toml"))
    second = load_recipe(
        written(
            tmp_path,
            "# a comment\npassages = {overlap = 15, words = 80}\ndescription = 'd'\nsources = 'a'\n"
            "search = {mode = 'dense', weights = {dense = 3}}",
            "b.toml",
        )
    )
    assert first.fingerprint == second.fingerprint
    assert len(first.fingerprint) == 16


@pytest.mark.parametrize(
    "more",
    [
        "[passages]\nwords = 90",
        "[passages]\noverlap = 1",
        "[encoder]\nname = 'other'",
        "[encoder]\nquery_prefix = 'q'",
        "[faiss]\nfactory = 'HNSW16'",
        "[faiss]\nmetric = 'l2'",
    ],
)
def test_the_fingerprint_changes_with_what_is_built(tmp_path: Path, more: str) -> None:
    plain = load_recipe(written(tmp_path, "sources = 'a'"))
    assert load_recipe(written(tmp_path, "sources = 'a'\n" + more)).fingerprint != plain.fingerprint
    assert load_recipe(written(tmp_path, "sources = ['a', 'b']")).fingerprint != plain.fingerprint
    assert load_recipe(written(tmp_path, "language = 'en'\nsources = 'a'")).fingerprint != plain.fingerprint
    mapped = "sources = [{path = 'a', columns = {metadata = {y = 'z'}}}]"
    assert load_recipe(written(tmp_path, mapped)).fingerprint != plain.fingerprint


@given(st.text(max_size=100))
def test_an_index_name_can_be_made_from_any_text(text: str) -> None:
    import re

    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", index_name(text))


def test_the_shipped_recipe_names_ten_papers_whose_dossiers_are_there() -> None:
    folder = Path(__file__).parents[2] / "indexes" / "digest"
    recipe = load_recipe(folder)
    assert recipe.name == "digest"
    assert len({paper.url for paper in recipe.papers}) == 10
    for paper in recipe.papers:
        dossier = (folder / "papers" / f"{paper.name}.md").read_text(encoding="utf-8")
        assert f"url: {paper.url.replace('/pdf/', '/abs/')}\n" in dossier
        assert paper.title in dossier
