"""Results of short texts are remembered, those of long ones computed again."""

from dsp.text.kept import SHORT, kept


def test_short_texts_are_computed_once_and_long_ones_each_time() -> None:
    seen: list[int] = []

    @kept
    def size(text: str) -> int:
        seen.append(len(text))
        return len(text)

    for text in ("a" * SHORT, "b" * (SHORT + 1)):
        assert [size(text), size(text)] == [len(text)] * 2
    assert seen == [SHORT, SHORT + 1, SHORT + 1]
