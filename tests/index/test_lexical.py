"""The lexical side: BM25 as it is defined, in two languages."""

import math
from pathlib import Path

import numpy as np
import pytest

from dsp.catalog import shelf
from dsp.errors import IndexCorrupt, UsageError
from dsp.index.glossary import added_words, read_glossary
from dsp.index.lexical import Lexical, build

TEXTS = ["the cat sat on the mat", "a dog and a cat", "music generation from text", "音乐生成模型", ""]


def test_scores_are_those_of_the_formula() -> None:
    lengths = [3, 2, 3, 5, 0]  # cat sat mat; dog cat; music gener text; five pairs
    weight = math.log(1 + (5 - 2 + 0.5) / (2 + 0.5))
    average = sum(lengths) / 5
    expected = [weight / (1 + 1.2 * (0.25 + 0.75 * length / average)) for length in lengths[:2]]
    assert build(TEXTS).scores("cat") == pytest.approx([*expected, 0, 0, 0], rel=1e-5)


def test_a_term_asked_twice_counts_once() -> None:
    side = build(TEXTS)
    assert (side.scores("cat cat cats") == side.scores("cat")).all()


def test_a_chinese_question_finds_an_english_passage_by_the_words_of_the_glossary() -> None:
    side = build(TEXTS)
    question = "哪个模型用文本生成音乐？"
    assert side.scores(question)[2] == 0
    helped = Lexical(side.arrays, side.vocabulary, 5, {"文本": "text", "音乐": "music"}).scores(question)
    assert helped.argmax() == 3 and helped[2] > 0 == helped[0]
    assert helped[2] == pytest.approx(side.scores("text music")[2] / 2)


def test_unknown_words_score_nothing() -> None:
    assert build(TEXTS).scores("zebra").tolist() == [0] * 5
    assert build(TEXTS).scores("").tolist() == [0] * 5


@pytest.mark.parametrize("texts", [[], [""], ["", "?!"]])
def test_texts_without_terms_make_an_index_that_finds_nothing(texts: list[str]) -> None:
    side = build(texts)
    assert side.scores("cat").tolist() == [0] * len(texts)


def test_parts_that_do_not_fit_are_corruption() -> None:
    side = build(TEXTS)
    with pytest.raises(IndexCorrupt):
        Lexical(side.arrays, side.vocabulary, 2)
    with pytest.raises(IndexCorrupt):
        Lexical(side.arrays, {**side.vocabulary, "more": 999}, 5)
    with pytest.raises(IndexCorrupt):
        Lexical({**side.arrays, "data": side.arrays["data"][:-1]}, side.vocabulary, 5)
    with pytest.raises(IndexCorrupt):
        Lexical({**side.arrays, "indptr": np.roll(side.arrays["indptr"], 1)}, side.vocabulary, 5)


def test_the_longest_term_of_a_glossary_wins() -> None:
    glossary = {"训练": "training", "训练数据": "training data"}
    assert added_words("用了哪些训练数据来训练？", glossary) == "training data training"
    assert added_words("no Chinese here", glossary) == added_words("训练", {}) == ""


def test_the_glossary_of_the_default_index_is_one() -> None:
    glossary = read_glossary(shelf("indexes") / "digest" / "glossary.tsv")
    assert len(glossary) > 200 and all(words.isascii() for words in glossary.values())


@pytest.mark.parametrize("content", [b"no tab\n", b"term\t\n", b"\twords\n", b"\xff\xfe\t\xff\n"])
def test_a_broken_glossary_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "g.tsv").write_bytes("文本\ttext\n\n".encode() + content)
    with pytest.raises(UsageError, match=r"g\.tsv"):
        read_glossary(tmp_path / "g.tsv")
    with pytest.raises(UsageError, match="none"):
        read_glossary(tmp_path / "none.tsv")
