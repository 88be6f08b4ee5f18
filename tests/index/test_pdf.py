"""PDF: text by pages; broken and locked files say why."""

import io
import logging
from pathlib import Path

import pytest

from dsp.index.documents import Unreadable
from dsp.index.pdf import read_pdf
from tests.index.pdfs import pdf


def saved(folder: Path, raw: bytes) -> Path:
    (folder / "a.pdf").write_bytes(raw)
    return folder / "a.pdf"


def test_every_page_with_text_is_a_section_with_its_number(tmp_path: Path) -> None:
    document = read_pdf(saved(tmp_path, pdf("First page.", "", "Third page.", title="A Title")), "x/a.pdf")
    assert [(s.page, document.text[s.start : s.end]) for s in document.sections] == [
        (1, "First page."),
        (3, "Third page."),
    ]
    assert (document.title, document.source) == ("A Title", "x/a.pdf")
    assert read_pdf(saved(tmp_path, pdf("Text.")), "a.pdf").title == "a"


def test_lines_that_the_layout_broke_are_put_together(tmp_path: Path) -> None:
    page = "This line is long enough to have been broken by lay-\nout and it goes on here as the next line, then\n"
    page += "ends.\nShort\nlines stay"
    document = read_pdf(saved(tmp_path, pdf(page)), "a.pdf")
    assert document.text == (
        "This line is long enough to have been broken by layout and it goes on here as the next line, then "
        "ends.\nShort\nlines stay"
    )


def test_lines_at_the_head_and_foot_of_most_pages_are_left_out(tmp_path: Path) -> None:
    pages = [f"Journal of Castles, vol. 3\nText of page {n}.\nmore {'x' * n}\n{n}" for n in range(1, 6)]
    document = read_pdf(saved(tmp_path, pdf("A Title\nText.\n0", *pages)), "a.pdf")
    assert document.text.split("\n\n")[:3] == ["A Title\nText.", "Text of page 1.\nmore x", "Text of page 2.\nmore xx"]
    short = read_pdf(saved(tmp_path, pdf(*pages[:3])), "a.pdf")
    assert short.text.count("Journal of Castles") == 3


def encrypted(password: str) -> bytes:
    import pypdf

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf("Secret text.")))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_locked_file_is_refused_and_one_without_a_password_to_read_is_not(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="encrypted; save a copy without a password"):
        read_pdf(saved(tmp_path, encrypted("secret")), "a.pdf")
    assert read_pdf(saved(tmp_path, encrypted("")), "a.pdf").text == "Secret text."


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "a broken PDF"),
        (b"%PDF-1.4\n", "a broken PDF"),
        (b"not a pdf at all", "a broken PDF"),
        (pdf("Text.")[:120], "a broken PDF"),
        (pdf("Text.").replace(b"/Pages 2 0 R", b"/Pages 9 0 R"), "broken PDF"),
        (pdf("", ""), "it holds no text; a scanned PDF needs OCR first"),
    ],
)
def test_a_broken_or_empty_file_is_refused_without_a_word_on_the_terminal(
    tmp_path: Path, raw: bytes, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("pypdf").propagate = False
    try:
        with pytest.raises(Unreadable, match=reason):
            read_pdf(saved(tmp_path, raw), "a.pdf")
    finally:
        logging.getLogger("pypdf").propagate = True
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be opened: No such file"):
        read_pdf(tmp_path / "none.pdf", "none.pdf")


def test_a_file_with_any_byte_changed_is_read_or_refused(tmp_path: Path) -> None:
    whole = pdf("Some text on the page.", title="T")
    refused = 0
    for place in range(0, len(whole), 7):
        raw = bytearray(whole)
        raw[place] ^= 0x55
        try:
            read_pdf(saved(tmp_path, bytes(raw)), "a.pdf")
        except Unreadable:
            refused += 1
    assert refused > 3
