"""What became of one question: the answer with its scores, what was found and read on the way, what it cost."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dsp.errors import UsageError
from dsp.evaluation.benchmark import document_id
from dsp.evaluation.metrics import Metric
from dsp.index.protocol import hits_from
from dsp.lm.protocol import completion_of
from dsp.record.calls import Crossing
from dsp.runner import Prediction
from dsp.text.matching import held_by
from dsp.types import JSON, Example, Hit, Passage

_MARKER = re.compile(r"\s*\[\d{1,3}\]")
_LONGEST = 2000


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one run asked for; tokens are those of the replies, also where they came from the journal."""

    requests: int = 0
    completions: int = 0
    searches: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One question answered by one program, or failed, in which case `error` says how and there are no scores.

    `reach` is the share of the gold passages retrieved after each hop, `read` that in the final context; where a set
    names no gold passages, 1 where a passage holds a gold answer. `confidence` is that of the answer (see
    `confidence_of`), `recorded` counts the requests to the LM that the journal answered. `calls` are its keys.
    """

    program: str
    question: str
    text: str
    answers: tuple[str, ...] = ()
    type: str = ""
    conversation: str = ""
    answer: str = ""
    cited: str = ""
    scores: Mapping[str, float | None] = field(default_factory=dict)
    reach: tuple[float, ...] = ()
    read: float | None = None
    ranking: tuple[str, ...] = ()
    cost: Cost = Cost()
    seconds: float = 0.0
    confidence: float | None = None
    recorded: int = 0
    run: str = ""
    calls: tuple[str, ...] = ()
    error: str = ""
    message: str = ""

    @property
    def failed(self) -> bool:
        """Whether there is no answer to score."""
        return bool(self.error)

    def json(self) -> dict[str, JSON]:
        """The outcome as a line of a run folder."""
        return {**vars(self), "scores": dict(self.scores), "cost": dict(vars(self.cost))}


def outcome_from(record: Mapping[str, Any]) -> Outcome:
    """The outcome that `json` wrote."""
    tuples = {name: tuple(record[name]) for name in ("answers", "reach", "ranking", "calls")}
    return Outcome(**{**record, **tuples, "cost": Cost(**record["cost"])})


def answered(program: str, question: Example, prediction: Prediction, metrics: Sequence[Metric]) -> Outcome:
    """The scored outcome of a run; raises what a metric raises, with its name."""
    hops = list(searches_by_hop(prediction.crossings))
    found = [hit.passage for hop in hops for hit in hop]
    documents = {passage.id: document_id(passage) for passage in found}
    context = [p for p in prediction.example.get("context", ()) if isinstance(p, Passage) and not p.is_summary]
    found_order = ranking(hops)
    fields = {
        **_given(question),
        "prediction": bare(str(prediction.example.answer)),
        "cited_answer": prediction.answer,
        "citations": prediction.citations,
        "passages": found,
        "ranking": found_order,
        "history": (*question.get("history", ()), str(question.question)),
    }
    if "facts" in prediction.example:
        fields["predicted_facts"] = prediction.example.facts
    so_far = [[hit.passage for hop in hops[: place + 1] for hit in hop] for place in range(len(hops))]
    return Outcome(
        **_about(program, question),
        answer=fields["prediction"],
        cited=prediction.answer,
        scores={metric.name: _score(metric, fields, question) for metric in metrics},
        reach=tuple(share for passages in so_far if (share := _reached(question, passages, documents)) is not None),
        read=_reached(question, context, documents),
        ranking=tuple(found_order),
        cost=_cost(prediction.crossings),
        seconds=prediction.seconds,
        confidence=confidence_of(prediction),
        recorded=sum(crossing.cached for crossing in prediction.crossings if crossing.door == "lm"),
        run=prediction.run,
        calls=tuple(call.key for crossing in prediction.crossings for call in crossing.calls),
    )


def failure(program: str, question: Example, error: BaseException) -> Outcome:
    """The outcome of a question that gave no answer."""
    message = " ".join(str(error).split())[:_LONGEST].encode("utf-8", "replace").decode()
    return Outcome(**_about(program, question), error=type(error).__name__, message=message)


def confidence_of(prediction: Prediction) -> float | None:
    """How sure the program was, from 0 to 1: its own `confidence` (a share of votes), or else the mean probability
    of the tokens of its last completion; None where there is neither.
    """
    own = prediction.example.get("confidence")
    if isinstance(own, int | float) and not isinstance(own, bool) and 0 <= own <= 1:
        return round(float(own), 4)
    asked = [crossing.calls[0] for crossing in prediction.crossings if crossing.door == "lm"]
    mean = completion_of(asked[-1]).mean_logprob if asked else None
    return None if mean is None else round(min(1.0, math.exp(mean)), 4)


def conversations(outcomes: Sequence[Outcome]) -> list[str] | None:
    """What each outcome belongs to, where there are conversations, whose turns depend on each other."""
    if not any(outcome.conversation for outcome in outcomes):
        return None
    return [outcome.conversation or f"\0{outcome.question}" for outcome in outcomes]


def bare(answer: str) -> str:
    """The answer without markers of citations."""
    return _MARKER.sub("", answer).strip()


def searches_by_hop(crossings: Sequence[Crossing]) -> list[list[Hit]]:
    """The hits of each hop; a hop ends where the LM is asked again."""
    hops: list[list[Hit]] = []
    searching = False
    for crossing in crossings:
        if crossing.door == "lm":
            searching = False
            continue
        if not searching:
            hops.append([])
        searching = True
        hops[-1].extend(hits_from(crossing.calls[0].reply))
    return hops


def ranking(hops: Sequence[Sequence[Hit]]) -> list[str]:
    """Documents as one ranking: of several searches first all that came first, then all that came second, …"""
    hits = sorted((hit for hop in hops for hit in hop), key=lambda hit: hit.rank)
    return list(dict.fromkeys(document_id(hit.passage) for hit in hits))


def _given(question: Example) -> dict[str, Any]:
    return {name: question.get(name) for name in ("answers", "gold", "facts") if question.get(name)}


def _about(program: str, question: Example) -> dict[str, Any]:
    return {
        "program": program,
        "question": str(question.id),
        "text": str(question.question),
        "answers": tuple(map(str, question.get("answers", ()))),
        "type": str(question.get("type", "")),
        "conversation": str(question.get("conversation", "")),
    }


def _score(metric: Metric, fields: Mapping[str, Any], question: Example) -> float | None:
    """None where this question has no gold for the metric, although others of the set have."""
    if any(name in ("answers", "gold", "facts") and not question.get(name) for name in metric.needs):
        return None
    try:
        value = metric.score(fields)
    except Exception as error:
        raise UsageError(f"the metric {metric.name} failed: {type(error).__name__}: {error}") from error
    return None if value is None else float(value)


def _reached(question: Example, passages: Sequence[Passage], documents: Mapping[str, str]) -> float | None:
    gold = question.get("gold", ())
    relevant = {n for n, grade in gold.items() if grade > 0} if isinstance(gold, Mapping) else set(gold)
    if relevant:
        there = {documents.get(passage.id) or document_id(passage) for passage in passages}
        return len(relevant & there) / len(relevant)
    if question.get("answers"):
        return float(held_by((f"{p.title}\n{p.text}" for p in passages), question.answers))
    return None


def _cost(crossings: Sequence[Crossing]) -> Cost:
    asked = [crossing for crossing in crossings if crossing.door == "lm"]
    calls = [call for crossing in asked for call in crossing.calls]
    return Cost(
        requests=len(asked),
        completions=len(calls),
        searches=len(crossings) - len(asked),
        prompt_tokens=sum(call.prompt_tokens for call in calls),
        completion_tokens=sum(call.completion_tokens for call in calls),
    )
