"""HTML: what a reader of the page sees."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsp.index.documents import Document, Unreadable
from dsp.index.html import read_html

PAGE = """<!DOCTYPE html>
<html lang="en-GB"><head><title> The  Castle
</title><meta name="Author" content="A. Gregory"><meta name="viewport" content="x">
<meta name="citation_date" content="1662"><style>p { color: red }</style>
<script>var answer = "<p>no</p>";</script></head>
<body><nav><ul><li>Home</li></ul></nav>
<h1>Kinnairdy <em>Castle</em></h1><p>It has <b>five</b>   storeys&nbsp;&amp; a tower.</p>
<h2>History</h2><div>Built in<br>the 1420s.<div>Bought in 1647</div></div>
<!-- a comment --><noscript>Turn on JavaScript</noscript>
<ul><li>one<li>two</ul>
<pre>x =  1
y = 2</pre>
<table><tr><th>Year</th><th>Owner</th></tr><tr><td>1662</td><td>Gregory</td></tr></table>
<svg><text>drawn</text></svg><script type="module">evil()</script ></body></html>"""


def html(folder: Path, page: str | bytes) -> Document:
    (folder / "a.html").write_bytes(page.encode() if isinstance(page, str) else page)
    return read_html(folder / "a.html", "a.html")


def test_a_page_is_read_as_it_is_seen(tmp_path: Path) -> None:
    document = html(tmp_path, PAGE)
    assert document.title == "The Castle"
    assert document.language == "en"
    assert document.front == ("author: A. Gregory", "date: 1662")
    assert [(s.heading, document.text[s.start : s.end].strip()) for s in document.sections] == [
        ("", "It has five storeys\xa0& a tower."),
        (
            "History",
            "Built in\nthe 1420s.\n\nBought in 1647\n\n- one\n- two\n\nx =  1\ny = 2\n\nYear | Owner\n1662 | Gregory",
        ),
    ]


@pytest.mark.parametrize("word", ["color", "answer", "evil", "Home", "comment", "JavaScript", "drawn", "no</p>"])
def test_nothing_unseen_is_read(tmp_path: Path, word: str) -> None:
    assert word not in html(tmp_path, PAGE).text


def test_the_title_falls_back_to_the_heading_and_the_file_name(tmp_path: Path) -> None:
    assert html(tmp_path, "<h1>One</h1>two").title == "One"
    assert html(tmp_path, "two").title == "a"


def test_the_encoding_is_the_one_that_the_head_names(tmp_path: Path) -> None:
    assert html(tmp_path, '<meta charset="gb18030"><p>中文'.encode("gb18030")).text.strip() == "中文"
    assert html(tmp_path, '<meta content="text/html; charset=latin-1">é'.encode("latin-1")).text.strip() == "é"
    assert html(tmp_path, '<meta charset="no-such"><p>中文').text.strip() == "中文"
    with pytest.raises(Unreadable, match="not UTF-8"):
        html(tmp_path, b"<p>\xff")
    with pytest.raises(Unreadable, match="not ascii, as its head says: byte 0xff in line 2"):
        html(tmp_path, b"<meta charset=ascii>\n\xff")


def test_marked_sections_are_passed_over(tmp_path: Path) -> None:
    page = "<p>one</p><![if !IE]><p>two</p><![endif]><![odd[ x ]]><p>three</p><![never ends"
    assert html(tmp_path, page).text.split() == ["one", "two", "three"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from("<p> </p> <h1> <h2> </h2> <script> </script> <svg> text <!-- --> & < </ > <td>".split()))
)
def test_any_soup_is_read_in_order(tmp_path: Path, soup: list[str]) -> None:
    document = html(tmp_path, " ".join(soup))
    place = 0
    for section in document.sections:
        assert place <= section.start < section.end <= len(document.text)
        place = section.end


@pytest.mark.parametrize("unit", ["<!", "</", "<p>", "<div><h1>", "&", "<script>", "<td>", "<![x"])
def test_odd_pages_take_bearable_time(tmp_path: Path, unit: str) -> None:
    begun = time.process_time()
    html(tmp_path, unit * (200_000 // len(unit)))
    assert time.process_time() - begun < 8


def test_a_page_of_tags_that_are_never_closed_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsp.index.html._SECONDS", 0.2)
    monkeypatch.setattr("dsp.index.html._SECONDS_PER_MIB", 0.0)
    begun = time.process_time()
    with pytest.raises(Unreadable, match="never closed"):
        html(tmp_path, "<a b='" * 50_000)
    assert time.process_time() - begun < 8
