"""Numbers as text states them: digits, number words, and the large units of English and Chinese."""

import re
import unicodedata

_UNDER_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: value for value, word in enumerate(_UNDER_TWENTY.split())} | {
    word: 10 * value for value, word in enumerate(_TENS.split(), start=2)
}
_CHINESE = dict(zip("零一二三四五六七八九十两", [*range(11), 2], strict=True))
_UNITS = {
    "hundred": 1e2, "thousand": 1e3, "k": 1e3, "million": 1e6, "m": 1e6, "billion": 1e9, "b": 1e9, "trillion": 1e12,
    "百": 1e2, "千": 1e3, "万": 1e4, "亿": 1e8,
}  # fmt: skip
_NUMBER = re.compile(
    rf"(?:(?P<digits>\d+(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?)|\b(?P<word>{'|'.join(_WORDS)})\b"
    rf"|(?P<chinese>[{''.join(_CHINESE)}](?=[百千万亿个位名种篇年月日层条项张])))"
    r"(?:[\s-]*(?P<unit>(?:hundred|thousand|million|billion|trillion)\b|[kmb](?![a-z])|[百千万亿]+))?",
    re.IGNORECASE,
)


def numbers(text: str) -> frozenset[float]:
    """The numbers that a text states: `1,836`, `six`, `30 billion` and `300 亿` (the last two are equal)."""
    return frozenset(_value(match) for match in _NUMBER.finditer(unicodedata.normalize("NFKC", text)))


def without_numbers(text: str) -> str:
    """The text with its numbers and their large units left out."""
    return _NUMBER.sub(" ", unicodedata.normalize("NFKC", text))


def _value(match: re.Match[str]) -> float:
    if match["digits"]:
        value = float(match["digits"].replace(",", ""))
    elif match["word"]:
        value = float(_WORDS[match["word"].casefold()])
    else:
        value = float(_CHINESE[match["chinese"]])
    for part in _parts(match["unit"]) if match["unit"] else []:
        value *= _UNITS[part]
    return round(value, 6)


def _parts(unit: str) -> list[str]:
    lowered = unit.casefold()
    return [lowered] if lowered in _UNITS else list(lowered)
