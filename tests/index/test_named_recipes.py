"""The recipes of large corpora: what they state, and that they load what the hub has, in miniature."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dsp.catalog import names, shelf
from dsp.evaluation.benchmark import document_id
from dsp.index.build import build_index
from dsp.index.corpus import Report, read_corpus
from dsp.index.open import open_index
from dsp.index.presets import vector_bytes
from dsp.index.recipe import Recipe, load_recipe
from dsp.index.size import stated_size, told
from tests.evaluation import hub

ABSTRACTS: hub.Rows = [
    {"_id": "12", "title": "Anarchism", "text": "Anarchism is a political philosophy."},
    {"_id": "25", "title": "Kinnairdy Castle", "text": "Kinnairdy Castle is a tower house with five storeys."},
]


@pytest.fixture
def abstracts(tmp_path: Path) -> Recipe:
    """The recipe, over a folder with the files and the card of the hub's set."""
    folder = tmp_path / "hub"
    hub.jsonl(folder / "corpus.jsonl", ABSTRACTS)
    hub.jsonl(folder / "queries.jsonl", [{"_id": "q", "text": "Which?"}])
    hub.jsonl(folder / "qrels" / "test.jsonl", [{"query-id": "q", "corpus-id": "12", "score": 1.0}])
    configs = {"corpus": {"corpus": "corpus.jsonl"}, "queries": {"queries": "queries.jsonl"}}
    hub.configured(folder, {"default": {"test": "qrels/test.jsonl"}, **configs})
    recipe = load_recipe(shelf("indexes") / "wiki_abstracts_2017")
    (source,) = recipe.sources
    assert len(source.revision) == 40
    return replace(recipe, sources=(replace(source, path=f"hf:{folder}"),))


def test_the_abstracts_load_by_title_which_gold_facts_name(abstracts: Recipe) -> None:
    report = Report()
    found = list(read_corpus(abstracts, report))
    assert [(document_id(p), p.title, p.text) for p in found] == [
        (row["title"], row["title"], row["text"]) for row in ABSTRACTS
    ]
    assert report.failed == 0


def test_the_abstracts_are_indexed_as_the_recipe_says(abstracts: Recipe, home: Path) -> None:
    build_index(replace(abstracts, mode="lexical"), home=home, name="wiki")
    index = open_index("wiki", home=home)
    assert index.search(["tower house"], 1)[0][0].passage.title == "Kinnairdy Castle"


def test_passages_of_100_words_load_from_files_with_vectors_beside_them(tmp_path: Path) -> None:
    rows: hub.Rows = [
        {"id": str(n), "text": f"Aaron {'word ' * 98}{n}.", "title": "Aaron", "embeddings": [0.1, 0.2]} for n in (1, 2)
    ]
    for part, row in enumerate(rows):
        hub.parquet(tmp_path / "nq" / f"train-{part:05d}-of-00002.parquet", [row])
    recipe = load_recipe(shelf("indexes") / "wiki_passages_2018")
    (source,) = recipe.sources
    (file,) = source.data_files
    place, _, pattern = file.rpartition("/")
    assert re.fullmatch(r"hf://datasets/facebook/wiki_dpr@[0-9a-f]{40}/data/psgs_w100/nq", place)
    here = replace(recipe, sources=(replace(source, data_files=(f"{tmp_path}/nq/{pattern}",)),))
    report = Report()
    found = list(read_corpus(here, report))
    assert [(document_id(p), p.title) for p in found] == [("1", "Aaron"), ("2", "Aaron")]
    assert (report.documents, report.failed) == (2, 0)
    assert found[0].text == str(rows[0]["text"])


@pytest.mark.parametrize("name", [name for name in names("indexes") if name != "digest"])
def test_a_large_recipe_states_its_licence_and_size(name: str) -> None:
    recipe = load_recipe(shelf("indexes") / name)
    size = stated_size(recipe)
    assert recipe.licence
    assert size is not None
    assert size.build > size.search > 0 and size.mapped > 0
    assert size.disk > recipe.expected_bytes
    assert f"{recipe.expected:,} passages" in told(recipe)


def test_what_is_told_is_what_a_build_takes(digest_home: Path) -> None:
    """The figure for the digest, as if its recipe stated its size, against the files of its built index."""
    folder = digest_home / "indexes" / "digest"
    built = folder / (folder / "CURRENT").read_text(encoding="utf-8").split()[0]
    sizes = {path.name: path.stat().st_size for path in built.iterdir()}
    recipe = replace(load_recipe(shelf("indexes") / "digest"), expected=219, expected_bytes=190_000)
    size = stated_size(recipe)
    assert size is not None
    assert size.disk == pytest.approx(sum(sizes.values()), rel=0.35)
    assert told(replace(recipe, expected=0)) == ""


@pytest.mark.parametrize(
    ("factory", "expected"), [("Flat", 1536), ("SQ8", 384), ("HNSW32", 1536 + 264), ("IVF4096,PQ48", 56), ("SQ4", 192)]
)
def test_bytes_of_a_vector(factory: str, expected: int) -> None:
    assert vector_bytes(factory, 384) == expected
