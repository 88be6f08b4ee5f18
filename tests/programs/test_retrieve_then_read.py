"""retrieve_then_read reads English sentences for questions in other languages, too."""

from dsp.catalog import load_program
from dsp.lm.protocol import Request
from dsp.settings import using
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import Passage

PASSAGES = (
    Passage(
        id="dsp", title="DSP", text="No weights are changed. The experiments use ColBERTv2 as the retrieval model."
    ),
    Passage(id="flan", title="Flan", text="The collection holds 1,836 tasks. It is large."),
)


def said(request: Request) -> str:
    return " Which retrieval model do the experiments use?" if request.stage == "translate" else " ColBERTv2"


def test_a_question_in_chinese_is_translated_for_the_choice_of_sentences() -> None:
    lm = ScriptedLM(said)
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)):
        x = load_program("retrieve_then_read").function("实验使用哪个检索模型？", tokens=15)
    assert [request.stage for request in lm.requests] == ["translate", "answer"]
    assert lm.requests[0].prompt.endswith("Question: 实验使用哪个检索模型？\nEnglish:")
    assert [p.text for p in x.context] == ["The experiments use ColBERTv2 as the retrieval model."]
    assert "Which retrieval model" not in lm.requests[1].prompt.rpartition("Context:")[2]


def test_a_question_in_english_is_not() -> None:
    lm = ScriptedLM(said)
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)):
        load_program("retrieve_then_read").function("Which retrieval model is used?")
    assert [request.stage for request in lm.requests] == ["answer"]
