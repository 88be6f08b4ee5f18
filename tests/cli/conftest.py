"""How the tests of the command line run it: in this process, with doors that need no model and no index."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dsp.cli import doors
from dsp.cli.main import run
from dsp.testing import FixedRetriever, ScriptedLM
from tests.cli import benches
from tests.cli import towns as town
from tests.cli.shared import PASSAGES, READER, Command, Fakes, Outcome


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


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch, place: Path) -> Fakes:
    """Doors in place of the real ones: two passages, an LM that always answers ColBERTv2, a program that stays."""
    (place / "reader.py").write_text(READER, encoding="utf-8")
    monkeypatch.setenv("DSP_PROGRAM", "./reader.py")
    found = Fakes(ScriptedLM(lambda request: "ColBERTv2"), FixedRetriever(PASSAGES))
    monkeypatch.setattr(doors, "open_retriever", lambda chosen: found.retriever)
    monkeypatch.setattr(doors, "open_lm", lambda chosen: found.lm)
    monkeypatch.setattr(doors, "lm_to_render", lambda chosen: found.lm)
    return found


@pytest.fixture
def bench(fakes: Fakes, place: Path) -> Fakes:
    """Two programs, three questions beside them, an LM that needs passages."""
    (place / "guesser.py").write_text(benches.GUESSER, encoding="utf-8")
    (place / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in benches.ROWS), encoding="utf-8")
    fakes.lm = ScriptedLM(benches.says)
    return fakes


@pytest.fixture
def towns(fakes: Fakes, place: Path) -> Fakes:
    """A program of two stages, five training questions, an LM that knows three of the answers."""
    (place / "towns.py").write_text(town.PROGRAM, encoding="utf-8")
    rows = [
        {"id": f"t-{who}", "question": f"Where does {who} live?", "answers": [home_town]}
        for who, home_town in town.TOWNS.items()
    ]
    (place / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    fakes.lm, fakes.retriever = ScriptedLM(town.knowing("Ann", "Bob", "Dan")), FixedRetriever(town.PASSAGES)
    return fakes


@pytest.fixture
def made(dsp: Command, towns: Fakes) -> dict[str, Any]:
    """The file `demos.json`, made with all defaults, as JSON."""
    done = dsp(*town.ANNOTATE, "--raw", "4")
    assert done.code == 0, done.err
    assert done.out == (
        "3 accepted, 2 rejected by the judge (2 × the stage 'answer' gave another answer, although one was found), "
        "0 failed, 0 not tried; wrote demos.json\n"
    )
    record: dict[str, Any] = json.loads(Path("demos.json").read_text(encoding="utf-8"))
    return record
