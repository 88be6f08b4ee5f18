"""Runs a program: both doors recorded, the answer cited, the run replayable."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dsp.catalog import LoadedProgram, function_program, load_program
from dsp.citations import cite
from dsp.errors import DSPError, ProgramError
from dsp.index.protocol import Retriever, hits_from
from dsp.index.replayed import ReplayedRetriever
from dsp.lm.cached import CachedLM
from dsp.lm.protocol import LM
from dsp.lm.replayed import ReplayedLM
from dsp.parameters import parameters_from, parameters_json
from dsp.record.calls import Crossing
from dsp.record.journal import RunRecord
from dsp.settings import in_force, using
from dsp.trace import Step, Trace, TracedLM, TracedRetriever, steps
from dsp.types import JSON, Citation, Example, Passage


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What one run of a program gives: the answer with its markers, the citations behind them, and what it cost.

    `supported` says whether every claim of the answer has a citation whose quote was found, or nearly; `verified`
    whether each has one that was found.
    `tokens` counts what a model processed in this run; recorded replies cost nothing.
    """

    question: str
    answer: str
    citations: tuple[Citation, ...]
    supported: bool
    verified: bool
    example: Example
    crossings: tuple[Crossing, ...]
    steps: tuple[Step, ...]
    run: str
    seconds: float
    tokens: int
    program: str
    index: str
    lm: str

    def json(self) -> dict[str, JSON]:
        """The prediction as `dsp ask --json` prints it."""
        return {
            "question": self.question,
            "answer": self.answer,
            "supported": self.supported,
            "verified": self.verified,
            "citations": [citation.json() for citation in self.citations],
            "run": self.run,
            "seconds": round(self.seconds, 3),
            "tokens": self.tokens,
            "program": self.program,
            "index": self.index,
            "lm": self.lm,
        }


def run(
    program: Callable[..., Example] | LoadedProgram | str,
    question: str,
    *,
    warn: Callable[[str], None] | None = None,
    **parameters: Any,
) -> Prediction:
    """Run a program on a question through the doors in force.

    `program` is a function, a loaded program, or a name or path. Where the journal cannot be written, `warn` is
    told once and the run goes on unrecorded. Raises what the program raises, with a note of the program's name.
    """
    loaded = _loaded(program)
    settings = in_force()
    trace = Trace(journal=settings.journal, warn=warn)
    trace.begin(_header(loaded, question, parameters, settings.lm, settings.retriever))
    lm = settings.lm if settings.lm is None or settings.journal is None else CachedLM(settings.lm, settings.journal)
    return _run(loaded, question, parameters, lm, settings.retriever, trace)


def replay(record: RunRecord, program: Callable[..., Example] | LoadedProgram | None = None) -> Prediction:
    """Run a recorded run again from its record alone: no model, no index, no network.

    Raises ReplayMiss where the program asks for something that the record does not hold.
    """
    header: Mapping[str, Any] = record.header
    loaded = _loaded(program or str(header["program"]["name"]))
    lm = ReplayedLM(record) if header["lm"] else None
    retriever = ReplayedRetriever(record) if header["retriever"] else None
    prediction = _run(
        loaded, str(header["question"]), parameters_from(header["parameters"]), lm, retriever, Trace(run=record.id)
    )
    outcome: Mapping[str, Any] = record.outcome or {}
    return replace(
        prediction,
        seconds=outcome.get("seconds", prediction.seconds),
        tokens=outcome.get("tokens", prediction.tokens),
    )


def _run(
    loaded: LoadedProgram,
    question: str,
    parameters: Mapping[str, Any],
    lm: LM | None,
    retriever: Retriever | None,
    trace: Trace,
) -> Prediction:
    started = time.perf_counter()
    traced_lm = TracedLM(lm, trace) if lm is not None else None
    traced_retriever = TracedRetriever(retriever, trace) if retriever is not None else None
    try:
        with using(lm=traced_lm, retriever=traced_retriever):
            example = _checked(loaded, loaded.function(question, **parameters))
    except Exception as error:
        if isinstance(error, DSPError):
            error.add_note(f"in program {loaded.name}")
        trace.end({"error": type(error).__name__, "message": str(error)})
        raise
    passages = _whole([p for p in example.get("context", ()) if isinstance(p, Passage)], trace.crossings)
    cited = cite(str(example.answer), passages, question=question)
    prediction = Prediction(
        question=question,
        answer=cited.answer,
        citations=tuple(_with_search(citation, trace.crossings) for citation in cited.citations),
        supported=cited.supported,
        verified=cited.verified,
        example=example,
        crossings=tuple(trace.crossings),
        steps=steps(trace.spoken, example),
        run=trace.run,
        seconds=time.perf_counter() - started,
        tokens=trace.tokens,
        program=loaded.name,
        index=retriever.name if retriever else "",
        lm=lm.name if lm else "",
    )
    trace.end(prediction.json())
    return prediction


def _loaded(program: Callable[..., Example] | LoadedProgram | str) -> LoadedProgram:
    if isinstance(program, LoadedProgram):
        return program
    return load_program(program) if isinstance(program, str) else function_program(program)


def _header(
    loaded: LoadedProgram,
    question: str,
    parameters: Mapping[str, Any],
    lm: LM | None,
    retriever: Retriever | None,
) -> dict[str, JSON]:
    """What a replay needs to know, and what tells one experiment from another."""
    return {
        "program": {"name": loaded.name, "path": str(loaded.path), "sha256": loaded.sha256},
        "question": question,
        "parameters": parameters_json(parameters),
        "lm": {"name": lm.name, "identity": dict(lm.identity), "style": lm.style} if lm else None,
        "retriever": {"name": retriever.name, "identity": dict(retriever.identity)} if retriever else None,
    }


def _checked(loaded: LoadedProgram, result: object) -> Example:
    if not isinstance(result, Example):
        raise ProgramError(f"{loaded.name} returned {type(result).__name__}; a program returns an Example")
    if "answer" not in result:
        there = ", ".join(result) or "no fields"
        raise ProgramError(
            f"{loaded.name} returned an Example without an answer (it has: {there}); add x.but(answer=...)"
        )
    return result


def _whole(context: Sequence[Passage], crossings: Iterable[Crossing]) -> list[Passage]:
    """The passages of a context as they were retrieved, where a program showed only a part of them."""
    found: dict[str, Passage] = {}
    for crossing in crossings:
        if crossing.door == "retriever":
            for hit in hits_from(crossing.calls[0].reply):
                found.setdefault(hit.passage.id, hit.passage)
    return [found.get(passage.id, passage) for passage in context]


def _with_search(citation: Citation, crossings: Iterable[Crossing]) -> Citation:
    """The citation with the hop and the query that first found its passage; a hop ends where the LM is asked again."""
    hop, searching = 0, False
    for crossing in crossings:
        if crossing.door == "lm":
            searching = False
            continue
        hop += not searching
        searching = True
        (call,) = crossing.calls
        reply: Mapping[str, Any] = call.reply
        if any(hit["passage"]["id"] == citation.passage.id for hit in reply["hits"]):
            return replace(citation, hop=hop, query=str(call.request["query"]))
    return citation
