"""What lexical search counts: stemmed English words, numbers, names, and pairs of Chinese characters."""

import re
import unicodedata
from collections.abc import Iterator

# Chinese characters and Japanese kana: written without blanks, so that pairs of them stand for words.
_WIDE = "\u3041-\u3096\u30a1-\u30fa\u30fc\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_IS_WIDE = re.compile(f"[{_WIDE}]")
_TOKEN = re.compile(rf"[{_WIDE}]|[^\W_{_WIDE}]+(?:[-_.,'’·/][^\W_{_WIDE}]+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_JOINTS = re.compile(r"[-_.,'·/]")
_STOPPED = frozenset(
    "a an the of in on at to for and or is are was were be been by with from as that this these those it its "
    "which what who whom whose how many much when where do does did has have had not than then there their "
    "they he she his her into also".split()
)
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
_NUMBER_OF = {ordinal: str(number) for number, ordinal in enumerate(_ORDINALS, start=1)}
_CHINESE_ORDINAL = re.compile("第([一二三四五六七八九]?)(十?)([一二三四五六七八九]?)(?=[^一二三四五六七八九十百千万])")
_CHINESE_DIGITS = "零一二三四五六七八九"
_VOICED = "\u3099\u309a"  # the marks that make ba of ha in kana: other letters, not accents
_ENDINGS = ("ation", "ator", "ment", "ion", "al", "er", "or", "at", "iv")
_SHORTEST_ROOT = 5
_LONGEST = 64


def terms(text: str) -> list[str]:
    """The terms of a text in order, for search; accents and case are put aside.

    English words lose their endings and the commonest are left out. A compound gives itself without its hyphens, and
    its parts where one of them is an ordinary word: `zero-shot` gives zeroshot, zero, shot, but `CIFAR-10` only
    cifar10, for the parts of a name mislead. Chinese gives character pairs; a number beside a Chinese character
    pairs with it too (第9, 9条), even across a blank. Ordinals also count as numbers: sixth, 第六.
    """
    text = _CHINESE_ORDINAL.sub(_in_digits, _plain(text))
    found: list[str] = []
    before, end = "", 0
    for match in _TOKEN.finditer(text):
        token, gap = match.group(), text[end : match.start()]
        beside = before if before and not gap.strip() else ""
        if _IS_WIDE.match(token):
            follower = text[match.end() : match.end() + 1]
            found.extend(_of_wide(token, beside, bool(gap), _IS_WIDE.match(follower) is not None))
        else:
            found.extend(_of_word(token[:_LONGEST]))
            if token.isdigit() and _IS_WIDE.match(beside):
                found.append(beside + token[:_LONGEST])
        before, end = token[:_LONGEST], match.end()
    return found


def _plain(text: str) -> str:
    """The text without accents and compatibility characters; case is kept, for it tells names from words."""
    if text.isascii():
        return text
    letters = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text))
    kept = (c for c in letters if unicodedata.category(c) != "Mn" or c in _VOICED)
    return unicodedata.normalize("NFC", "".join(kept))


def _in_digits(ordinal: re.Match[str]) -> str:
    """第六 as 第6, 第二十三 as 第23; what only looks like one as it is."""
    before, ten, after = ordinal.groups()
    if not ten:
        return f"第{_CHINESE_DIGITS.index(before)}" if before and not after else ordinal.group()
    return f"第{(_CHINESE_DIGITS.index(before) if before else 1) * 10 + (_CHINESE_DIGITS.index(after) if after else 0)}"


def _of_wide(character: str, beside: str, gap: bool, goes_on: bool) -> Iterator[str]:
    """The pair of a Chinese character with what stands before it; alone where nothing stands beside it."""
    if _IS_WIDE.match(beside):
        if not gap:
            yield beside + character
    elif beside.isdigit():
        yield beside + character
    elif not goes_on:
        yield character


def _of_word(word: str) -> list[str]:
    word = word.replace("’", "'").removesuffix("'s")
    if _THOUSANDS.fullmatch(word):
        return [word.replace(",", "")]
    if not word.strip("0123456789."):
        return [word]
    parts = [part for part in _JOINTS.split(word) if part]
    low = [part.casefold() for part in parts]
    if len(parts) == 1:
        return [] if low[0] in _STOPPED else [_stem(low[0]), *(_NUMBER_OF.get(low[0], "").split())]
    if all(part.isdigit() for part in parts):
        return low
    ordinary = any(part.isalpha() and part.islower() and part not in _STOPPED for part in parts)
    return ["".join(low)] + ([_stem(part) for part in low if part not in _STOPPED] if ordinary else [])


def _stem(word: str) -> str:
    """An English word without plural s, then -ing or -ed, a final e, and endings such as -al; others as they are."""
    if not (word.isascii() and word.isalpha()) or len(word) < 4:
        return word
    word = _singular(word)
    for suffix in ("ing", "ed") if len(word) > 5 else ():
        root = word.removesuffix(suffix)
        if root != word and len(root) >= 3 and any(vowel in root for vowel in "aeiouy"):
            word = root[:-1] if root[-1] == root[-2] and root[-1] not in "lsz" else root
            break
    return _root(word[:-1] if len(word) > 4 and word.endswith("e") else word)


def _root(word: str) -> str:
    """A word without the endings that make nouns and adjectives of verbs: retriever, retrieval and retrieve agree."""
    for ending in _ENDINGS:
        if len(word) >= len(ending) + _SHORTEST_ROOT and word.endswith(ending):
            return _root(word.removesuffix(ending))
    return word


def _singular(word: str) -> str:
    if word.endswith("ies") and word[-4] not in "ae":
        return word[:-3] + "y"
    if word.endswith("es"):
        return word[:-1] if word[-3] not in "aeo" else word
    return word[:-1] if word.endswith("s") and word[-2] not in "us" else word
