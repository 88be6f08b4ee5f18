"""Scores of a ranking against the gold passages, as trec_eval computes them (through ir-measures).

A ranking is a list of ids, best first; an id that comes again counts where it came first. Gold is a list of ids, or
a table of ids and grades, of which 0 means judged and not relevant.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from dsp.errors import UsageError

Gold = Sequence[str] | Mapping[str, int]
_MEASURE = re.compile(r"(R|RR|nDCG|AP|P)(?:@([1-9][0-9]*))?")


def recall(ranking: Sequence[str], gold: Gold, k: int) -> float:
    """The share of the relevant passages that stand among the first k."""
    return _score(f"R@{_depth(k)}", ranking, gold)


def all_gold(ranking: Sequence[str], gold: Gold, k: int) -> float:
    """1 where every relevant passage stands among the first k: what a multi-hop answer needs."""
    relevant = {name for name, grade in _graded(gold).items() if grade > 0}
    return float(relevant <= set(_distinct(ranking)[: _depth(k)]))


def reciprocal_rank(ranking: Sequence[str], gold: Gold, k: int) -> float:
    """One over the rank of the first relevant passage, 0 where none stands among the first k; MRR is its mean."""
    return _score("RR", _distinct(ranking)[: _depth(k)], gold)


def ndcg(ranking: Sequence[str], gold: Gold, k: int) -> float:
    """Normalised discounted cumulative gain of the first k, with grades as gains."""
    return _score(f"nDCG@{_depth(k)}", ranking, gold)


def trec_scores(
    run: Mapping[str, Mapping[str, float]], qrels: Mapping[str, Mapping[str, int]], measures: Sequence[str]
) -> dict[str, dict[str, float]]:
    """For each question of the qrels and each measure (`nDCG@10`, `R@5`, `RR`, `AP`, `P@10`) what trec_eval gives.

    `run` holds scores; equal ones are ordered as trec_eval does. A question that the run lacks scores 0.
    """
    import ir_measures

    wanted = {_measure(name): name for name in measures}
    scores = {question: dict.fromkeys(measures, 0.0) for question in qrels}
    for value in ir_measures.iter_calc(list(wanted), qrels, run):
        scores[value.query_id][wanted[value.measure]] = float(value.value)
    return scores


def _score(measure: str, ranking: Sequence[str], gold: Gold) -> float:
    graded = _graded(gold)
    ids = _distinct(ranking)
    run = {"q": {name: float(len(ids) - place) for place, name in enumerate(ids)}}
    return trec_scores(run, {"q": graded}, [measure])["q"][measure]


@lru_cache(maxsize=64)
def _measure(name: str) -> Any:
    import ir_measures

    match = _MEASURE.fullmatch(name)
    if match is None:
        raise UsageError(f"no ranking measure is called {name!r}; there are R, RR, nDCG, AP and P, with @k or without")
    measure = getattr(ir_measures, match[1])
    return measure @ int(match[2]) if match[2] else measure


def _graded(gold: Gold) -> dict[str, int]:
    if isinstance(gold, str):
        raise UsageError(f"gold passages are a list of ids, not the string {gold[:40]!r}; write [{gold[:40]!r}]")
    graded = dict(gold) if isinstance(gold, Mapping) else dict.fromkeys(gold, 1)
    if not any(grade > 0 for grade in graded.values()):
        raise UsageError("there is no relevant passage to look for; give at least one gold id")
    return graded


def _distinct(ranking: Sequence[str]) -> list[str]:
    if isinstance(ranking, str):
        raise UsageError(f"a ranking is a list of ids, not the string {ranking[:40]!r}")
    return list(dict.fromkeys(ranking))


def _depth(k: int) -> int:
    if k < 1:
        raise UsageError(f"k must be at least 1; found {k}")
    return k
