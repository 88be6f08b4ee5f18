"""Rows of files and data sets: every bad line is named, nothing is held whole."""

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsp.rows import LARGEST_ROW, BadRows, Row, column, dataset_rows, read_rows


def read(path: Path, format: str = "") -> tuple[list[Row], list[tuple[int, str]]]:
    bad: list[tuple[int, str]] = []
    rows = list(read_rows(path, format, lambda line, reason: bad.append((line, reason))))
    return rows, bad


def file(folder: Path, name: str, raw: bytes | str) -> Path:
    (folder / name).write_bytes(raw.encode() if isinstance(raw, str) else raw)
    return folder / name


def test_jsonl_rows_keep_their_line_numbers(tmp_path: Path) -> None:
    path = file(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": NaN}\n{"a": "\xe4\xb8\xad"}')
    assert read(path) == ([Row(1, {"a": 1}), Row(3, {"a": None}), Row(4, {"a": "中"})], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": ', "not JSON"),
        (b"[1]", "a row must be an object {...}; found list"),
        (b'"text"', "found str"),
        (b'{"a": "\xff"}', "not UTF-8: byte 0xff"),
        (b'{"a": "x\x00y"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a": "' + b"x" * LARGEST_ROW + b'"}', "longer than 8 MiB"),
        (b'{"a": "' + b"x" * (2 * LARGEST_ROW) + b'"}', "longer than 8 MiB"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path, line: bytes, reason: str) -> None:
    path = file(tmp_path, "a.jsonl", b'{"a": 1}\n' + line + b'\n{"a": 3}\n')
    rows, bad = read(path)
    assert rows == [Row(1, {"a": 1}), Row(3, {"a": 3})]
    assert [number for number, _ in bad] == [2]
    assert reason in bad[0][1]
    with pytest.raises(BadRows, match=r"a\.jsonl, line 2: ") as caught:
        list(read_rows(path))
    assert (caught.value.line, caught.value.exit_code) == (2, 2)


def test_a_csv_has_names_in_its_first_line_and_fields_over_several(tmp_path: Path) -> None:
    path = file(tmp_path, "a.csv", '\ufeffid, text\r\n1,"two\r\nlines, one field"\r\n\r\n2,中文\r\n')
    assert read(path)[0] == [
        Row(2, {"id": "1", "text": "two\r\nlines, one field"}),
        Row(5, {"id": "2", "text": "中文"}),
    ]


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t")])
def test_fields_are_separated_by_what_the_first_line_has(tmp_path: Path, name: str, mark: str) -> None:
    assert read(file(tmp_path, name, f"id{mark}text\n1{mark}a, b\n")) == ([Row(2, {"id": "1", "text": "a, b"})], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1,2,3", "3 fields where the first line names 2"),
        (b"1", "1 fields where"),
        (b"1,\xff", "not UTF-8"),
        (b'1,"a"b', "not CSV"),
        (b"1," + b"x" * LARGEST_ROW, "longer than 8 MiB"),
    ],
)
def test_a_bad_csv_line_is_named_and_the_others_are_read(tmp_path: Path, line: bytes, reason: str) -> None:
    rows, bad = read(file(tmp_path, "a.csv", b"id,text\n0,a\n" + line + b"\n2,b\n"))
    assert [row.values["id"] for row in rows] == ["0", "2"]
    assert [number for number, _ in bad] == [3]
    assert reason in bad[0][1]


def test_a_quote_that_is_never_closed_is_named_where_it_opens(tmp_path: Path) -> None:
    rows, bad = read(file(tmp_path, "a.csv", 'id,text\n1,a\n2,"b\n3,c\n'))
    assert [row.number for row in rows] == [2]
    assert bad == [(3, "not CSV: a quote that opens here is not closed")]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"id,id\n1,2\n", "two columns are called 'id'"),
        (b"id,\n1,2\n", "a column has no name"),
        (b"id,\xff\n1,2\n", "not UTF-8"),
        ("id,text\n".encode("utf-16"), "the file is UTF-16"),
    ],
)
def test_a_csv_without_a_proper_first_line_is_refused_whole(tmp_path: Path, raw: bytes, reason: str) -> None:
    with pytest.raises(BadRows, match=reason):
        read(file(tmp_path, "a.csv", raw))


