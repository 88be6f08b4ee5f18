"""The lexical side: BM25 as it is defined, in two languages."""

import math

import numpy as np
import pytest

from dsp.errors import IndexCorrupt
from dsp.index.glossary import english_words, glossary
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


def test_a_chinese_question_finds_an_english_passage_by_its_words() -> None:
    scores = build(TEXTS).scores("哪个模型用文本生成音乐？")
    assert scores.argmax() == 3 and scores[2] > 0 == scores[0]


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


def test_the_longest_term_of_the_glossary_wins() -> None:
    terms = glossary()
    assert "训练数据" in terms and "训练" in terms
    assert english_words("用了哪些训练数据") == terms["训练数据"]
    assert english_words("no Chinese here") == ""
    assert all(term and words and words.isascii() for term, words in terms.items())
