"""Damaged generations of four kinds of index, in number: each is refused, and FAISS is never given a byte of them."""

import random
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dsp.cli.main import run
from dsp.errors import IndexCorrupt
from dsp.index import generation, vectors
from dsp.index.build import build_index
from dsp.index.open import open_index
from tests.index.corpora import corpus
from tests.index.test_generation import DAMAGES, files

KINDS = ("Flat", "HNSW8", "IVF2,PQ8x4np", "IDMap,Flat")
EACH = [pytest.param(9, 2, id="9"), pytest.param(125, 15, id="125", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A home with the index `facts` for each kind; its documents are gone, so nothing can be built again."""
    root = tmp_path_factory.mktemp("kinds")
    facts = {
        f"{i}.md": f"# Street {i}\n\nThe house number {i} was painted {'red' if i % 2 else 'blue'}." for i in range(24)
    }
    for i, kind in enumerate(KINDS):
        build_index(replace(corpus(root / "docs", facts), factory=kind), home=root / str(i))
    shutil.rmtree(root / "docs")
    return {kind: root / str(i) for i, kind in enumerate(KINDS)}


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that FAISS was given an index to read."""
    seen: list[int] = []
    real = vectors.read

    def read(content: memoryview) -> vectors.Vectors:
        seen.append(len(content))
        return real(content)

    monkeypatch.setattr(vectors, "read", read)
    return seen


@pytest.mark.parametrize(("times", "commands"), EACH)
@pytest.mark.parametrize("kind", KINDS)
def test_no_damaged_generation_answers(
    homes: dict[str, Path],
    home: Path,
    loads: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    times: int,
    commands: int,
) -> None:
    shutil.copytree(homes[kind], home)
    chance, harmed = random.Random(f"{kind} {times}"), Counter[str]()
    there = files(home / "indexes" / "facts")
    while harmed.total() < times:
        number = harmed.total()
        damage = sorted(DAMAGES)[number % len(DAMAGES)]
        file = chance.choice(there)
        whole = file.read_bytes()
        if (damaged := DAMAGES[damage](whole, chance)) == whole:
            continue
        file.write_bytes(damaged)
        harmed[damage] += 1
        named = "damaged" if file.name == "CURRENT" else file.name  # it may then name a generation that is not there
        told = f"{kind} {times}, number {number}: {damage} in {file.name}"
        if number < commands:
            assert run(["search", "--index", "facts", "house"]) == 3, told
            assert named in capsys.readouterr().err, told
        else:
            with pytest.raises(IndexCorrupt, match=named):
                open_index("facts", home=home)
        file.write_bytes(whole)
    assert not loads and len(harmed) == len(DAMAGES)
    assert open_index("facts", home=home).search(["house number 3"], 1)[0] and loads


def test_without_the_comparison_of_hashes_damage_would_be_seen_here(
    homes: dict[str, Path], home: Path, loads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken away: the same damage is then loaded, so the test above tests the guard."""
    shutil.copytree(homes["Flat"], home)
    monkeypatch.setattr(generation, "_verify", lambda *_: None)
    file = next(home.glob("indexes/facts/gen-*/vectors.faiss"))
    file.write_bytes(DAMAGES["one byte"](file.read_bytes(), random.Random(1)))
    assert open_index("facts", home=home).search(["house"], 1)[0] and loads
