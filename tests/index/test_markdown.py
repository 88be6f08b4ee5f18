"""Markdown: front matter in readable lines, headings, sections."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsp.index.documents import Document
from dsp.index.markdown import read_markdown


def markdown(folder: Path, text: str) -> Document:
    (folder / "a.md").write_text(text, encoding="utf-8", newline="")
    return read_markdown(folder / "a.md", "a.md")


def sections(document: Document) -> list[tuple[str, str]]:
    return [(s.heading, document.text[s.start : s.end].strip()) for s in document.sections]


def test_front_matter_becomes_readable_lines_and_metadata(tmp_path: Path) -> None:
    document = markdown(
        tmp_path,
        '---\ntitle: "A: Title"\nauthors: [Omar Khattab, Percy Liang]\nyear: 2022\ndate: 2023-01-24\nopen: true\n'
        "none:\nnested: {a: 1, b: [x, y]}\nlong: >\n  folded\n  text\nlang: zh-CN\n---\n\n# Heading\n\nBody.\n",
    )
    assert document.front == (
        "title: A: Title",
        "authors: Omar Khattab, Percy Liang",
        "year: 2022",
        "date: 2023-01-24",
        "open: yes",
        "nested: a 1; b x, y",
        "long: folded text",
    )
    assert document.title == "A: Title"
    assert document.language == "zh"
    assert document.metadata["authors"] == ["Omar Khattab", "Percy Liang"]
    assert document.metadata["year"] == 2022
    start, end = document.front_span
    assert document.text[start:end].startswith("---\ntitle") and document.text[start:end].endswith("---\n")
    assert sections(document) == [("", "Body.")]


@pytest.mark.parametrize(
    "front",
    [
        "title: a: b: c",
        "just words",
        "- a\n- b",
        "a: &x [1]\nb: *x",
        "x: !!python/object/apply:os.system ['true']",
        "a: 2023-13-45",
        "[" * 5000,
        "a: b\n\tc: d",
    ],
)
def test_front_matter_that_is_not_plain_yaml_is_kept_as_text(tmp_path: Path, front: str) -> None:
    document = markdown(tmp_path, f"---\n{front}\n---\nBody.\n")
    assert document.front == tuple(line.strip() for line in front.splitlines())
    assert not document.metadata
    assert sections(document) == [("", "Body.")]


@pytest.mark.parametrize("text", ["---\nno end\n", "text\n---\na: b\n---\n", "---\n" + "a: b\n" * 20_000 + "---\n"])
def test_what_is_no_front_matter_is_body(tmp_path: Path, text: str) -> None:
    document = markdown(tmp_path, text)
    assert document.front == () and document.front_span == (0, 0)
    assert sections(document)[0][1].startswith(text[:4].strip())


def test_sections_know_the_headings_they_stand_under(tmp_path: Path) -> None:
    document = markdown(
        tmp_path,
        "Before.\n\n# Title #\n\nIntro.\n\n## Method\n\n### Search ##\n\nText.\n\n"
        "```\n# no heading\n~~~\n## nor this\n```\n\nMore.\n\nResults\n-------\n\nNumbers.\n\n#no heading either\n",
    )
    assert document.title == "Title"
    assert sections(document) == [
        ("", "Before."),
        ("", "Intro."),
        ("Method / Search", "Text.\n\n```\n# no heading\n~~~\n## nor this\n```\n\nMore."),
        ("Results", "Numbers.\n\n#no heading either"),
    ]


def test_a_heading_with_nothing_below_it_is_not_lost(tmp_path: Path) -> None:
    assert sections(markdown(tmp_path, "# Only")) == [("", "# Only")]
    assert sections(markdown(tmp_path, "# A\n\n## B\n\n## C\n\ntext\n\n## D\n")) == [
        ("B", "## B"),
        ("C", "text"),
        ("D", "## D"),
    ]


def test_the_title_is_the_front_matter_s_or_the_first_heading_or_the_file_name(tmp_path: Path) -> None:
    assert markdown(tmp_path, "---\ntitle: One\n---\n# Two\n").title == "One"
    assert markdown(tmp_path, "---\ntitle: [1]\n---\n# Two\n").title == "Two"
    assert markdown(tmp_path, "Title\n=====\n\ntext").title == "Title"
    assert markdown(tmp_path, "text").title == "a"


def test_long_values_stay_out_of_the_metadata_of_every_passage(tmp_path: Path) -> None:
    document = markdown(tmp_path, f"---\nabstract: {'x ' * 1000}\nyear: 2022\n---\ntext\n")
    assert set(document.metadata) == {"year"}
    assert document.front[0].startswith("abstract: x x")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["# A", "## B", "text", "", "---", "===", "```", "a: b", "- c", "|x|"])).map("\n".join))
def test_sections_lie_in_order_and_lose_only_headings(tmp_path: Path, text: str) -> None:
    document = markdown(tmp_path, text)
    place = document.front_span[1]
    for section in document.sections:
        assert place <= section.start < section.end <= len(document.text)
        lost = document.text[place : section.start].split("\n")
        assert all(line.strip() in ("", "# A", "## B", "---", "===", "a: b", "|x|", "text") for line in lost)
        place = section.end


@pytest.mark.parametrize("unit", ["# ", "a\n=", "```\n", "---\n", "- \n", "#" * 7, "    \n"])
def test_odd_text_takes_linear_time(tmp_path: Path, unit: str) -> None:
    begun = time.process_time()
    markdown(tmp_path, unit * (1_000_000 // len(unit)))
    assert time.process_time() - begun < 8
