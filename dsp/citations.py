"""What stands behind an answer: markers, quotes, and whether the quotes are there.

An answer is split into claims (its sentences). A claim's own quotations, or the claim itself, are looked for in the
passage that its marker names, or, where it has none, in all of them; what is found, nearly found or not is said.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from dsp.text.kept import kept
from dsp.text.numbers import numbers, without_numbers
from dsp.text.sentences import Span, sentences
from dsp.text.words import normal, tokens
from dsp.types import Citation, Passage, Verdict

_MARKER = re.compile(r"\s*\[(\d{1,3})\]")
_QUOTATION = re.compile(r"[\"“「『«]([^\"“”「」『』«»]{12,})[\"”」』»]")
NEAR = 0.8
"""Share of a claim's words that one sentence must hold, in order, for the claim to be nearly there."""


@dataclass(frozen=True, kw_only=True)
class Cited:
    """An answer with its markers and the citations behind them.

    `supported`: there is a claim, and each has a citation whose quote was found, or nearly; `verified`: was found.
    """

    answer: str
    citations: tuple[Citation, ...]
    supported: bool
    verified: bool


@dataclass(frozen=True)
class _Match:
    verdict: Verdict
    number: int
    span: Span
    edit: str = ""
    affinity: float = 0.0


def cite(answer: str, passages: Sequence[Passage], *, question: str = "") -> Cited:
    """The answer with a marker after each claim, and a checked citation for each marker.

    Of several places that hold a claim, the one whose sentence shares most words with the question is quoted; none
    is in a summary, and a marker that names one counts as none.
    """
    citations: list[Citation] = []
    written: list[str] = []
    claims = _claims(answer)
    supported = verified = bool(claims)
    for claim in claims:
        text = _MARKER.sub("", claim)
        named = [int(n) for n in _MARKER.findall(claim)]
        cited = [_citation(text, n, passages, question) for n in named or [0]]
        kept = [c for c in cited if c is not None]
        supported &= any(c.verdict in ("found", "near") for c in kept)
        verified &= any(c.verdict == "found" for c in kept)
        citations.extend(c for c in kept if c.number not in {known.number for known in citations})
        written.append(_marked(text, [c.number for c in kept]))
    return Cited(answer="".join(written).strip(), citations=tuple(citations), supported=supported, verified=verified)


def _claims(answer: str) -> list[str]:
    """The sentences of an answer with the white space before them; a marker after a full stop stays with its claim."""
    ends = [span.end for span in sentences(answer)] or [len(answer)]
    pieces, start = [], 0
    for end in ends[:-1]:
        marker = re.match(r"(\s*\[\d{1,3}\])+", answer[end:])
        end += marker.end() if marker else 0
        if end > start:
            pieces.append(answer[start:end])
            start = end
    return [piece for piece in [*pieces, answer[start:]] if _MARKER.sub("", piece).strip()]


def _marked(text: str, markers: Sequence[int]) -> str:
    body = text.rstrip()
    shown = "".join(f" [{n}]" for n in dict.fromkeys(markers))
    if body[-1:] in ".。!?！？" and markers:
        return f"{body[:-1]}{shown}{body[-1]}"
    return body + shown


def _citation(claim: str, named: int, passages: Sequence[Passage], question: str) -> Citation | None:
    """The citation of one claim; `named` is the number of its marker, 0 where it has none."""
    quotations = _QUOTATION.findall(claim) or [claim]
    everywhere = [number for number, passage in enumerate(passages, start=1) if not passage.is_summary]
    if named > len(passages):
        return _unfound(named, Passage(id="", text=""))
    tried = [named] if named in everywhere else everywhere
    match = _best(quotations, tried, passages, question)
    if match is None and named in everywhere:
        other = _best(quotations, [n for n in everywhere if n != named], passages, question)
        if other is None:
            return _unfound(named, passages[named - 1])
        match = _Match("elsewhere", other.number, other.span)
    if match is None:
        return None
    passage = passages[match.number - 1]
    start, end = match.span
    return Citation(
        number=match.number if match.verdict != "elsewhere" else named,
        passage=passage,
        quote=passage.text[start:end],
        start=start,
        end=end,
        verdict=match.verdict,
        edit=match.edit,
    )


def _unfound(number: int, passage: Passage) -> Citation:
    return Citation(number=number, passage=passage, quote="", start=0, end=0, verdict="not found")


def _best(quotations: Sequence[str], tried: Sequence[int], passages: Sequence[Passage], question: str) -> _Match | None:
    """The best place for the quotations among the passages: found before near, then the closest to the question."""
    asked = set(_tokens(question))
    matches = [
        match
        for number in tried
        for quotation in quotations
        for span in _sentences(passages[number - 1].text)
        if (match := _match(quotation, number, passages[number - 1], span, asked))
    ]
    if not matches:
        return None
    return max(matches, key=lambda m: (m.verdict == "found", m.affinity, -m.number, -m.span.start))


def _match(quotation: str, number: int, passage: Passage, span: Span, asked: set[str]) -> _Match | None:
    sentence = passage.text[span.start : span.end]
    verdict: Verdict = "found"
    edit = ""
    if not holds(sentence, quotation):
        share, edit = _nearness(_tokens(quotation), _tokens(sentence))
        if share < NEAR or not numbers(quotation) <= numbers(sentence):
            return None
        verdict = "near"
    affinity = float(len(asked & {*_tokens(passage.title), *_tokens(sentence)}))
    return _Match(verdict, number, span, edit, affinity)


def holds(sentence: str, claim: str) -> bool:
    """Whether the sentence entails the claim: lexically (its words stand there, in order) or numerically."""
    wanted, there = _tokens(claim), _tokens(sentence)
    if not wanted:
        return False
    n = len(wanted)
    if any(there[i : i + n] == wanted for i in range(len(there) - n + 1)):
        return True
    if _squeezed(claim) in _squeezed(sentence) and len(_squeezed(claim)) > 3:
        return True
    stated = numbers(claim)
    return bool(stated) and stated <= numbers(sentence) and set(_tokens(without_numbers(claim))) <= set(there)


@kept
def _tokens(text: str) -> tuple[str, ...]:
    """The words of a text; many answers are looked for in the same sentences."""
    return tuple(tokens(text))


@kept
def _sentences(text: str) -> tuple[Span, ...]:
    return tuple(sentences(text))


@kept
def _squeezed(text: str) -> str:
    return "".join(c for c in normal(text) if c.isalnum())


def _nearness(wanted: Sequence[str], there: Sequence[str]) -> tuple[float, str]:
    """The share of the wanted words that stand in the other list in order, and the edit that would mend the rest.

    Nothing of both where too few of the words stand there in any order.
    """
    known = set(there)
    if len(wanted) < 2 or sum(word in known for word in wanted) < NEAR * len(wanted):
        return 0.0, ""
    matcher = SequenceMatcher(None, wanted, there, autojunk=False)
    blocks = [b for b in matcher.get_matching_blocks() if b.size]
    share = sum(b.size for b in blocks) / len(wanted)
    edits = [
        f"{' '.join(wanted[i1:i2]) or '∅'} → {' '.join(there[j1:j2][:6]) or '∅'}"
        for op, i1, i2, j1, j2 in matcher.get_opcodes()
        if op in ("replace", "delete")
    ]
    return share, "; ".join(edits)
