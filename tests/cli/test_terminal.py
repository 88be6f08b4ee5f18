import ast
import io
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.cli import terminal
from dsp.cli.terminal import bold, columns, confirm, line, note, safe, say

CONTROLS = set(range(0x00, 0x09)) | set(range(0x0B, 0x20)) | set(range(0x7F, 0xA0))


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    shown = safe(text)
    assert not CONTROLS & {ord(c) for c in shown}
    assert all(c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for c in shown)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs", "M"])))
def test_letters_of_any_script_stay(text: str) -> None:
    assert safe(text) == text


def test_controls_are_written_out() -> None:
    assert safe("a\x1b[2Jb\x9b\u202e\u2028\U000e0041") == "a\\x1b[2Jb\\x9b\\u202e\\u2028\\U000e0041"
    assert safe("line\n\tnext") == "line\n\tnext"


def test_a_line_cannot_become_two() -> None:
    assert line("a\nError: b\r\n\x0bc") == "a Error: b c"
    assert line("x" * 2000, 50) == "x" * 49 + "…"


def test_columns_count_wide_letters_twice() -> None:
    rows = columns([["检索", "x"], ["ab", "y"]])
    assert rows == ["  检索  x", "  ab    y"]


def test_no_style_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say(bold("loud"), " and plain")
    assert capsys.readouterr().out == "loud and plain\n"


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "styled"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, False)],
)
def test_styles_on_a_terminal(variables: dict[str, str], styled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    screen = Tty()
    monkeypatch.setattr("sys.stdout", screen)
    say(bold("loud\x1b[2J"))
    assert screen.getvalue() == ("\x1b[1mloud\\x1b[2J\x1b[0m\n" if styled else "loud\\x1b[2J\n")


def test_an_ascii_stream_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    say("检索 é")
    assert raw.getvalue() == b"\\u68c0\\u7d22 \\xe9\n"


def test_a_closed_stream_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    say("nobody")
    note("nobody")


def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert not confirm("Pull it?")
    monkeypatch.setattr("sys.stdin", Tty("y\n"))
    monkeypatch.setattr("sys.stderr", Tty())
    assert confirm("Pull it?")
    monkeypatch.setattr("sys.stdin", Tty("\n"))
    assert not confirm("Pull it?")


def test_the_key_is_never_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    say("the passage says canary-0123456789")
    note(bold("canary-0123456789"))
    captured = capsys.readouterr()
    assert captured.out == "the passage says [key]\n"
    assert captured.err == "[key]\n"


def test_rich_prints_no_text_of_ours() -> None:
    for path in Path(terminal.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = {n.func.attr for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}
        assert "from_markup" not in calls
        assert "print" not in calls, f"{path.name}: console.print reads markup; use say"
