"""focus keeps the sentences that bear on the question, in the order of the text, within the length."""

from dsp.evidence import focus
from dsp.text.words import token_estimate
from dsp.types import Passage

LONG = Passage(
    id="dsp",
    title="DSP",
    source="papers/03-dsp.md",
    text="No weights are changed. The retriever is ColBERTv2 and the LM is GPT-3.5. The corpora are Wikipedia dumps.",
)
OTHER = Passage(id="flan", title="Flan", text="The Flan Collection holds 1,836 tasks. It is large. It is also free.")
ZH = Passage(id="zh", title="MusicLM", text="GPT-2 大约用 300 亿个标记训练。它很小。它也很老。")


def test_the_sentence_that_shares_rare_words_with_the_question_comes_last() -> None:
    (*_, passage) = focus((OTHER, LONG), "Which retriever and which LM?", tokens=22)
    assert passage.id == "dsp"
    assert passage.text == "The retriever is ColBERTv2 and the LM is GPT-3.5."


def test_the_length_is_kept_and_sentences_stand_in_the_order_of_the_text() -> None:
    chosen = focus((LONG, OTHER), "dumps weights tasks", tokens=40)
    assert sum(token_estimate(p.text) for p in chosen) <= 40
    (dsp,) = (p for p in chosen if p.id == "dsp")
    assert dsp.text.index("weights") < dsp.text.index("dumps")


def test_what_is_kept_of_a_passage_is_still_that_passage() -> None:
    (passage,) = focus((LONG,), "retriever", tokens=22)
    assert (passage.id, passage.title, passage.source) == (LONG.id, LONG.title, LONG.source)


def test_without_shared_words_the_first_passages_win() -> None:
    assert focus((OTHER, LONG), "zzz", tokens=16)[-1].id == "flan"


def test_chinese_sentences_are_chosen_and_joined_without_blanks() -> None:
    (passage,) = focus((ZH,), "GPT-2 用多少标记训练？", tokens=24)
    assert passage.text.startswith("GPT-2 大约用 300 亿个标记训练。")
    assert " 它" not in passage.text


def test_lines_of_front_matter_are_chosen_one_by_one() -> None:
    card = Passage(
        id="card",
        text="title: A Watermark\nauthors: Kirchenbauer, Geiping\nvenue: ICML 2023\nlicence: CC",
        metadata={"front_matter": True},
    )
    (passage,) = focus((card,), "At which venue did it appear?", tokens=10)
    assert passage.text == "venue: ICML 2023"


def test_lines_that_repeat_the_title_are_not_read() -> None:
    card = Passage(id="card", title="T", text="title: T\nurl: x\nvenue: V", metadata={"front_matter": True})
    (passage,) = focus((card,), "title url venue")
    assert passage.text == "venue: V"


def test_nothing_gives_nothing() -> None:
    assert focus((), "q") == ()
    assert focus((LONG,), "q", tokens=0) == ()
