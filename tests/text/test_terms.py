"""What lexical search counts."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.text.terms import terms


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The cats of London", ["cat", "london"]),
        ("studies, studied, studying", ["study", "studi", "study"]),
        ("retriever retrieval retrieve retrieved", ["retriev"] * 4),
        ("Sapé and SAPE", ["sape", "sape"]),
        ("1,836 or 1836 layers", ["1836", "1836", "layer"]),
        ("version 3.5 and 3-17", ["version", "3.5", "3", "17"]),
        ("zero-shot", ["zeroshot", "zero", "shot"]),
        ("StyleGAN-T and CIFAR-10", ["stylegant", "cifar10"]),
        ("the network’s weights", ["network", "weight"]),
        ("音乐生成", ["音乐", "乐生", "生成"]),
        ("茶", ["茶"]),
        ("文摘第 9 条", ["文摘", "摘第", "9", "第9", "9条"]),
        ("第九条", ["第", "9", "第9", "9条"]),
        ("第二十三名", ["第", "23", "第23", "23名"]),
        ("第一百名", ["第一", "一百", "百名"]),
        ("the sixth entry", ["sixth", "6", "entry"]),
        ("用GPT回答", ["用", "gpt", "回答"]),
        ("検索モデル", ["検索", "索モ", "モデ", "デル"]),
        ("ＦＡＩＳＳ １２", ["faiss", "12"]),
        ("", []),
        ("?! — …", []),
    ],
)
def test_terms(text: str, found: list[str]) -> None:
    assert terms(text) == found


def test_a_question_and_its_passage_agree() -> None:
    asked = set(terms("Which retrieval model do the experiments use?"))
    assert {"retriev", "experi"} <= asked & set(terms("In experimental runs the retriever is ColBERTv2."))


@given(st.text())
@settings(max_examples=300)
def test_any_text_has_terms_without_blanks(text: str) -> None:
    assert all(term and not term.isspace() for term in terms(text))


def test_a_long_line_takes_linear_time() -> None:
    def seconds(size: int) -> float:
        started = time.perf_counter()
        terms("a-" * size + "字" * size + "9" * size)
        return time.perf_counter() - started

    seconds(1000)
    assert seconds(200_000) < 20
