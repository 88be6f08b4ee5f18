"""The reader without a model: it answers with the sentence of the passages that comes closest to the question."""

import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsp.errors import Rejected
from dsp.lm.protocol import Completion, Reply, Request, Style, Usage
from dsp.template import Field
from dsp.text.sentences import sentences
from dsp.text.words import language, normal, words
from dsp.types import JSON, Passage

_STOPWORDS = frozenset(
    "a an the of in on at to for and or is are was were be been by with which who whom whose what when where why how "
    "many much that this it its as from do does did has have had than not but into name named "
    "的 了 是 在 和 与 哪 什么 多少 哪个 哪些 几个 谁 是什 么 吗".split()
)
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_UNITS = "two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|hundred|thousand|million|billion"
_WANTED = (
    (
        re.compile(r"\bwhen\b|\b(?:what|which) (?:year|month|date|day)\b|何时|什么时候|哪一?[年月天日]|几[年月日]"),
        re.compile(rf"\b(?:1[5-9]|20)\d\d\b|\b(?:{_MONTHS})\b|\d月", re.IGNORECASE),
    ),
    (
        re.compile(
            r"\bhow (?:many|much|large|long|big|often|far|high|fast)\b|\bnumber of\b"
            r"|\bwhat (?:share|percentage|fraction|size)\b|多少|几[个位种层篇]|多[大长高快]|比例"
        ),
        re.compile(rf"\d|\b(?:{_UNITS})\b|[两三四五六七八九十百千万亿]", re.IGNORECASE),
    ),
    (
        re.compile(r"\bwho\b|\bwhom\b|\bwhose\b|\bauthors?\b|谁|哪位|作者"),
        re.compile(r"(?<!^)\b[A-Z][\w’'-]+(?: [A-Z][\w’'.-]*)+|·"),
    ),
)
"""How a question asks for a time, a number or a name, and how an answer of that kind looks."""
_TITLE, _KIND = 0.3, 0.2


@dataclass(frozen=True)
class _Sentence:
    text: str
    words: frozenset[str]
    title: frozenset[str]


@dataclass(frozen=True)
class ExtractiveLM:
    """An LM door without a model: answers are sentences quoted from the context, queries repeat the question.

    It reads the request's example, not its prompt, and writes the outputs as the template would: a query is the
    question, everything else the best sentence of the context, empty without one. For where no model is at hand, and
    to measure against.
    """

    name: str = "extractive"
    style: Style = "text"

    @property
    def identity(self) -> Mapping[str, JSON]:
        """The version of the rules below."""
        return {"backend": "extractive", "version": 2}

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request; all n completions are equal. Raises Rejected without a question."""
        return [_reply(request) for request in requests]


def best_sentence(question: str, passages: Sequence[Passage | str]) -> str:
    """The sentence of the passages that most probably holds the answer, verbatim; empty where there is none.

    A sentence scores the idf of the question's words that it holds (those in its passage's title count less), a
    bonus where it holds what the question asks for (a number, a date, a name) beyond the question's own.
    """
    pool = [sentence for passage in passages for sentence in _sentences(passage)]
    if not pool:
        return ""
    asked = _content(question)
    weight = _weights(asked, pool)
    total = math.fsum(weight.values()) or 1.0  # exact, so that no order of a set decides between equals
    kind = _kind(question)

    def score(sentence: _Sentence) -> float:
        held = math.fsum(weight[w] for w in asked & sentence.words)
        titled = math.fsum(weight[w] for w in asked & (sentence.title - sentence.words))
        bonus = _KIND if kind is not None and _holds_new(kind, sentence.text, question) else 0.0
        return (held + _TITLE * titled) / total + bonus

    return max(pool, key=score).text


def _reply(request: Request) -> Reply:
    started = time.perf_counter()
    question = request.example.get("question")
    if not isinstance(question, str):
        raise Rejected(
            "the extractive reader answers questions, and this template has no input 'question'; use a model"
        )
    outputs = [f for f in request.template.outputs if f.name not in request.begun]
    lines = [f"{f.label} {_value(f, question, request)}".rstrip() for f in outputs]
    text = "\n".join(lines).removeprefix(outputs[0].label)
    completions = (Completion(text=text),) * request.n
    usage = Usage(completion_tokens=len(words(text)))
    return Reply(completions=completions, usage=usage, seconds=time.perf_counter() - started)


def _value(f: Field, question: str, request: Request) -> str:
    """What the reader writes for one output, on one line that no label can be read from."""
    labels = [other.label for other in request.template.fields]
    if f.name == "query":
        return f.show(question, labels)
    if f.name == "rationale" and "answer" in (other.name for other in request.template.outputs):
        return "资料中写道：" if language(question) == "zh" else "The passages say so."
    return f.show(best_sentence(question, request.example.get("context") or ()), labels)


def _sentences(passage: Passage | str) -> list[_Sentence]:
    text, title = (passage, "") if isinstance(passage, str) else (passage.text, passage.title)
    titled = _content(title)
    spans = (text[start:end] for start, end in sentences(text))
    return [_Sentence(text=t, words=_content(t), title=titled) for t in spans if len(words(t)) > 2]


def _content(text: str) -> frozenset[str]:
    """The stems of a text's words, without those that every text holds."""
    return frozenset(_stem(word) for word in words(text) if word not in _STOPWORDS)


def _stem(word: str) -> str:
    if len(word) > 4 and word.isascii():
        for ending in ("ing", "ies", "ed", "es", "s"):
            if word.endswith(ending) and len(word) - len(ending) >= 3:
                return word[: -len(ending)]
    return word


def _weights(asked: frozenset[str], pool: Sequence[_Sentence]) -> Mapping[str, float]:
    """The idf of the question's words over the sentences; a word that none holds weighs nothing."""
    counts = Counter(word for sentence in pool for word in asked & (sentence.words | sentence.title))
    return {word: math.log(1 + len(pool) / counts[word]) if counts[word] else 0.0 for word in asked}


def _kind(question: str) -> re.Pattern[str] | None:
    """How an answer to the question looks: a time, a number or a name; None where that is open."""
    said = normal(question)
    return next((looks for asks, looks in _WANTED if asks.search(said)), None)


def _holds_new(kind: re.Pattern[str], text: str, question: str) -> bool:
    """Whether the sentence holds something of the kind that the question does not."""
    return any(match.group().casefold() not in question.casefold() for match in kind.finditer(text))
