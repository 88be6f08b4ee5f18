"""Numbers are equal when they mean the same."""

import pytest

from dsp.text.numbers import numbers


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,836 tasks", "1836"),
        ("six planes", "6"),
        ("30 billion tokens", "300 亿个标记"),
        ("280,000 hours", "28 万小时"),
        ("175B", "1750 亿"),
        ("六个平面", "six planes"),
        ("7.30", "7.3"),
        ("３７０", "370"),
    ],
)
def test_equal_numbers(one: str, other: str) -> None:
    assert numbers(one) == numbers(other) != frozenset()


def test_words_that_only_look_like_numbers_are_none() -> None:
    assert numbers("someone often weighs tents") == frozenset()
    assert numbers("一般的方法") == frozenset()
