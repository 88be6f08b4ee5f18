"""Where sentences end, in English and in Chinese."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.text.sentences import sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It works. It does.", ["It works.", "It does."]),
        ("Khattab et al. wrote it. Done!", ["Khattab et al. wrote it.", "Done!"]),
        ("By Timo I. Denk and others. Next.", ["By Timo I. Denk and others.", "Next."]),
        ("FID is 7.30 at 64 pixels. Good.", ["FID is 7.30 at 64 pixels.", "Good."]),
        ("See Fig. 3 for it, e.g. this one. Good.", ["See Fig. 3 for it, e.g. this one.", "Good."]),
        ("它有三步。第一步是演示！对吗？", ["它有三步。", "第一步是演示！", "对吗？"]),
        ("He said “no.” Then left.", ["He said “no.”", "Then left."]),
        ("# Title\n\nText here.", ["# Title", "Text here."]),
        ("- one\n- two", ["- one", "- two"]),
        ("venue: ICML\nlicence: MIT", ["venue: ICML", "licence: MIT"]),
        ("1. First thing\n2. Second thing", ["1. First thing", "2. Second thing"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentence_ends(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@given(st.text())
def test_sentences_lie_in_order_and_cover_every_letter(text: str) -> None:
    spans = list(sentences(text))
    assert all(a.end <= b.start for a, b in pairwise(spans))
    covered = "".join(text[s:e] for s, e in spans)
    assert [c for c in covered if not c.isspace()] == [c for c in text if not c.isspace()]
