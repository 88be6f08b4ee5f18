"""`dsp index preview`: what it prints, and what it refuses."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from dsp.index import survey, timing
from tests.cli.shared import Command

GOLDEN = Path(__file__).parents[1] / "golden" / "cli" / "index_preview.txt"
RECIPE = 'sources = ["notes"]\nencoder.name = "static"\n'


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading takes a second, everything else two milliseconds."""
    ticks = iter(range(1000))
    monkeypatch.setattr(survey, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    monkeypatch.setattr(timing, "_timed", lambda do: 0.002)


@pytest.fixture
def notes(place: Path) -> Path:
    folder = place / "notes"
    folder.mkdir()
    for number in range(100):
        (folder / f"{number:02}.md").write_text(f"# Note {number}\n\nThe lamp {number} is lit at dusk.", "utf-8")
    (place / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return folder


@pytest.mark.usefixtures("notes", "clock")
def test_the_table_is_a_golden_file(dsp: Command) -> None:
    shown = dsp("index", "preview", "./recipe.toml", "--passages", "1000000")
    assert shown.code == 0 and shown.err == ""
    assert shown.out == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.usefixtures("notes")
def test_as_json_what_is_measured_is_apart_from_what_is_estimated(dsp: Command, home: Path) -> None:
    shown = dsp("index", "preview", "./recipe.toml", "--json").json
    assert (shown["passages"], shown["passages_are"]) == (100, "counted")
    assert shown["measured"]["encoder"] == "static" and shown["measured"]["encoding_seconds"] > 0
    choices = {choice["preset"]: choice for choice in shown["estimated"]["choices"]}
    assert set(choices) == {"flat", "hnsw", "sq8", "pq"} and choices["flat"]["chosen"]
    assert (choices["flat"]["recall_at_10"], choices["flat"]["recall_basis"]) == (1.0, "exact")
    assert choices["hnsw"]["recall_basis"].startswith("aimed at")
    assert not list(home.glob("indexes/*"))


def test_a_document_that_cannot_be_read_is_named(dsp: Command, notes: Path) -> None:
    (notes / "torn.md").write_bytes(b"\xff\xfe\xff")
    shown = dsp("index", "preview", "./recipe.toml")
    assert shown.code == 0 and "torn.md" in shown.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("./missing",), "there is no file or folder"),
        (("nosuch",), "nosuch"),
        (("./empty",), "there are no documents"),
        (("./recipe.toml", "--passages", "-1"), "--passages"),
    ],
)
@pytest.mark.usefixtures("notes")
def test_bad_input_is_refused(dsp: Command, place: Path, arguments: tuple[str, ...], message: str) -> None:
    (place / "empty").mkdir()
    shown = dsp("index", "preview", *arguments)
    assert (shown.code, shown.out) == (2, "") and message in shown.err
