import os
from pathlib import Path

import pytest

from dsp import errors
from dsp.cli.explaining import explained
from dsp.lm.models import Store
from dsp.testing import ScriptedLM
from dsp.testing.faults import FaultServer
from tests.cli.shared import QUESTION, Command, Fakes
from tests.endpoints import ECHO, KEY

root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask", "-p", "multhop", QUESTION), "no program is called 'multhop'. Did you mean 'multihop'?"),
        (("ask", "-p", "./none.py", QUESTION), "there is no program file ./none.py"),
        (("ask", "--set", "hops=x", "-p", "multihop", QUESTION), "hops='x' is no int"),
        (("ask", "--set", "hop=2", "-p", "multihop", QUESTION), "Did you mean 'hops'?"),
        (("ask", "--set", "hops", QUESTION), "--set takes NAME=VALUE, for example --set k=5; found 'hops'"),
        (("ask", "--set", "k=1", "--set", "k=2", QUESTION), "--set k=… is given twice"),
        (("ask", "--set", "k=1", "--k", "2", QUESTION), "k is given by --k and by --set"),
        (("ask", "--k", "0", QUESTION), "Input should be greater than or equal to 1"),
        (("ask", "--mode", "fuzzy", QUESTION), "--mode must be one of dense, lexical, hybrid"),
        (("ask", ""), "the question is empty"),
        (("ask", " \n "), "the question is empty"),
        (("ask", "x" * 100_000), "the question has 100,000 characters, more than 8,000; put long texts into an index"),
        (("ask", "bad \udcff bytes"), "the question is not UTF-8 (character 5)"),
        (("ask",), "Missing argument"),
        (("ask", "--colour", "red", QUESTION), "No such option: --colour"),
        (("ask", "--api-key", "x", QUESTION), "No such option: --api-key"),
        (("aks", QUESTION), "No such command 'aks'. Did you mean 'ask'"),
    ],
)
def test_wrong_calls_of_ask(arguments: tuple[str, ...], said: str, dsp: Command, fakes: Fakes) -> None:
    done = dsp(*arguments)
    assert done.code == 2
    assert said in done.error
    assert done.out == ""
    assert len(done.error) < 1100


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask", "--index", "digset", "--lm", "extractive", QUESTION), "Did you mean 'digest'?"),
        (("ask", "--index", "./none", "--lm", "extractive", QUESTION), "there is no file or folder none"),
        (("ask", "--lm", "extractiv", QUESTION), "Did you mean 'extractive'?"),
        (("ask", "--lm", "openai:", QUESTION), "'openai:' lacks a name"),
        (("ask", "--lm", "extractive", "--base-url", "http://127.0.0.1:1", QUESTION), "takes no base URL"),
        (("search", "--index", "digset", QUESTION), "Did you mean 'digest'?"),
        (("search", "--index", "none", QUESTION), "there is nothing to search without an index"),
        (("show", "digset"), "Did you mean 'digest'?"),
        (("show", "./none.py"), "there is no program file ./none.py"),
        (("index", "info", "digest"), "no built index is called 'digest'"),
        (("index", "build", "./none"), "there is no file or folder none"),
        (("index", "build", ".", "--name", "../x"), "'../x' cannot be the name of an index"),
        (("index", "remove", "digest"), "no built index is called 'digest'"),
        (("models", "pull", "qwen"), "no model is called 'qwen'"),
        (("replay", "nope"), "no run is called 'nope'"),
        (("runs", "show", "last"), "no run is called 'last'"),
    ],
)
def test_names_that_mean_nothing(arguments: tuple[str, ...], said: str, dsp: Command) -> None:
    done = dsp(*arguments)
    assert done.code == 2, done.err
    assert said in done.error
    assert done.out == ""


def test_standard_input_that_is_no_text(dsp: Command, fakes: Fakes) -> None:
    done = dsp("ask", "-", stdin=b"What is \xff\xfe?")
    assert (done.code, done.out) == (2, "")
    assert "standard input is not UTF-8 (byte 9)" in done.error
    assert dsp("ask", "-", stdin=b"").code == 2


