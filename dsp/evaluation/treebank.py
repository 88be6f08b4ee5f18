"""English words as CMRC's script splits them: NLTK's word tokenizer (Penn Treebank rules), for one line, no sentences.

The rules are applied in the order of the tokenizer; each rewrites the whole line, and blanks separate the words.
"""

import re

_CLITICS = "re|ve|ll|m|t|s|d|n"
_QUOTES_AFTER = "\u00bb\u201d\u2019"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        ("([\u00ab\u201c\u2018\u201e]|`+)", r" \1 "),
        (r'^"', "``"),
        (r"(``)", r" \1 "),
        (r"([ (\[{<])(\"|'{2})", r"\1 `` "),
        (rf"(?i)(?<!\w)(')(?!(?:{_CLITICS})\b)(?=\w)", r"\1 "),
        (rf"([^.])(\.)([\])}}>\"' {_QUOTES_AFTER}]*)\s*$", r"\1 \2 \3 "),
        (r"([:,])([^\d])", r" \1 \2"),
        (r"([:,])$", r" \1 "),
        (r"\.{2,}", r" \g<0> "),
        (r"[;@#$%&]", r" \g<0> "),
        ("[\u2012-\u2015]", r" \g<0> "),
        (r"([^.])(\.)([\])}>\"']*)\s*$", r"\1 \2\3 "),
        (r"[?!]", r" \g<0> "),
        (r"([^'])' ", r"\1 ' "),
        (r"\*", r" \g<0> "),
        (r"[\]\[(){}<>]", r" \g<0> "),
        (r"--", r" -- "),
        (r"\A|\Z", " "),
        (f"([{_QUOTES_AFTER}])", r" \1 "),
        (r"''", r" '' "),
        (r'"', r" '' "),
        (r"\s+", " "),
        (r"([^' ])('[sS]|'[mM]|'[dD]|') ", r"\1 \2 "),
        (r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", r"\1 \2 "),
        (r"(?i)\b(can)(not)\b", r" \1 \2 "),
        (r"(?i)\b(d)('ye)\b", r" \1 \2 "),
        (r"(?i)\b(gim)(me)\b", r" \1 \2 "),
        (r"(?i)\b(gon)(na)\b", r" \1 \2 "),
        (r"(?i)\b(got)(ta)\b", r" \1 \2 "),
        (r"(?i)\b(lem)(me)\b", r" \1 \2 "),
        (r"(?i)\b(more)('n)\b", r" \1 \2 "),
        (r"(?i)\b(wan)(na)(?=\s)", r" \1 \2 "),
        (r"(?i) ('t)(is)\b", r" \1 \2 "),
        (r"(?i) ('t)(was)\b", r" \1 \2 "),
    )
)


def english_words(text: str) -> list[str]:
    """The words and marks of a text, in order."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.split()
