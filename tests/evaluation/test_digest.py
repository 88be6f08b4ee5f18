"""The questions of the default corpus: each answer stands in the text, and training gives no test question away."""

from pathlib import Path

import pytest

from dsp.evaluation.benchmark import load_benchmark
from dsp.text.matching import held_by
from dsp.text.words import normal_answer, words
from dsp.types import Example

CORPUS = Path(__file__).parents[2] / "indexes" / "digest"
DIGEST, CONVERSATIONS = load_benchmark("digest"), load_benchmark("digest_conversations")
TEST, TRAIN, TURNS = DIGEST.questions("test"), DIGEST.questions("train"), CONVERSATIONS.questions()


def supporting_texts(question: Example) -> list[str]:
    return [(CORPUS / source).read_text(encoding="utf-8") for source in question.gold]


@pytest.mark.parametrize("question", [*TRAIN, *TURNS], ids=lambda q: str(q.id))
def test_every_answer_stands_in_a_supporting_file(question: Example) -> None:
    texts = supporting_texts(question)
    for answer in question.answers:
        assert held_by(texts, [answer]), answer


def test_thirty_training_questions_of_every_type() -> None:
    assert len(TEST) == 60 and len(TRAIN) == 30
    assert {q.type for q in TRAIN} == {q.type for q in TEST} == {"single", "bridge", "intersection", "comparison", "zh"}
    assert sum(q.type == "zh" for q in TRAIN) == 8


def test_training_questions_repeat_no_fact_of_the_test() -> None:
    facts = {(frozenset(q.gold), normal_answer(answer)) for q in TEST for answer in q.answers}
    for question in TRAIN:
        assert not any((frozenset(question.gold), normal_answer(a)) in facts for a in question.answers), question.id


def test_training_questions_repeat_no_wording_of_the_test() -> None:
    for question in TRAIN:
        mine = set(words(question.question))
        for other in TEST:
            theirs = set(words(other.question))
            assert len(mine & theirs) / len(mine | theirs) < 0.5, (question.question, other.question)


def test_twenty_conversations_of_three_turns_with_their_history() -> None:
    assert len(TURNS) == 60
    for place in range(0, 60, 3):
        first, second, third = TURNS[place : place + 3]
        assert len({q.conversation for q in (first, second, third)}) == 1
        assert "history" not in first
        assert second.history == (first.question, first.answers[0])
        assert third.history == (*second.history, second.question, second.answers[0])


def test_drawn_conversations_stay_whole() -> None:
    drawn = CONVERSATIONS.questions(n=7, seed=3)
    assert len(drawn) == 7
    turns = [question.turn for question in drawn]
    assert sorted(turns) == ["1", "1", "1", "2", "2", "3", "3"]
    assert all(q.turn == "1" or q.history for q in drawn)
