"""The thorough check of an index, which loads it in a process of its own."""

import hashlib
import json
import random
import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsp.errors import DSPError, IndexCorrupt, UnknownName
from dsp.index.build import build_index
from dsp.index.recipe import Recipe
from dsp.index.verify import verify_index
from tests.index.corpora import corpus
from tests.index.test_vectors import some


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("catalogue")
    build_index(corpus(root / "docs"), home=root / "home")
    return root / "home"


@pytest.fixture
def filled(built: Path, home: Path) -> Path:
    shutil.copytree(built, home)
    return home


def reseal(home: Path, file: str, content: bytes) -> None:
    """Put other content into the generation and state its hash, as one who means harm would."""
    (generation,) = (home / "indexes" / "facts").glob("gen-*")
    (generation / file).write_bytes(content)
    manifest = json.loads((generation / "manifest.json").read_text())
    manifest["files"][file] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps(manifest).encode()
    (generation / "manifest.json").write_bytes(text)
    seal = f"{generation.name} {hashlib.sha256(text).hexdigest()}\n"
    (home / "indexes" / "facts" / "CURRENT").write_text(seal)


def stored(home: Path, file: str) -> bytes:
    (path,) = home.glob(f"indexes/facts/gen-*/{file}")
    return path.read_bytes()


def test_a_damaged_index_is_refused_before_it_is_loaded(filled: Path) -> None:
    next(filled.glob("indexes/facts/gen-*/passages.jsonl")).write_bytes(b"")
    with pytest.raises(IndexCorrupt, match=r"passages\.jsonl"):
        verify_index("facts", filled)


@pytest.mark.parametrize("name", ["fact", "digest", "../facts", ""])
def test_what_was_not_built_is_told(filled: Path, name: str) -> None:
    with pytest.raises(UnknownName, match="dsp index build"):
        verify_index(name, filled)


def test_a_sound_index_is_verified(filled: Path) -> None:
    assert verify_index("facts", filled)["passages"] == 5


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("passages.npy", b"\x80\x04\x95 a pickle"),
        ("passages.jsonl", b"{}\n"),
        ("places.npy", b""),
        ("lexical.json", b"[1"),
        ("lexical.json", b'{"cat": 99999999}'),
        ("vectors.faiss", b"IxFI" + bytes(60)),
    ],
)
def test_hostile_content_under_a_valid_manifest_is_corruption(filled: Path, file: str, content: bytes) -> None:
    reseal(filled, file, content)
    with pytest.raises(IndexCorrupt, match="not sound"):
        verify_index("facts", filled)


@pytest.fixture
def hnsw(tmp_path: Path, home: Path) -> Path:
    """An index over a graph, the kind whose damage crashes FAISS."""
    recipe: Recipe = corpus(tmp_path / "docs")
    object.__setattr__(recipe, "factory", "HNSW8")
    build_index(recipe, home=home)
    return home


def _harmed(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(600)  # the vectors come last; before them stands the graph
    number = chance.choice([0, 1, 2**31 - 1, 2**30, 2**40, 2**63 - 1])
    width = chance.choice([4, 8])
    return content[:at] + number.to_bytes(8, "little")[:width] + content[at + width :]


def _verify_harmed(home: Path, times: int, seed: int) -> int:
    """Verify the index with a changed field, again and again: sound or IndexCorrupt, and nothing else; the refusals."""
    chance, refused = random.Random(seed), 0
    content = stored(home, "vectors.faiss")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(times):
        reseal(home, "vectors.faiss", _harmed(content, chance))
        try:
            verify_index("facts", home)
        except IndexCorrupt:
            refused += 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    return refused


def test_a_harmed_graph_crashes_at_most_the_child(hnsw: Path) -> None:
    assert _verify_harmed(hnsw, times=4, seed=3) > 0


@pytest.mark.slow
def test_many_harmed_graphs_crash_at_most_the_child(hnsw: Path) -> None:
    assert _verify_harmed(hnsw, times=300, seed=5) > 40


def _resealed_graph(home: Path, change: Callable[[Any], None]) -> None:
    """Alter the graph of the index as one who means harm would, and state its hash."""
    import faiss
    import numpy as np

    index: Any = faiss.deserialize_index(np.frombuffer(stored(home, "vectors.faiss"), np.uint8))
    change(index.hnsw)
    reseal(home, "vectors.faiss", faiss.serialize_index(index).tobytes())


@pytest.fixture
def levels(tmp_path: Path, home: Path) -> Path:
    """An index over a graph of more than one level."""
    facts = {f"{i}.md": f"# Street {i}\n\nThe house number {i} is blue." for i in range(60)}
    build_index(replace(corpus(tmp_path / "streets", facts), factory="HNSW4"), home=home)
    return home


def test_an_entry_point_below_the_top_of_the_graph_is_corruption(levels: Path) -> None:
    """FAISS 1.15 accepts such a file and reads past its tables when it searches."""

    def lower(graph: Any) -> None:
        import faiss

        heights = faiss.vector_to_array(graph.levels)
        assert heights.max() > 1, "the graph has one level"
        graph.entry_point = int(heights.argmin())

    _resealed_graph(levels, lower)
    with pytest.raises(IndexCorrupt, match="entered where it does not begin"):
        verify_index("facts", levels)


def test_a_file_does_not_say_how_widely_it_is_searched(levels: Path) -> None:
    """FAISS would take the memory of a billion candidates."""
    before = stored(levels, "vectors.faiss")
    _resealed_graph(levels, lambda graph: setattr(graph, "efSearch", 2**30))
    assert stored(levels, "vectors.faiss") != before
    verify_index("facts", levels)


def test_a_child_that_dies_is_reported(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsp.index.verify._COMMAND", ("-c", "import os; os.kill(os.getpid(), 11)"))
    with pytest.raises(IndexCorrupt, match="ended with -11"):
        verify_index("facts", filled)


def test_a_child_that_hangs_is_ended(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsp.index.verify._COMMAND", ("-c", "import time; time.sleep(60)"))
    monkeypatch.setattr("dsp.index.verify._SECONDS", 0.5)
    with pytest.raises(IndexCorrupt, match=r"0\.5 seconds"):
        verify_index("facts", filled)


def test_vectors_that_are_not_those_of_the_passages_are_told(filled: Path) -> None:
    import io

    from dsp.index import vectors

    sink = io.BytesIO()
    vectors.build(some(7, dimension=384), "Flat", "cosine").write(sink)
    reseal(filled, "vectors.faiss", sink.getvalue())
    with pytest.raises(DSPError, match="7 vectors"):
        verify_index("facts", filled)
