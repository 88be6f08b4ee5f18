import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.cli.folding import fold, folded
from dsp.cli.terminal import width


@given(st.text(st.sampled_from("ab 检索é，\t."), max_size=80), st.integers(4, 30))
def test_folding_moves_white_space_only(text: str, room: int) -> None:
    shown = folded(text, room, 0)
    assert "".join(shown.split()) == "".join(text.split())
    assert all(width(row) <= room or not any(c in row for c in " \t检索，") for row in shown.split("\n"))


def test_words_stay_whole_and_chinese_breaks_anywhere() -> None:
    assert folded("the red kite nests", 8, 2) == "the red\n  kite\n  nests"
    assert folded("检索模型检索模型", 8, 0) == "检索模型\n检索模型"


def test_only_a_terminal_has_an_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "10")
    assert fold("the red kite nests") == "the red kite nests"
    monkeypatch.setattr("sys.stdout", Tty())
    assert fold("the red kite nests") == "the red\nkite nests"
