"""Vectors made shard by shard: a killed build goes on where it was and gives the same bytes."""

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dsp.index import shards
from dsp.index.build import build_index
from dsp.index.generation import open_generation
from dsp.index.open import open_index
from dsp.index.recipe import EncoderChoice, Recipe
from dsp.index.shards import Known, Rows
from dsp.index.static import StaticEncoder
from tests.index.corpora import corpus

FILES = 11
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Eleven passages in shards of three; the last repeats the first."""
    monkeypatch.setattr(shards, "_SHARD", 3)
    monkeypatch.setattr(shards, "_BATCH", 2)
    texts = {
        f"{i:02}.md": f"# Cave {i % 10}\n\nCave {i % 10} lies {'far ' * (i % 10 % 4)}below the hill."
        for i in range(FILES)
    }
    return replace(corpus(tmp_path / "docs", texts), encoder=EncoderChoice(name="static"))


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that the encoder is given as a passage."""
    texts: list[str] = []
    real = StaticEncoder.encode_passages

    def encode(self: StaticEncoder, given: Sequence[str]) -> NDArray[np.float32]:
        texts.extend(given)
        return real(self, given)

    monkeypatch.setattr(StaticEncoder, "encode_passages", encode)
    return texts


def files(home: Path) -> dict[str, str]:
    """The hash of every file of the generation in force."""
    generation = open_generation(home / "indexes" / "facts")
    assert generation is not None
    return {name: row["sha256"] for name, row in generation.manifest["files"].items()}


def kept(home: Path) -> list[Path]:
    return sorted((home / "indexes" / "facts" / ".shards").glob("*"))


@pytest.mark.parametrize("factory", ["Flat", "SQ8", "IDMap,Flat"])
def test_shards_do_not_change_the_index(
    recipe: Recipe, home: Path, monkeypatch: pytest.MonkeyPatch, factory: str
) -> None:
    recipe = replace(recipe, factory=factory)
    result = build_index(recipe, home=home)
    assert (result.passages, result.encoded, kept(home)) == (FILES, FILES - 1, [])
    monkeypatch.setattr(shards, "_SHARD", 8192)
    build_index(recipe, home=home / "whole")
    assert files(home) == files(home / "whole")


def test_a_build_killed_in_a_shard_goes_on_and_gives_the_same_bytes(
    recipe: Recipe, home: Path, monkeypatch: pytest.MonkeyPatch, encoded: list[str]
) -> None:
    build_index(recipe, home=home / "whole")
    child = os.fork()
    if child == 0:
        real = StaticEncoder.encode_passages

        def encode(self: StaticEncoder, given: Sequence[str]) -> NDArray[np.float32]:
            if len(encoded) > FILES - 1 + 6:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(self, given)

        StaticEncoder.encode_passages = encode  # type: ignore[method-assign, assignment]
        build_index(recipe, home=home)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    left = kept(home)
    assert len(left) == 2
    del encoded[:]
    assert build_index(recipe, home=home).encoded == FILES - 1
    assert len(encoded) == FILES - 1 - 6 and kept(home) == []
    assert files(home) == files(home / "whole")


@pytest.mark.parametrize("harm", [lambda b: b[:-1], lambda b: b"\1" + b[1:], lambda b: b"", lambda b: b + b"\0" * 4])
def test_a_shard_that_is_not_whole_is_made_again(
    recipe: Recipe, home: Path, monkeypatch: pytest.MonkeyPatch, encoded: list[str], harm: "object"
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("dsp.index.build.remove_shards", lambda folder: None)
        build_index(recipe, home=home)
    whole = files(home)
    assert len(kept(home)) == 4
    kept(home)[0].write_bytes(harm(kept(home)[0].read_bytes()))  # type: ignore[operator]
    for generation in (home / "indexes" / "facts").glob("gen-*/vectors.faiss"):
        generation.write_bytes(b"damaged, so that its vectors are not taken over")
    del encoded[:]
    build_index(recipe, home=home, again=True)
    assert 0 < len(encoded) <= 3 and files(home) == whole


def test_only_new_passages_are_encoded_in_shards(recipe: Recipe, home: Path, encoded: list[str]) -> None:
    build_index(recipe, home=home)
    (recipe.folder / "04.md").write_text("# Lake\n\nThe lake is new.")
    del encoded[:]
    assert build_index(recipe, home=home).encoded == 1 == len(encoded)
    hits = open_index("facts", home=home, mode="dense").search(["the lake is new"], 1)[0]
    assert hits[0].passage.source == "04.md"


def test_rows_are_taken_from_their_pieces() -> None:
    whole = np.arange(22, dtype=np.float32).reshape(11, 2)
    rows = Rows([whole[:4], whole[4:8], whole[8:]])
    positions = np.array([10, 0, 4, 3, 7, 8])
    assert rows.take(positions).tolist() == whole[positions].tolist()
    assert rows.some(3).tolist() == whole[[0, 5, 10]].tolist() and rows.some(99).tolist() == whole.tolist()


def test_known_texts_are_found_by_their_hashes() -> None:
    hashes = np.frombuffer(b"".join(bytes([0, i, 0] * 5 + [0]) for i in (3, 1, 2)), np.uint8).reshape(3, 16)
    asked = np.frombuffer(b"".join(bytes([0, i, 0] * 5 + [0]) for i in (2, 9, 0, 3)), np.uint8).reshape(4, 16)
    assert Known(hashes, np.zeros((3, 2), np.float32)).find(asked).tolist() == [2, -1, -1, 0]
