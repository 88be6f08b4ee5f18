"""Abbreviations, initials, headings, lists, and time: the harder cases of where sentences end."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.text.sentences import sentences


def split(text: str) -> list[str]:
    return [text[span.start : span.end] for span in sentences(text)]


@pytest.mark.parametrize(
    "parts",
    [
        ["Scores rose by 3.5 points.", "See https://arxiv.org/abs/2212.14024?v=1 for more."],
        ["Khattab et al. (2022) use it.", "So do we."],
        ["They tried RLHF, PPO etc.", "The rest failed."],
        ["See Fig. 3, Sec. IV and Tab. S1 for details.", "No. 5 is missing."],
        ["Was it open?", "The answer is no.", "Next came the licence."],
        ["Vincent Y. Zhao and Quoc V. Le wrote it.", "It won."],
        ["He moved to the U.S. in May.", "He liked the U.S.", "They did not."],
        ["Dr. Who met Mr. Bean vs. Prof. Xu.", "All lost."],
        ["“Really?” he asked.", "“Yes!”", "She left."],
        ["Models (e.g. T5, i.e. encoder-decoders) work.", "Others do not."],
        ["Published on Jan. 24, 2023.", "Accepted in Feb.", "Then printed."],
        ["Wait... what now?", "Nothing."],
    ],
)
def test_english_sentences_end_where_a_reader_ends_them(parts: list[str]) -> None:
    assert split(" ".join(parts)) == parts


@pytest.mark.parametrize(
    "parts",
    [
        ["DSP 简称演示。", "它分三步！", "真的吗？", "“是的。”", "完"],
        ["准确率为 51.4%（见表 2.1）。", "其余略。"],
        ["他说：“好……”", "于是走了。"],
    ],
)
def test_chinese_sentences_end_after_their_closing_quotes(parts: list[str]) -> None:
    assert split("".join(parts)) == parts


def test_headings_list_items_and_blank_lines_end_sentences() -> None:
    text = "# A title. With a stop\nFirst line\nof a paragraph\n\n- one\n- two. Three\n\n1. First item\n2. Second\n"
    text += "## Next\nEnd"
    assert split(text) == [
        "# A title. With a stop",
        "First line\nof a paragraph",
        "- one",
        "- two.",
        "Three",
        "1. First item",
        "2. Second",
        "## Next",
        "End",
    ]


@given(st.text(alphabet=st.sampled_from(list("aB1. .\n!?。，-#…”\u3000e.gNo"))))
def test_sentences_are_in_order_and_lose_nothing_but_white_space(text: str) -> None:
    place = 0
    for span in sentences(text):
        assert not text[place : span.start].strip()
        assert text[span.start : span.end] == text[span.start : span.end].strip() != ""
        place = span.end
    assert not text[place:].strip()


@pytest.mark.parametrize("unit", ["e.g. ", "1. ", "A. ", "word ", "a. b", "…", "Is it so. "])
def test_a_long_line_takes_linear_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    begun = time.process_time()
    assert sum(1 for _ in sentences(text)) >= 1
    assert time.process_time() - begun < 8
