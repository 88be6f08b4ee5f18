"""The reader without a model: what it quotes, and that templates read what it writes."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp import fields
from dsp.citations import cite
from dsp.errors import Rejected
from dsp.lm.extractive import ExtractiveLM, best_sentence
from dsp.lm.protocol import Request
from dsp.template import Template
from dsp.types import Example, Passage

QA = Template("Answer.", inputs=(fields.context(), fields.question()), outputs=(fields.answer(),))
HOP = Template("Search.", inputs=(fields.context(), fields.question()), outputs=(fields.rationale(), fields.query()))
COT = Template("Think.", inputs=(fields.context(), fields.question()), outputs=(fields.rationale(), fields.answer()))

PASSAGES = (
    Passage(
        id="1",
        title="Demonstrate-Search-Predict",
        text="DSP was written at Stanford. Its experiments use ColBERTv2 as the retriever. It appeared in 2022.",
    ),
    Passage(
        id="2",
        title="PADL",
        text="PADL steers simulated characters. The motion set has 265 captions for 131 clips. "
        "Training was supervised by Jordan Juravsky and Yunrong Guo.",
    ),
    Passage(id="3", title="水印", text="水印论文发表于二〇二三年。这种水印需要知道 z 阈值为 4。作者来自马里兰大学。"),
)


def reply(template: Template, question: str, context: tuple[Passage, ...] = PASSAGES, **how: object) -> str:
    request = Request(template=template, example=Example(question=question, context=context), **how)  # type: ignore[arg-type]
    (answer,) = ExtractiveLM().complete([request])
    return answer.completions[0].text


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("Which retriever do the DSP experiments use?", "Its experiments use ColBERTv2 as the retriever."),
        ("In which year did DSP appear?", "It appeared in 2022."),
        ("How many captions are in PADL's motion set?", "The motion set has 265 captions for 131 clips."),
        ("Who supervised the training of PADL?", "Training was supervised by Jordan Juravsky and Yunrong Guo."),
        ("水印的作者来自哪所大学？", "作者来自马里兰大学。"),
        ("水印的 z 阈值是多少？", "这种水印需要知道 z 阈值为 4。"),
    ],
)
def test_the_sentence_that_holds_the_answer_is_quoted(question: str, sentence: str) -> None:
    assert best_sentence(question, PASSAGES) == sentence
    assert QA.read(reply(QA, question)).values == {"answer": sentence}


def test_its_answer_is_found_by_the_check_of_citations() -> None:
    question = "How many captions are in PADL's motion set?"
    cited = cite(QA.read(reply(QA, question)).values["answer"], PASSAGES, question=question)
    assert cited.supported and cited.citations[0].passage.id == "2" and cited.citations[0].verdict == "found"


def test_a_number_counts_only_where_it_is_not_the_question_s() -> None:
    passages = ("In 2022 the model was large.", "The model was published in 2019 by them.")
    assert best_sentence("When was the model published, if not in 2022?", passages) == passages[1]


def test_a_query_is_the_question_and_a_rationale_one_line() -> None:
    assert HOP.read(reply(HOP, "Who wrote DSP?")).values == {
        "rationale": "DSP was written at Stanford.",
        "query": "Who wrote DSP?",
    }
    assert COT.read(reply(COT, "谁写的？")).values["rationale"] == "资料中写道："


def test_it_goes_on_behind_what_is_begun() -> None:
    written = reply(COT, "In which year did DSP appear?", begun={"rationale": "because"})
    assert COT.read(written, {"rationale": "because"}).values == {"answer": "It appeared in 2022."}


def test_all_samples_are_equal_and_counted() -> None:
    request = Request(template=QA, example=Example(question="Who?", context=PASSAGES), n=3, temperature=1.0)
    (answer,) = ExtractiveLM().complete([request])
    assert len(answer.completions) == 3 and len(set(answer.completions)) == 1


def test_without_passages_the_answer_is_empty() -> None:
    assert QA.read(reply(QA, "Who?", ())).values == {"answer": ""}


def test_a_template_without_a_question_is_refused() -> None:
    template = Template("Rate.", inputs=(fields.answer(),), outputs=(fields.rationale(),))
    with pytest.raises(Rejected, match="no input 'question'"):
        ExtractiveLM().complete([Request(template=template, example=Example(answer="x"))])


@given(st.lists(st.text(max_size=80), max_size=4), st.text(max_size=40))
def test_any_text_is_quoted_verbatim_and_read_back(texts: list[str], question: str) -> None:
    passages = tuple(Passage(id=str(i), text=text) for i, text in enumerate(texts))
    sentence = best_sentence(question, passages)
    assert sentence == "" or any(sentence in text for text in texts)
    assert QA.read(reply(QA, question, passages)).values == {"answer": sentence}


TIES = """
import hashlib
import random
from dsp.lm.extractive import best_sentence
chance, words, chosen = random.Random(3), [f"word{n}" for n in range(40)], []
for _ in range(200):
    asked = chance.sample(words, 12)
    held, others = asked[:8], [chance.sample(words, 5) for _ in range(6)]
    equal = [" ".join(chance.sample([*held, f"own{n}a", f"own{n}b"], 10)) + "." for n in range(4)]
    pool = [*equal, *(" ".join(other) + "." for other in others)]
    chosen.append(best_sentence(" ".join(asked) + "?", pool))
print(hashlib.sha256("".join(chosen).encode()).hexdigest())
"""


def test_equal_sentences_are_chosen_alike_in_every_process() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", TIES], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "12345"
    }
    assert len(said) == 1
