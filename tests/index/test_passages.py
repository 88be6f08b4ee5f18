"""Cutting: exact spans, whole sentences, bounded lengths, nothing lost, overlap as asked."""

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.index.documents import Document, Section
from dsp.index.passages import cut, passages
from dsp.text.sentences import sentences
from dsp.text.words import length
from dsp.types import Passage


def whole(text: str) -> Document:
    return Document(id="d", source="d", text=text, sections=(Section(start=0, end=len(text)),))


def texts(text: str, words: int, overlap: int = 0) -> list[str]:
    return [text[start:end] for start, end in cut(text, Section(start=0, end=len(text)), words, overlap)]


def numbered(count: int, size: int) -> str:
    return " ".join(" ".join([f"S{n}"] + ["word"] * (size - 2) + ["end."]) for n in range(count))


def test_passages_are_made_of_whole_sentences_and_about_equal() -> None:
    made = texts(numbered(25, 10), words=100)
    assert [len(piece.split()) for piece in made] == [90, 90, 70]
    assert all(piece.startswith("S") and piece.endswith("end.") for piece in made)


def test_a_short_text_is_one_passage_and_an_empty_one_none() -> None:
    assert texts("One sentence. Another.", 100) == ["One sentence. Another."]
    assert texts(" \n ", 100) == []


def test_the_last_sentences_of_a_passage_begin_the_next_one_up_to_the_overlap() -> None:
    made = texts(numbered(30, 10), words=100, overlap=25)
    ends = [piece.split()[-20] for piece in made[:-1]]
    assert [piece.split()[0] for piece in made[1:]] == ends
    assert all(len(piece.split()) <= 100 for piece in made)
    longer = texts(numbered(12, 40), words=100, overlap=25)
    assert [piece.split()[0] for piece in longer] == ["S0", "S2", "S4", "S6", "S8", "S10"]


def test_chinese_counts_by_characters() -> None:
    text = "这是一个十六个汉字长的句子没有错。" * 30
    made = texts(text, 100)
    assert all(length(piece) <= 100 for piece in made)
    assert len(made) == 4 and all(piece.endswith("。") for piece in made)


def test_a_sentence_that_is_too_long_is_cut_after_a_comma_or_at_a_blank() -> None:
    by_comma = ", ".join(" ".join(["word"] * 15) for _ in range(20)) + "."
    assert all(piece.endswith((",", ".")) and len(piece.split()) <= 100 for piece in texts(by_comma, 100))
    by_blank = " ".join(["word"] * 250)
    assert [len(piece.split()) for piece in texts(by_blank, 100)] == [100, 100, 50]
    nowhere = "x" * 10_000
    made = texts(nowhere, 100)
    assert "".join(made) == nowhere and all(length(piece) <= 100 for piece in made)
    chinese = "水" * 100 + "，" + "火" * 1000
    assert texts(chinese, 100)[0] == "水" * 100 + "，"


def test_a_tiny_tail_is_joined_to_the_passage_before_it() -> None:
    text = numbered(1, 95) + " " + numbered(1, 95) + " Tail of five words here."
    assert [len(piece.split()) for piece in texts(text, 100)] == [95, 100]


def test_no_passage_leaves_its_section_and_each_knows_its_heading_and_page() -> None:
    text = "Alpha one. Alpha two. Beta one. Beta two."
    document = Document(
        id="d.pdf",
        source="d.pdf",
        text=text,
        title="D",
        language="en",
        sections=(Section(start=0, end=21, page=3), Section(start=22, end=41, heading="Beta", page=4)),
        metadata={"year": 2022},
    )
    assert list(passages(document, 100, 15)) == [
        Passage(
            id="d.pdf#1",
            text="Alpha one. Alpha two.",
            title="D",
            source="d.pdf",
            start=0,
            end=21,
            page=3,
            lang="en",
            metadata={"year": 2022},
        ),
        Passage(
            id="d.pdf#2",
            text="Beta one. Beta two.",
            title="D",
            source="d.pdf",
            start=22,
            end=41,
            page=4,
            lang="en",
            metadata={"year": 2022, "heading": "Beta"},
        ),
    ]


def test_front_matter_comes_first_as_lines_and_spans_all_of_it() -> None:
    lines = tuple(f"key{n}: " + " ".join(["value"] * 39) for n in range(10))
    document = Document(id="d", source="d", text="---\n…\n---\nBody.", front=lines, front_span=(0, 9))
    made = list(passages(document, 100, 0))
    assert [len(p.text.split()) for p in made] == [200, 200]
    assert "\n".join(p.text for p in made) == "\n".join(lines)
    assert all((p.start, p.end, p.metadata["front_matter"]) == (0, 9, True) for p in made)


def test_the_language_is_the_one_named_or_else_the_text_s() -> None:
    chinese, english = whole("这是中文。"), whole("This is English.")
    assert [p.lang for d in (chinese, english) for p in passages(d, 100, 0)] == ["zh", "en"]
    assert [p.lang for p in passages(english, 100, 0, "zh")] == ["zh"]


_TEXT = st.text(
    alphabet=st.sampled_from(list("ab. ,\n。，！水火-#1\u3000")) | st.characters(blacklist_categories=["Cs"]),
    max_size=600,
)


def _covers(text: str, spans: Sequence[tuple[int, int]]) -> bool:
    place = 0
    for start, end in spans:
        if start > place and text[place:start].strip():
            return False
        place = max(place, end)
    return not text[place:].strip()


@given(text=_TEXT, words=st.integers(10, 40), share=st.floats(0, 0.5))
def test_spans_are_exact_bounded_in_order_and_lose_nothing(text: str, words: int, share: float) -> None:
    document = whole(text)
    made = list(passages(document, words, int(words * share)))
    assert all(text[p.start : p.end] == p.text == p.text.strip() != "" for p in made)
    assert len({p.id for p in made}) == len(made)
    assert all(a.start < b.start and a.end < b.end for a, b in pairwise(made))
    assert all(length(p.text) <= 1.25 * words + 1 for p in made)
    assert _covers(text, [(p.start, p.end) for p in made])


@given(st.lists(st.integers(2, 30), min_size=1, max_size=40), st.integers(40, 60), st.integers(0, 20))
def test_sentences_that_fit_are_never_cut(sizes: list[int], words: int, overlap: int) -> None:
    text = " ".join(" ".join(["Word"] * (size - 1) + ["end."]) for size in sizes)
    starts = {span.start for span in sentences(text)}
    ends = {span.end for span in sentences(text)}
    made = list(cut(text, Section(start=0, end=len(text)), words, overlap))
    assert all(span.start in starts and span.end in ends for span in made)
    fresh = [
        length(text, max(a.end, b.start), b.end) for a, b in zip([made[0]._replace(end=0), *made], made, strict=False)
    ]
    assert len(made) == 1 or min(fresh) > 0


@pytest.mark.parametrize("unit", ["word ", "x", "水", "a, ", "Sentence one. ", "\n", "- item\n"])
def test_a_huge_line_takes_linear_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    begun = time.process_time()
    count = sum(1 for _ in cut(text, Section(start=0, end=len(text)), 100, 15))
    assert (count > 100) == bool(unit.strip())
    assert time.process_time() - begun < 20
