"""Matching answers: normalised, by word or by character, never fooled by an empty or a bare string."""

import pytest

from dsp.errors import UsageError
from dsp.text.matching import best_f1, best_precision, exactly, held_by


@pytest.mark.parametrize(
    ("prediction", "answers", "same"),
    [
        ("The ColBERTv2.", ["ColBERTv2"], True),
        ("ColBERT", ["ColBERTv2"], False),
        ("1,836", ["1836"], True),
        ("300亿", ["300 亿"], True),
        ("预测。", ["预测"], True),
        ("", ["x"], False),
    ],
)
def test_exact_match_is_on_normalised_text(prediction: str, answers: list[str], same: bool) -> None:
    assert exactly(prediction, answers) is same


def test_f1_and_precision_are_over_tokens() -> None:
    assert best_f1("Omar Khattab", ["Khattab"]) == pytest.approx(2 / 3)
    assert best_precision("Omar Khattab", ["Khattab"]) == pytest.approx(0.5)
    assert best_f1("x", ["y", "x"]) == 1.0


def test_a_passage_holds_an_answer_as_whole_words_only() -> None:
    assert held_by(["It uses ColBERTv2 here."], ["ColBERTv2"])
    assert not held_by(["It is in Romeo."], ["Rome"])
    assert held_by(["大约用 300 亿个标记"], ["300 亿"])


def test_an_answer_without_words_is_held_by_nothing() -> None:
    assert not held_by(["anything at all"], ["?"])


@pytest.mark.parametrize("answers", ["ColBERTv2", [], ()])
def test_gold_answers_are_a_list_of_at_least_one(answers: list[str]) -> None:
    with pytest.raises(UsageError, match="gold answer"):
        held_by(["x"], answers)