def test_missing_weights_are_named(dsp: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsp.cli.doors.open_retriever", lambda chosen: None)
    done = dsp("ask", "--lm", "embedded", QUESTION)
    assert done.code == 4
    assert "dsp models pull" in done.error


def test_without_weights_the_answer_is_an_extract(dsp: Command, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("dsp.cli.doors.open_retriever", lambda chosen: fakes.retriever)
    monkeypatch.setattr(Store, "installed", lambda store: ())
    done = dsp("ask", QUESTION)
    assert done.code == 0
    assert done.err.startswith("Note: no model is installed, so this is an extract. For answers: dsp models pull\n")
    assert done.out.startswith("Extract (")


@pytest.mark.parametrize("debug", [False, True])
def test_a_refused_key_is_never_shown(
    debug: bool, dsp: Command, home: Path, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    monkeypatch.setattr("dsp.cli.doors.open_retriever", lambda chosen: None)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultServer(lambda seen: ECHO) as server:
        flags = ["--lm", "openai:m", "--base-url", server.url, "-p", "closed_book", *(["--debug"] if debug else [])]
        done = dsp("ask", *flags, QUESTION)
        assert server.seen, "the server was never asked"
    assert done.code == 4
    assert "OPENAI_API_KEY" in done.err
    assert ("Traceback" in done.err) == debug
    written = [path.read_bytes() for path in (*home.rglob("*"), *place.rglob("*")) if path.is_file()]
    assert written, "the run left no record"
    for text in (done.out.encode(), done.err.encode(), *written):
        assert KEY.encode() not in text


def test_a_closed_port(dsp: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsp.cli.doors.open_retriever", lambda chosen: None)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    done = dsp("ask", "--lm", "openai:m", "--base-url", "http://127.0.0.1:9/v1", "-p", "closed_book", QUESTION)
    assert done.code == 4
    assert "127.0.0.1" in done.error


def test_a_key_goes_nowhere_that_only_a_project_file_names(
    dsp: Command, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (place / "dsp.toml").write_text('lm = "openai:m"\nbase_url = "https://elsewhere.example/v1"', encoding="utf-8")
    done = dsp("ask", "-p", "closed_book", QUESTION)
    assert done.code == 2
    assert "your OPENAI_API_KEY is not sent where only a project file says" in done.error


def test_a_home_that_is_a_file(dsp: Command, fakes: Fakes, home: Path) -> None:
    home.write_text("not a folder", encoding="utf-8")
    done = dsp("ask", QUESTION)
    assert done.code == 0
    assert done.err.startswith("Warning: this run is not recorded: ")
    assert done.err.count("Warning") == 1
    assert "ColBERTv2 [1]" in done.out
    assert "not recorded" in done.out
    assert dsp("index", "build", ".", "--name", "x").code == 74
    doctor = dsp("doctor")
    assert doctor.code == 1
    assert "is a file and was to be the data folder" in doctor.out


@root
def test_a_read_only_home(dsp: Command, fakes: Fakes, home: Path) -> None:
    home.mkdir(mode=0o500)
    done = dsp("ask", QUESTION)
    assert done.code == 0
    assert done.err.startswith("Warning: this run is not recorded: ")


def test_an_unexpected_error_is_one_line(dsp: Command, fakes: Fakes) -> None:
    def burst(request: object) -> str:
        raise RuntimeError("the\nroof \x1b[2J fell")

    fakes.lm = ScriptedLM(burst)
    done = dsp("ask", QUESTION)
    assert done.code == 1
    assert done.error.startswith("Error: RuntimeError: the roof \\x1b[2J fell (in program ./reader.py, line ")
    assert done.error.endswith(", stage 'answer'); run again with --debug to see where")
    traced = dsp("ask", "--debug", QUESTION)
    assert "Traceback" in traced.err
    assert "\x1b" not in traced.err


def test_an_error_met_while_ctrl_c_is_obeyed_is_none(dsp: Command, fakes: Fakes) -> None:
    """Ctrl-C may cut an import in half, and what clears up then imports it again."""

    def burst(request: object) -> str:
        try:
            raise KeyboardInterrupt
        finally:
            raise NameError("name 'coroutines' is not defined")

    fakes.lm = ScriptedLM(burst)
    done = dsp("ask", QUESTION)
    assert done.code == 130 and done.err.endswith("Interrupted.\n") and "coroutines" not in done.err


def test_debug_by_variable(dsp: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSP_DEBUG", "1")
    assert "Traceback" in dsp("show", "digset").err


def every(kind: type[errors.DSPError]) -> list[type[errors.DSPError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in every(child))]


def test_each_error_has_the_exit_code_of_its_kind() -> None:
    table = {
        errors.ConditionFailed: 1,
        errors.UsageError: 2,
        errors.IntegrityError: 3,
        errors.LMError: 4,
        errors.Busy: 5,
        errors.Partial: 6,
        errors.StorageError: 74,
    }
    for kind, code in table.items():
        for below in every(kind):
            error = below.__new__(below)
            assert explained(error)[1] == code, below
    assert explained(errors.DSPError("x")) == ("x", 1)


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (OSError(28, "No space left on device", "/x"), "No space left on device (/x); free some space", 74),
        (OSError(30, "Read-only file system", "/x"), "Read-only file system (/x); set DSP_HOME", 74),
        (PermissionError(13, "Permission denied", "/x"), "Permission denied (/x); check the permissions", 74),
        (FileNotFoundError(2, "No such file", "/x"), "No such file (/x)", 74),
        (ConnectionResetError("gone"), "ConnectionResetError: gone", 1),
        (MemoryError(), "there is not enough memory", 1),
        (KeyError("k"), "KeyError: 'k'", 1),
    ],
)
def test_errors_of_the_machine(error: Exception, message: str, code: int) -> None:
    said, found = explained(error)
    assert said.startswith(message)
    assert found == code
