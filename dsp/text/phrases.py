"""Short answers: the phrase that answers a question, without what the question had said already."""

import re

from dsp.text.words import tokens

_ASKED = re.compile(r"\b(?:which|what|how many|how much|number of)((?:\s+[\w'’-]+){1,4})", re.IGNORECASE)
_MEASURE = "个位篇种项名条张次家所座部"
_ASKED_ZH = re.compile(rf"(?:多少|几|哪一|哪|什么)\s*[{_MEASURE}]?([\u4e00-\u9fff]{{2,8}})")
_CHOICE = re.compile(rf"\bor\b|还是|两[{_MEASURE}者家款]", re.IGNORECASE)
_LEAD = re.compile(r"(?:the answer is|it is|it was|答案是)\s*[:：]?\s*", re.IGNORECASE)
_QUOTES = "\"'“”‘’「」『』"


def phrase(answer: str, question: str) -> str:
    """The answer as a bare phrase: no lead-in, no quotation marks, no full stop, no noun that was asked for.

    "265 captions" becomes "265" where the question was "How many captions …?", "300 亿个标记" becomes "300 亿".
    """
    bare = _LEAD.sub("", answer.strip(), count=1).strip().strip(_QUOTES).rstrip("。.;；,，").strip()
    bare = bare if bare.count("(") == bare.count(")") else bare.rstrip(")").strip()
    return _without_unit_zh(_without_noun(bare, question), question) or answer.strip()


def echoes(answer: str, question: str) -> bool:
    """Whether an answer only repeats words of the question, although the question offers no choice."""
    said, asked = tokens(answer), set(tokens(question))
    return not said or (all(word in asked for word in said) and _CHOICE.search(question) is None)


def _without_noun(answer: str, question: str) -> str:
    for match in _ASKED.finditer(question):
        asked = match.group(1).lower().split()
        phrases = {tuple(asked[i:j]) for i in range(len(asked)) for j in range(i + 1, len(asked) + 1)}
        for words in sorted(phrases, key=len, reverse=True):
            head = answer.removesuffix(" " + " ".join(words))
            if head != answer and re.search(r"[A-Z0-9]", head) and head not in ("The", "A", "An"):
                return head.strip()
    return answer


def _without_unit_zh(answer: str, question: str) -> str:
    for match in _ASKED_ZH.finditer(question):
        noun = match.group(1)
        for end in range(len(noun), 1, -1):
            head = answer.removesuffix(noun[:end])
            bare = head.rstrip(_MEASURE + " ")
            if head != answer and re.search(r"[0-9A-Za-z亿万千百%]\Z", bare):
                return bare
    return answer
