"""Every citation is checked against the text: found, near, elsewhere, not found."""

import tracemalloc

from dsp.citations import cite
from dsp.types import Passage

DSP = Passage(id="dsp", text="No weights are changed. The retriever is ColBERTv2 and the LM is GPT-3.5.", title="DSP")
FLAN = Passage(id="flan", text="The full Flan Collection holds 1,836 tasks. It is large.", title="Flan")
ZH = Passage(id="zh", text="GPT-2 大约用 300 亿个标记训练。它很小。", title="MusicLM")


def test_a_short_answer_gets_the_sentence_that_holds_it() -> None:
    cited = cite("ColBERTv2", [FLAN, DSP], question="Which retriever is used?")
    (citation,) = cited.citations
    assert cited.answer == "ColBERTv2 [2]"
    assert cited.supported
    assert citation.verdict == "found"
    assert citation.quote == DSP.text[citation.start : citation.end]
    assert citation.quote == "The retriever is ColBERTv2 and the LM is GPT-3.5."


def test_of_several_places_the_one_closest_to_the_question_is_quoted() -> None:
    other = Passage(id="o", text="ColBERTv2 is older. Which retriever the experiments use: ColBERTv2.")
    (citation,) = cite("ColBERTv2", [other], question="Which retriever do the experiments use?").citations
    assert citation.quote.startswith("Which retriever")


def test_a_number_is_entailed_however_it_is_written() -> None:
    assert cite("1836", [FLAN]).citations[0].verdict == "found"
    assert cite("30 billion", [ZH]).citations[0].verdict == "found"


def test_a_different_number_is_never_near() -> None:
    cited = cite("The full Flan Collection holds 1,837 tasks.", [FLAN])
    assert not cited.supported
    assert cited.citations == ()


def test_an_answer_that_no_passage_holds_is_unsupported() -> None:
    cited = cite("BM25", [DSP, FLAN])
    assert (cited.answer, cited.citations, cited.supported) == ("BM25", (), False)


def test_nearly_the_same_words_are_near_with_the_edit() -> None:
    (citation,) = cite("The full Flan Collection has 1,836 tasks [1].", [FLAN]).citations
    assert citation.verdict == "near"
    assert citation.edit == "has → holds"


def test_a_marker_at_the_wrong_passage_is_elsewhere() -> None:
    cited = cite("The retriever is ColBERTv2 [1].", [FLAN, DSP])
    (citation,) = cited.citations
    assert (citation.verdict, citation.passage.id, citation.number) == ("elsewhere", "dsp", 1)
    assert not cited.supported


def test_a_marker_that_names_no_passage_is_not_found() -> None:
    (citation,) = cite("Nonsense [7].", [DSP]).citations
    assert (citation.verdict, citation.number, citation.quote) == ("not found", 7, "")


def test_an_explicit_quotation_is_what_is_checked() -> None:
    cited = cite('As it says, "The retriever is ColBERTv2 and the LM" [1].', [DSP])
    assert cited.citations[0].verdict == "found"
    forged = cite('As it says, "The retriever is a web search engine" [1].', [DSP])
    assert forged.citations[0].verdict == "not found"


def test_every_claim_needs_support() -> None:
    cited = cite("The retriever is ColBERTv2. It was trained on the moon.", [DSP])
    assert cited.answer == "The retriever is ColBERTv2 [1]. It was trained on the moon."
    assert not cited.supported


def test_chinese_answers_are_cited() -> None:
    cited = cite("300 亿", [ZH], question="GPT-2 用多少标记训练？")
    assert cited.citations[0].verdict == "found"
    assert cited.citations[0].quote == "GPT-2 大约用 300 亿个标记训练。"


def test_nothing_is_cited_for_an_empty_answer() -> None:
    assert cite("", [DSP]).supported is False
    assert cite("   ", [DSP]).answer == ""


def test_an_answer_that_is_only_a_marker_says_nothing_and_is_not_supported() -> None:
    """A small model copied the number of a passage for an answer; it was called supported."""
    cited = cite("[1]", [DSP])
    assert (cited.answer, cited.citations, cited.supported, cited.verified) == ("", (), False, False)


def test_nothing_of_a_text_without_an_end_is_kept() -> None:
    """A server that ignores `max_tokens` may send megabytes for each of a thousand questions."""
    tracemalloc.start()
    try:
        cite("warm " * 10_000, [DSP])
        before = tracemalloc.get_traced_memory()[0]
        for number in range(10):
            cite(f"Odense{number} " * 10_000, [DSP])
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()
