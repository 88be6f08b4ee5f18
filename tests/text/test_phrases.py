"""Answers as bare phrases, and answers that only repeat the question."""

import pytest

from dsp.text.phrases import echoes, phrase


@pytest.mark.parametrize(
    ("answer", "question", "bare"),
    [
        ("265 captions", "How many captions does the set have?", "265"),
        ("SWAG data set", "On which data set was it tuned?", "SWAG"),
        ("The answer is ColBERTv2.", "Which model is used?", "ColBERTv2"),
        ("“ICML 2023”", "At which conference?", "ICML 2023"),
        ("300 亿个标记", "GPT-2 用多少个标记训练？", "300 亿"),
        ("1750 亿参数", "有多少参数？", "1750 亿"),
        ("48 米", "青石桥全长多少米？", "48 米"),
        ("12 kbps", "at which bitrate?", "12 kbps"),
        ("data set", "Which data set?", "data set"),
        ("The model", "Which model is it?", "The model"),
        (".", "Which?", "."),
    ],
)
def test_an_answer_becomes_a_phrase(answer: str, question: str, bare: str) -> None:
    assert phrase(answer, question) == bare


@pytest.mark.parametrize(
    ("answer", "question", "is_echo"),
    [
        ("DSP", "Which retrieval model do the DSP experiments use?", True),
        ("ColBERTv2", "Which retrieval model do the DSP experiments use?", False),
        ("MuLan", "Which is older, MuLan or MusicLM?", False),
        ("GPT-3.5", "多模态思维链在哪个基准上超过了 GPT-3.5？", True),
        ("MuLan", "MuLan 和 MusicLM 两篇论文，哪一篇的年份更早？", False),
        ("", "Why?", True),
    ],
)
def test_an_answer_that_says_nothing_new_is_an_echo(answer: str, question: str, is_echo: bool) -> None:
    assert echoes(answer, question) is is_echo
