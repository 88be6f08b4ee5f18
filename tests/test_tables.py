"""TOML tables: every wrong key or value is named."""

from pathlib import Path

import pytest

from dsp.errors import StorageError, UsageError
from dsp.tables import Table, read_table


def test_values_are_taken_with_their_defaults() -> None:
    table = Table("f.toml", {"name": "x", "size": 3, "share": 1, "inner": {"list": ["a"]}})
    assert table.text("name") == "x"
    assert table.text("other", "y") == "y"
    assert table.whole("size", 1, 0, 9) == 3
    assert table.number("share", 0.5, 0, 1) == 1.0
    assert table.table("inner").texts("list") == ("a",)
    assert table.table("missing").texts("list") == ()
    assert table.items("inner") == [{"list": ["a"]}]
    assert not table.has("none")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": "many"}, "f.toml: size must be a whole number; found 'many'"),
        ({"size": True}, "size must be a whole number; found True"),
        ({"size": 10}, "size must be a whole number from 0 to 9; found 10"),
        ({"name": 3}, "name must be a text in quotes; found 3"),
        ({"name": " "}, "name must be a text that is not empty"),
        ({}, "name is missing; it must be a text in quotes"),
        ({"name": "x", "mode": "fast"}, "mode must be one of slow, slower; found 'fast'"),
        ({"name": "x", "list": [1]}, "list must be a list of texts"),
        ({"name": "x", "inner": 1}, "inner must be a table; found 1"),
        ({"name": "x", "inner": {"share": 2.5}}, "inner.share must be a number from 0 to 1; found 2.5"),
        ({"name": "x", "sise": 3}, "unknown key sise. Did you mean size? Known here: "),
        ({"name": "x", "zzz": 3}, "unknown key zzz. Known here: "),
        ({"name": "x", "inner": {"shore": 1}}, "unknown key inner.shore. Did you mean inner.share?"),
        ({"name": "x", "mode": "m" * 200}, "mmm..."),
    ],
)
def test_a_wrong_value_or_key_is_named(values: dict[str, object], message: str) -> None:
    table = Table("f.toml", values)
    with pytest.raises(UsageError) as caught:
        table.whole("size", 1, 0, 9)
        table.text("name")
        table.text("mode", "slow", ("slow", "slower"))
        table.texts("list")
        inner = table.table("inner")
        inner.number("share", 0, 0, 1)
        inner.finish()
        table.finish()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a = ", "is not valid TOML"),
        (b"a = '\xff'", "is not UTF-8 (byte 5)"),
        (b"a = '" + bytes(b"x" * (1 << 20)) + b"'", "larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "f.toml").write_bytes(raw)
    with pytest.raises(UsageError) as caught:
        read_table(tmp_path / "f.toml")
    assert message in str(caught.value) and "f.toml" in str(caught.value)


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_bytes(b"\xef\xbb\xbfa = 'x'\r\nb = 'y'\r\n")
    table = read_table(tmp_path / "f.toml")
    assert (table.text("a"), table.text("b")) == ("x", "y")


def test_a_missing_file_is_a_wrong_call_and_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        read_table(tmp_path / "f.toml")
    with pytest.raises(StorageError, match="cannot be read"):
        read_table(tmp_path)
