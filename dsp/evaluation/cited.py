"""Scores of citations: whether what an answer cites is there, and whether all that it claims is cited."""

import re
from collections.abc import Sequence

from dsp.evaluation.answer import predicted
from dsp.text.sentences import sentences
from dsp.types import Citation

_MARKER = re.compile(r"\s*\[(\d{1,3})\]")
_AFTER_STOP = re.compile(r"([.!?。！？])((?:\s*\[\d{1,3}\])+)")
_HOLDS = ("found", "near")


def citation_precision(citations: Sequence[Citation]) -> float | None:
    """The share of citations whose quote was found, or nearly; None where nothing was cited (see recall)."""
    if not citations:
        return None
    return sum(citation.verdict in _HOLDS for citation in citations) / len(citations)


def citation_recall(cited_answer: str, citations: Sequence[Citation]) -> float | None:
    """The share of claims (sentences) that carry the marker of a citation that holds; None for an empty answer."""
    holding = {citation.number for citation in citations if citation.verdict in _HOLDS}
    claims = _markers_of_claims(predicted(cited_answer))
    if not claims:
        return None
    return sum(bool(holding & markers) for markers in claims) / len(claims)


def _markers_of_claims(answer: str) -> list[set[int]]:
    """For each sentence the markers in it; those after its full stop belong to it too."""
    inside = _AFTER_STOP.sub(r"\2\1", answer)
    claims = [inside[span.start : span.end] for span in sentences(inside)]
    return [set(map(int, _MARKER.findall(claim))) for claim in claims if _MARKER.sub("", claim).strip()]
