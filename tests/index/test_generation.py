"""A damaged index never answers: every kind of damage to every file is found before FAISS is given a byte."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dsp.errors import IndexCorrupt
from dsp.index import generation, vectors
from dsp.index.build import build_index
from dsp.index.open import open_index
from tests.index.corpora import FACTS, corpus

Damage = Callable[[bytes, random.Random], bytes]


def _flip(content: bytes, chance: random.Random, times: int = 1) -> bytes:
    changed = bytearray(content)
    for at in chance.sample(range(len(content)), min(times, len(content))):
        changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _overwrite(content: bytes, chance: random.Random, field: bytes) -> bytes:
    at = chance.randrange(max(len(content) - len(field), 1))
    return content[:at] + field + content[at + len(field) :]


DAMAGES: dict[str, Damage] = {
    "one byte": _flip,
    "sixteen bytes": lambda content, chance: _flip(content, chance, 16),
    "the first bytes": lambda content, chance: _flip(content[:64], chance) + content[64:],
    "cut short": lambda content, chance: content[: chance.randrange(len(content))],
    "emptied": lambda content, chance: b"",
    "a zeroed block": lambda content, chance: content[: len(content) // 3] + bytes(len(content) - len(content) // 3),
    "something appended": lambda content, chance: content + b"\0",
    "a huge number": lambda content, chance: _overwrite(content, chance, b"\xff" * 7 + b"\x7f"),
    "a small number": lambda content, chance: _overwrite(content, chance, b"\x01\0\0\0"),
}


@pytest.fixture(scope="module")
def two_builds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two homes with the index `facts`, over corpora of equal size that differ in one word."""
    root = tmp_path_factory.mktemp("builds")
    changed = {**FACTS, "cat.md": FACTS["cat.md"].replace("warm", "cold")}
    for name, facts in (("one", FACTS), ("two", changed)):
        build_index(corpus(root / f"{name}-docs", facts), home=root / name)
        shutil.rmtree(root / f"{name}-docs")
    return root / "one", root / "two"


@pytest.fixture
def built(two_builds: tuple[Path, Path], home: Path) -> Path:
    """The folder of the index in this test's home."""
    shutil.copytree(two_builds[0], home)
    return home / "indexes" / "facts"


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


def files(folder: Path) -> list[Path]:
    """CURRENT and every file of the generation it names."""
    (generation,) = folder.glob("gen-*")
    return [folder / "CURRENT", *sorted(generation.iterdir())]


def test_the_undamaged_index_answers(built: Path, home: Path, loads: list[int]) -> None:
    hits = open_index("facts", home=home).search(["Where does the cat sleep?"], 1)[0]
    assert hits[0].passage.source == "cat.md" and loads


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_to_any_file_goes_unseen(built: Path, home: Path, loads: list[int], damage: str) -> None:
    chance = random.Random(damage)
    damaged = 0
    for file in files(built):
        content = file.read_bytes()
        harmed = DAMAGES[damage](content, chance)
        if harmed == content:
            continue
        damaged += 1
        file.write_bytes(harmed)
        with pytest.raises(IndexCorrupt, match=file.name):
            open_index("facts", home=home)
        file.write_bytes(content)
    assert damaged >= 9 and not loads
    assert open_index("facts", home=home).search(["cat"], 1)[0] and loads


def test_a_file_that_is_missing_is_named(built: Path, home: Path, loads: list[int]) -> None:
    for file in files(built)[1:]:
        content = file.read_bytes()
        file.unlink()
        with pytest.raises(IndexCorrupt, match=f"{file.name} is missing"):
            open_index("facts", home=home)
        file.write_bytes(content)
    assert not loads


def test_a_mix_of_two_builds_is_refused(
    built: Path, home: Path, two_builds: tuple[Path, Path], loads: list[int]
) -> None:
    others = {file.name: file.read_bytes() for file in files(two_builds[1] / "indexes" / "facts")}
    swapped = 0
    for file in files(built):
        content = file.read_bytes()
        if others[file.name] == content:
            continue
        swapped += 1
        file.write_bytes(others[file.name])
        with pytest.raises(IndexCorrupt):
            open_index("facts", home=home)
        file.write_bytes(content)
    assert swapped >= 5 and not loads


def test_damage_while_an_index_is_open_is_found_at_the_next_opening(built: Path, home: Path) -> None:
    retriever = open_index("facts", home=home)
    assert retriever.search(["cat"], 1)[0]
    vectors_file = next(built.glob("gen-*/vectors.faiss"))
    vectors_file.write_bytes(_flip(vectors_file.read_bytes(), random.Random(0)))
    with pytest.raises(IndexCorrupt, match=r"vectors\.faiss"):
        open_index("facts", home=home)


def test_a_large_generation_is_hashed_once_and_again_when_it_changed(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "_ALWAYS_HASHED", 0)
    hashed: list[int] = []
    real = generation._sha256

    def sha256(file: int) -> str:
        hashed.append(file)
        return real(file)

    monkeypatch.setattr(generation, "_sha256", sha256)
    assert generation.open_generation(built)
    first = len(hashed)
    assert generation.open_generation(built)
    assert len(hashed) == first > 0
    places = next(built.glob("gen-*/places.npy"))
    places.write_bytes(_flip(places.read_bytes(), random.Random(0)))
    with pytest.raises(IndexCorrupt, match=r"places\.npy"):
        generation.open_generation(built)


def test_a_manifest_cannot_name_files_elsewhere(built: Path, tmp_path: Path) -> None:
    manifest = next(built.glob("gen-*/manifest.json"))
    content = json.loads(manifest.read_text())
    secret = tmp_path / "secret"
    secret.write_text("s")
    content["files"]["../../../../secret"] = {"size": 1, "sha256": generation._sha256_of(b"s")}
    text = json.dumps(content).encode()
    manifest.write_bytes(text)
    (built / "CURRENT").write_text(f"{manifest.parent.name} {generation._sha256_of(text)}\n")
    with pytest.raises(IndexCorrupt, match="names a file elsewhere"):
        generation.open_generation(built)


def test_descriptors_are_given_back(built: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        assert generation.open_generation(built)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
