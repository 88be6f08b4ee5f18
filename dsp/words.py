"""Words of English and Chinese text, for lexical search, for comparing answers and for checking quotes."""

import re
import unicodedata

_TOKEN = re.compile(r"[0-9]+(?:[.,][0-9]+)*%?|[^\W\d_]+(?:[0-9]+)?|[0-9]+[^\W\d_]+")
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")


def normal(text: str) -> str:
    """The text in one form: compatibility characters folded (NFKC), case folded."""
    return unicodedata.normalize("NFKC", text).casefold()


def cjk_share(text: str) -> float:
    """The share of Chinese characters among the letters of a text, from 0 to 1."""
    letters = [c for c in text if c.isalpha()]
    return sum(bool(_CJK.match(c)) for c in letters) / len(letters) if letters else 0.0


def language(text: str) -> str:
    """`zh` where at least a fifth of the letters are Chinese, else `en`."""
    return "zh" if cjk_share(text) >= 0.2 else "en"


def words(text: str) -> list[str]:
    """Words and numbers in order; a run of Chinese gives its character bigrams (a lone character, itself)."""
    found: list[str] = []
    for piece in re.split(rf"({_CJK.pattern})", normal(text)):
        if _CJK.fullmatch(piece):
            found.extend([piece] if len(piece) == 1 else [piece[i : i + 2] for i in range(len(piece) - 1)])
        else:
            found.extend(_TOKEN.findall(piece))
    return found
