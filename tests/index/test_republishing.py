"""An index that is built again while others search it: each search sees one generation, whole."""

import threading
from pathlib import Path

import pytest

from dsp.index.build import build_index
from dsp.index.generation import open_generation
from dsp.index.open import open_index
from tests.index.corpora import FACTS, corpus

OLD, NEW = "roof", "lighthouse"


@pytest.mark.parametrize("times", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_readers_see_one_generation_each_while_it_is_published_anew(tmp_path: Path, home: Path, times: int) -> None:
    recipe = corpus(tmp_path / "docs")
    build_index(recipe, home=home)
    kept = [open_index("facts", home=home)]
    expected = kept[0].search(["Where is the cat?"], 3)
    done, wrong, seen = threading.Event(), list[object](), set[str]()

    def read() -> None:
        while not done.is_set():
            try:
                if kept[0].search(["Where is the cat?"], 3) != expected:
                    wrong.append("the open index changed")
                text = _first(home)
                seen.add(NEW if NEW in text else OLD)
                if (NEW in text) == (OLD in text):
                    wrong.append(text)
            except Exception as error:
                wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for number in range(times):
            fact = "# Cats\n\nThe cat lives in a lighthouse." if number % 2 == 0 else FACTS["cat.md"]
            (recipe.folder / "cat.md").write_text(fact)
            assert build_index(recipe, home=home, again=True).changed
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert not wrong
    assert seen == {OLD, NEW} or times < 10
    assert kept[0].search(["Where is the cat?"], 3) == expected
    kept.clear()
    build_index(recipe, home=home, again=True)
    assert len(list((home / "indexes" / "facts").glob("gen-*"))) == 1


def _first(home: Path) -> str:
    """The cat's passage in the generation now in force, verified."""
    generation = open_generation(home / "indexes" / "facts")
    assert generation is not None
    (line,) = [line for line in generation.read("passages.jsonl").decode().splitlines() if "cat" in line.lower()]
    return line
