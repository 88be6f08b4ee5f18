"""Clean text: what is kept of bytes, and what is refused."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.index.documents import Unreadable, clean, decode, plain, read_bytes, read_text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\xef\xbb\xbfone\r\ntwo\rthree", "one\ntwo\nthree"),
        ("中文".encode("utf-16"), "中文"),
        (b"a\x00b \x1b[31mred\x07", "a b  [31mred "),
        ("a\u2028b\u2029c\x0bd\x0ce\x85f".encode(), "a\nb\nc\nd\ne\nf"),
        (b"tab\tstays\n", "tab\tstays\n"),
        (b"", ""),
    ],
)
def test_bytes_become_clean_text(raw: bytes, text: str) -> None:
    padding = b"x" * 100 if b"\x00b" in raw else b""
    assert decode(raw + padding) == text + padding.decode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"one\ntw\xffo\n", "not UTF-8: byte 0xff in line 2; save it as UTF-8"),
        (b"caf\xe9", "not UTF-8: byte 0xe9 in line 1"),
        (b"\xff\xfea", "not valid UTF-16"),
        (b"PK\x03\x04" + bytes(50), "not a text: more than one byte in twenty is NUL"),
    ],
)
def test_bytes_that_are_no_text_are_refused_with_the_line(raw: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        decode(raw)
    assert reason in str(caught.value)


@given(st.text(st.characters()))
def test_clean_text_has_no_controls_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") for c in cleaned)
    assert clean(cleaned) == cleaned
    cleaned.encode()


def test_a_file_over_the_limit_is_refused_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Unreadable, match="larger than 64 MiB"):
        read_bytes(tmp_path / "huge.txt")
    with pytest.raises(Unreadable, match="cannot be opened: No such file"):
        read_bytes(tmp_path / "none.txt")


def test_a_plain_text_is_one_section_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "Opening hours.txt").write_text("Nine to five.")
    document = read_text(tmp_path / "Opening hours.txt", "docs/Opening hours.txt")
    assert (document.id, document.title, document.text) == (
        "docs/Opening hours.txt",
        "Opening hours",
        "Nine to five.",
    )
    assert [(s.start, s.end) for s in document.sections] == [(0, 13)]


def test_values_become_plain_json() -> None:
    import datetime

    value = {1: datetime.date(2023, 1, 24), "f": float("nan"), "l": ("a\x00", {"b"}), "n": None, "t": True}
    assert plain(value) == {"1": "2023-01-24", "f": "nan", "l": ["a ", ["b"]], "n": None, "t": True}