def test_parquet_rows_are_read_in_order(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    values: list[dict[str, Any]] = [{"id": n, "passage": {"body": f"text {n}"}} for n in range(600)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(values), tmp_path / "a.parquet")
    rows, bad = read(tmp_path / "a.parquet")
    assert [row.values for row in rows] == values and not bad
    assert [rows[0].number, rows[-1].number] == [1, 600]


@pytest.mark.parametrize("raw", [b"", b"PAR1 and no more", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_broken_parquet_file_is_refused(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(BadRows, match="not Parquet"):
        read(file(tmp_path, "a.parquet", raw))


def test_a_cut_parquet_file_is_refused_where_it_breaks(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist([{"text": f"{n}" * 50} for n in range(2000)])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", compression="none")
    raw = bytearray((tmp_path / "a.parquet").read_bytes())
    raw[4:2000] = bytes(1996)
    with pytest.raises(BadRows, match="not Parquet"):
        read(file(tmp_path, "b.parquet", bytes(raw)))


def test_files_of_other_kinds_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRows, match="rows are read from jsonl, csv, parquet, not from xlsx"):
        read(tmp_path / "a.xlsx")
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        with pytest.raises(BadRows, match="cannot be opened"):
            read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_huge_line_is_passed_over_in_bounded_memory(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as out:
        out.seek(200 << 20)
        out.write(b"\n")
    tracemalloc.start()
    rows, bad = read(tmp_path / name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (rows, len(bad)) == ([], 1)
    assert peak < 5 * LARGEST_ROW


def test_many_rows_are_streamed(tmp_path: Path) -> None:
    with (tmp_path / "a.jsonl").open("w") as out:
        for n in range(20_000):
            out.write(json.dumps({"id": n, "text": "x" * 500}) + "\n")
    tracemalloc.start()
    begun = time.process_time()
    assert sum(1 for _ in read_rows(tmp_path / "a.jsonl")) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20
    assert time.process_time() - begun < 10


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), max_size=5))
def test_what_is_written_as_jsonl_is_read_back(tmp_path: Path, values: list[dict[str, str]]) -> None:
    path = file(tmp_path, "a.jsonl", "".join(json.dumps(value) + "\n" for value in values))
    assert [row.values for row in read(path)[0]] == values


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_bytes_break_the_readers(tmp_path: Path, raw: bytes) -> None:
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        try:
            rows, bad = read(file(tmp_path, name, raw))
        except BadRows:
            continue
        assert all(row.number >= 1 for row in rows) and all(line >= 1 for line, _ in bad)


def test_columns_by_dotted_name() -> None:
    values = {"a": {"b": [{"c": 1}, {"c": 2}]}, "x.y": 3, "x": {"y": 4}, "s": "text"}
    assert column(values, "a.b.1.c") == 2
    assert column(values, "x.y") == 3
    for name, message in [
        ("a.d", "there is no column 'a.d'. There are: b."),
        ("a.bb", "Did you mean 'b'?"),
        ("t", "There are: a, x.y, x, s."),
        ("a.b.2.c", "there is no 'a.b.2'"),
        ("s.0", "there is no 's.0'"),
    ]:
        with pytest.raises(KeyError) as caught:
            column(values, name)
        assert message in caught.value.args[0]


def test_a_data_set_in_a_local_folder_is_streamed(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist([{"passage": {"body": f"text {n}"}} for n in range(5)])
    (tmp_path / "set").mkdir()
    pyarrow.parquet.write_table(table, tmp_path / "set" / "train-00000-of-00001.parquet")
    rows = list(dataset_rows(str(tmp_path / "set")))
    assert [(row.number, column(row.values, "passage.body")) for row in rows][-1] == (5, "text 4")
    files = [str(tmp_path / "set" / "train-00000-of-00001.parquet")]
    assert len(list(dataset_rows("parquet", data_files=files))) == 5


def test_a_data_set_of_jsonl_files_has_splits(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    file(tmp_path / "set", "train.jsonl", '{"text": "a"}\n')
    file(tmp_path / "set", "test.jsonl", '{"text": "b"}\n')
    assert [row.values for row in dataset_rows(str(tmp_path / "set"), split="test")] == [{"text": "b"}]
    with pytest.raises(BadRows, match="cannot be loaded"):
        list(dataset_rows(str(tmp_path / "set"), split="nothing"))


def test_a_data_set_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRows, match="hf:no-such-owner/no-such-set: the data set cannot be loaded"):
        list(dataset_rows("no-such-owner/no-such-set"))
