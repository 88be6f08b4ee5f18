"""What the tests of the command line share: a way to run it, and doors that need no model and no index."""

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from dsp.cli import doors
from dsp.cli.main import run
from dsp.lm.protocol import LM
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import Passage

PASSAGES = (
    Passage(
        id="papers/03-dsp.md#4",
        title="Demonstrate-Search-Predict",
        text="The experiments use GPT-3.5 as the language model. ColBERTv2 is the retrieval model of the experiments.",
        source="papers/03-dsp.md",
        page=3,
    ),
    Passage(
        id="papers/02.md#1", title="Watermarks", text="A watermark is tested with a z score.", source="papers/02.md"
    ),
)
QUESTION = "Which retrieval model do the DSP experiments use?"


@dataclass(frozen=True)
class Outcome:
    """What one command came to."""

    code: int
    out: str
    err: str


Command: TypeAlias = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, no settings of the user, no colours."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("NO_COLOR", "TERM", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def dsp(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run one command in this process: `dsp("ask", "Why?")`; `stdin` is bytes."""

    def command(*arguments: str, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = run(arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return command


@dataclass
class Fakes:
    """The doors that a command gets; tests change them before they run it."""

    lm: LM
    retriever: FixedRetriever


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    """Doors in place of the real ones: two passages, and an LM that always answers ColBERTv2."""
    found = Fakes(ScriptedLM(lambda request: "ColBERTv2"), FixedRetriever(PASSAGES))
    monkeypatch.setattr(doors, "open_retriever", lambda chosen: found.retriever)
    monkeypatch.setattr(doors, "open_lm", lambda chosen: found.lm)
    monkeypatch.setattr(doors, "lm_to_render", lambda chosen: found.lm)
    return found


def lines(text: str) -> Sequence[str]:
    """The lines of a text that hold something."""
    return [row for row in text.split("\n") if row.strip()]
