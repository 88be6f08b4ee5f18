"""What is said of an index before it is built, against what a build then makes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dsp.errors import UsageError
from dsp.index import presets, survey
from dsp.index.build import build_index
from dsp.index.generation import open_generation
from dsp.index.preview import preview_index
from dsp.index.recipe import EncoderChoice, Recipe, Source, recipe_for_path
from dsp.index.size import Corpus, size_of
from dsp.index.timing import Speeds, comparisons, seconds_of
from tests.benchmarks.million import write_text
from tests.index.corpora import corpus

ROWS = 700


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    write_text(folder / "text.jsonl", ROWS)
    return folder


@pytest.fixture
def recipe(text: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """700 rows, of which so few make inverted files here."""
    monkeypatch.setattr(presets, "_LEAST", 500)
    encoder = EncoderChoice(name="static")
    return Recipe(name="rows", folder=text, sources=(Source(path="text.jsonl"),), encoder=encoder)


@pytest.mark.parametrize(
    ("preset", "mode"),
    [
        ("flat", "dense"),
        ("flat", "hybrid"),
        ("hnsw", "dense"),
        ("sq8", "hybrid"),
        pytest.param("pq", "dense", marks=pytest.mark.slow),
    ],
)
def test_disk_and_mapped_memory_are_those_of_the_build_within_a_tenth(
    recipe: Recipe, home: Path, preset: str, mode: str
) -> None:
    recipe = replace(recipe, preset=preset, mode=mode)
    (chosen,) = [choice for choice in preview_index(recipe, home=home).choices if choice.is_chosen]
    build_index(recipe, home=home)
    generation = open_generation(home / "indexes" / "rows")
    assert generation is not None
    sizes = {name: row["size"] for name, row in generation.manifest["files"].items()}
    assert (chosen.preset, chosen.factory) == (preset, generation.manifest["factory"])
    assert chosen.size.disk == pytest.approx(sum(sizes.values()), rel=0.1)
    mapped = sizes["vectors.faiss"] + (sizes["vectors.npy"] if preset == "pq" else 0)
    assert chosen.size.mapped == pytest.approx(mapped, rel=0.1)
    measured = generation.manifest["search"]
    assert chosen.recall == (1.0 if preset == "flat" else 0.96)
    assert measured is None or measured["recall"] >= 0.95


def test_the_choice_of_the_recipe_is_marked(recipe: Recipe, home: Path) -> None:
    found = preview_index(replace(recipe, factory="SQ4"), home=home, given=10**6)
    assert [choice.preset for choice in found.choices] == ["own", "flat", "hnsw", "sq8", "pq"]
    assert [choice.factory for choice in found.choices if choice.is_chosen] == ["SQ4"]
    assert (found.found.passages, found.reason) == (10**6, "the recipe names its factory, SQ4")


@pytest.mark.parametrize(
    ("count", "preset", "words"),
    [
        (50_000, "auto", "compares all vectors up to 50,000"),
        (10**6, "auto", "the first of hnsw, sq8 and pq whose vectors fit into faiss.memory, 512 MB"),
        (10**8, "auto", "finds no kind whose vectors fit"),
        (10**8, "flat", "the recipe says preset = flat"),
    ],
)
def test_a_reason_is_given(recipe: Recipe, count: int, preset: str, words: str) -> None:
    assert words in presets.reason(replace(recipe, preset=preset), count, 384)


def test_a_lexical_side_costs_disk_memory_and_time(recipe: Recipe, home: Path) -> None:
    dense, hybrid = (preview_index(replace(recipe, mode=mode), home=home) for mode in ("dense", "hybrid"))
    assert dense.speeds.words == 0 < hybrid.speeds.words
    for one, other in zip(dense.choices, hybrid.choices, strict=True):
        assert one.size.disk < other.size.disk and one.size.search < other.size.search
        assert one.size.mapped == other.size.mapped


def test_the_passages_of_a_small_corpus_are_counted(tmp_path: Path, home: Path) -> None:
    recipe = replace(corpus(tmp_path / "docs"), encoder=EncoderChoice(name="static"))
    found = preview_index(recipe, home=home)
    built = build_index(recipe, home=home)
    assert (found.found.passages, found.found.how) == (built.passages, "counted")


@pytest.mark.parametrize("kind", ["rows", "documents"])
def test_those_of_a_large_one_are_estimated_within_a_tenth(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Not all of it is read: the first rows, or every n-th file."""
    lines = (text / "text.jsonl").read_text(encoding="utf-8").splitlines()
    if kind == "rows":
        (tmp_path / "text.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        for number, line in enumerate(lines):
            (tmp_path / f"{number}.txt").write_text(json.loads(line)["text"], encoding="utf-8")
    monkeypatch.setattr(survey, "_WHOLE", 50_000)
    monkeypatch.setattr(survey, "_ROWS", 200)
    found = survey.survey(recipe_for_path(tmp_path))
    assert found.how == "estimated" and found.read < ROWS / 2
    assert found.passages == pytest.approx(ROWS, rel=0.1)


def test_a_sample_is_spread_over_all_that_was_read(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "_KEPT", 32)
    found = survey.survey(recipe)
    numbers = [int(passage.id.partition("#")[0].rpartition(":")[2]) for passage in found.sample]
    assert 32 <= len(numbers) < 64 and numbers[0] == 1 and numbers[-1] > ROWS - 2 * ROWS / 32
    assert len(set(map(int.__sub__, numbers[1:], numbers))) == 1


def test_nothing_to_read_is_an_error(tmp_path: Path, home: Path) -> None:
    with pytest.raises(UsageError, match="there are no documents"):
        preview_index(recipe_for_path(tmp_path), home=home)
    (tmp_path / "blank.md").write_text("\n\n", encoding="utf-8")
    with pytest.raises(UsageError, match="1 have no text"):
        preview_index(recipe_for_path(tmp_path), home=home)


def test_a_data_set_of_unknown_length_asks_for_it(text: Path, home: Path) -> None:
    source = Source(path="hf:json", data_files=(str(text / "text.jsonl"),))
    recipe = Recipe(name="hub", folder=text, sources=(source,), encoder=EncoderChoice(name="static"))
    with pytest.raises(UsageError, match=r"--passages, or size\.passages"):
        preview_index(recipe, home=home)
    assert preview_index(recipe, home=home, given=5000).found.passages == 5000
    stated = preview_index(replace(recipe, expected=9000), home=home).found
    assert (stated.passages, stated.how, stated.read) == (9000, "stated", ROWS)


def test_seconds_are_counts_times_speeds() -> None:
    speeds = Speeds(reading=1e-3, encoding=2e-3, words=0.0, comparison=1e-9, hanging=1e-4, encoded=128)
    corpus = Corpus(passages=100_000, stored=0)
    assert seconds_of(corpus, "Flat", speeds) == pytest.approx(300)
    compared = 256 * (10 * 65_536 + 100_000) + 3 * 128 * 100_000
    assert comparisons("IVF256,SQ8", 100_000) == compared
    assert seconds_of(corpus, "IVF256,SQ8", speeds) == pytest.approx(300 + compared * 1e-9)
    assert comparisons("IVF256,PQ64", 100_000) == compared + 256 * (25 * 65_536 + 100_000)
    assert seconds_of(corpus, "HNSW32", speeds) > 300 + 10


def test_memory_grows_with_the_passages_and_little_else() -> None:
    small, large = (size_of(Corpus(passages=n, stored=300 * n), "IVF1024,SQ8") for n in (500_000, 1_000_000))
    assert large.build < 1.5e9 and large.search < 0.1e9
    assert 1.5 < large.build / small.build < 2 and large.disk == pytest.approx(2 * small.disk, rel=0.02)
