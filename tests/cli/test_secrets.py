"""A key that is looked for: through the commands and every fault of a provider, it stands in no file and no output."""

import json
import shutil
from base64 import b64encode
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from dsp.cli import doors
from dsp.lm import openai
from dsp.remote.endpoint import Endpoint
from dsp.remote.retries import Patience
from dsp.testing import FixedRetriever
from dsp.testing.faults import FAULTS, Behaviour, FaultServer, always, error, sometimes
from tests.cli import benches
from tests.cli import towns as town
from tests.cli.shared import PASSAGES, QUESTION, Command
from tests.endpoints import KEY
from tests.leftovers import leaks

SOME = ("401 that repeats the key", "429, no quota", "500", "truncated JSON", "307 to another host", "drip", "refusal")
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in FAULTS if name not in SOME]
FORMS = (KEY, KEY[6:-2], quote(KEY, safe=""), b64encode(KEY.encode()).decode().rstrip("="))
ECHO = f"went wrong with {KEY} ({b64encode(KEY.encode()).decode()})"


@pytest.fixture(autouse=True)
def keyed(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """A key in the environment, programs and questions in the folder, an endpoint that gives up soon."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    patience = Patience(deadline=0.4, tries=2, first=0.001, longest=0.001)
    monkeypatch.setattr(openai, "Endpoint", partial(Endpoint, patience=patience))
    monkeypatch.setattr(doors, "open_retriever", lambda chosen: FixedRetriever(PASSAGES))
    (place / "guesser.py").write_text(benches.GUESSER, encoding="utf-8")
    (place / "towns.py").write_text(town.PROGRAM, encoding="utf-8")
    (place / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in benches.ROWS), encoding="utf-8")
    row = {"id": "t", "question": "Where does Ann live?", "answers": ["Rome"]}
    (place / "train.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")


def said(dsp: Command, behave: Behaviour) -> tuple[str, FaultServer]:
    """All that the commands print with this server."""
    with FaultServer(behave) as server:
        lm = ("--lm", "openai:m", "--base-url", server.url.replace("://", f"://user:{KEY}@"))
        plain = ("--lm", "openai:m", "--base-url", server.url)
        eval_ = ("eval", "digest", "--data", "test.jsonl", "-p", "./guesser.py", *plain, "--name", "mine")
        commands = (
            ("ask", "-p", "./guesser.py", *plain, "--trace", "--debug", QUESTION),
            ("ask", "-p", "./guesser.py", *lm, "--json", "--show-prompt", QUESTION),
            (*eval_, "-c", "2"),
            (*eval_, "--json"),
            ("demos", "annotate", "./towns.py", "train.jsonl", "-o", "demos.json", *plain),
            ("runs", "list"), ("runs", "show", "last"), ("runs", "show", "mine"), ("replay", "last", "--json"),
            ("config",),
        )  # fmt: skip
        printed = [dsp(*command) for command in commands]
    return "".join(done.out + done.err for done in printed), server


def holding(*folders: Path) -> list[str]:
    """The files below that hold the key in any of its forms."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert files, "nothing was written"
    return [str(path) for path in files if any(form.encode() in path.read_bytes() for form in FORMS)]


@pytest.mark.parametrize("name", [*SOME, *OTHERS])
def test_no_output_and_no_file_holds_the_key(dsp: Command, home: Path, tmp_path: Path, name: str) -> None:
    printed, server = said(dsp, always(name))
    assert server.acts[name] > 0 and (home / "evals" / "mine").is_dir()
    assert any(KEY in seen.headers.get("authorization", "") for seen in server.seen), "the key was never sent"
    assert not [form for form in FORMS if form in printed]
    assert holding(tmp_path) == []


@pytest.mark.parametrize("code", [400, 401, 429, 500])
def test_an_error_that_repeats_the_key_is_told_without_it(dsp: Command, tmp_path: Path, code: int) -> None:
    printed, server = said(dsp, lambda seen: error(code, ECHO))
    assert server.fired and "went wrong with [key]" in printed
    assert not [form for form in FORMS if form in printed]
    assert holding(tmp_path) == []


def test_without_the_guard_the_key_would_be_found(
    dsp: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redaction taken away: then it stands in files, so the tests above test the guard."""
    monkeypatch.setattr("dsp.remote.endpoint.redacted", lambda text, secrets: text)
    said(dsp, lambda seen: error(400, ECHO))
    assert holding(tmp_path)
    # The search at the end of the session is not meant. All goes: a connection that closes later writes its log back.
    for folder in tmp_path.iterdir():
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


def test_answers_between_faults_leave_no_key(dsp: Command, tmp_path: Path) -> None:
    printed, server = said(dsp, sometimes(0.5, "429", "500", "401 that repeats the key", seed=2))
    assert server.fired and server.acts["healthy"]
    assert not [form for form in FORMS if form in printed]
    assert holding(tmp_path) == []


def test_the_search_finds_a_key(tmp_path: Path) -> None:
    for number, form in enumerate(FORMS):
        (tmp_path / str(number)).write_text(f"before {form} after")
    assert len(holding(tmp_path)) == len(FORMS)
    elsewhere = tmp_path.rename(tmp_path.with_name("elsewhere"))
    assert len(leaks(elsewhere)) == 3, "the search at the end of a session is as thorough"
    elsewhere.rename(tmp_path)


def test_the_search_finds_a_key_across_pieces_and_behind_a_hole(tmp_path: Path) -> None:
    elsewhere = tmp_path.with_name("behind")
    elsewhere.mkdir()
    for name, offset in (("across", (1 << 20) - 3), ("behind", 1 << 40)):
        with (elsewhere / name).open("wb") as file:
            file.seek(offset)
            file.write(KEY.encode())
    found = leaks(elsewhere)
    shutil.rmtree(elsewhere)
    assert len(found) == 2


def test_no_command_takes_a_key(dsp: Command) -> None:
    """Command lines can be read by everybody on a machine."""
    for command in ("ask", "chat", "eval", "demos annotate", "index build"):
        done = dsp(*command.split(), "--api-key", "x", "y")
        assert done.code == 2 and "--api-key" in done.err, command
