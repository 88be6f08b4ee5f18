"""Runs a program: both doors recorded, the answer cited, the run replayable."""

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from traceback import walk_tb
from typing import Any

from dsp.budget import GENEROUS, Budget, BudgetedLM, BudgetedRetriever, Meter, budget_from
from dsp.catalog import LoadedProgram, function_program, load_program, require_call
from dsp.citations import cite
from dsp.errors import ProgramError
from dsp.index.protocol import hits_from
from dsp.index.replayed import ReplayedRetriever
from dsp.lm.cached import CachedLM
from dsp.lm.protocol import LM, Reply, Request
from dsp.lm.replayed import ReplayedLM
from dsp.parameters import joined, parameters_from, parameters_json
from dsp.record.calls import Crossing
from dsp.record.journal import RunRecord
from dsp.settings import Settings, in_force, using, wrapped
from dsp.stages import require_stages, stages_of
from dsp.trace import Step, Trace, TracedLM, TracedRetriever, steps
from dsp.types import JSON, NOTHING, Citation, Example, Passage


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What one run of a program gives: the answer with its markers, the citations behind them, and what it cost.

    `supported` says whether the answer makes a claim and each has a citation whose quote was found, or nearly;
    `verified` whether each has one that was found.
    `stages` names the LMs of single stages, where other ones than `lm` were set for them.
    `spoken` is what was asked of them and said, in order.
    `remarks` say what no crossing shows, such as that passages were not reranked.
    `tokens` counts what a model processed in this run; recorded replies cost nothing.
    """

    question: str
    answer: str
    citations: tuple[Citation, ...]
    supported: bool
    verified: bool
    example: Example
    crossings: tuple[Crossing, ...]
    spoken: tuple[tuple[Request, Reply], ...] = field(repr=False)
    run: str
    seconds: float
    tokens: int
    program: str
    index: str
    lm: str
    stages: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    remarks: tuple[str, ...] = ()

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """What each stage was given and what it wrote, in order: worked examples."""
        return steps(self.spoken, self.example)

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
            "stages": dict(self.stages),
            **({"remarks": list(self.remarks)} if self.remarks else {}),
        }


def run(
    program: Callable[..., Example] | LoadedProgram | str,
    question: str,
    *,
    warn: Callable[[str], None] | None = None,
    budget: Budget = GENEROUS,
    parameters: Mapping[str, Any] = NOTHING,
    **more: Any,
) -> Prediction:
    """Run a program on a question through the doors in force.

    `program` is a function, a loaded program, or a name or path. Where the journal cannot be written, `warn` is
    told once and the run goes on unrecorded. It is told of an LM for a stage that the program never came to, too; where
    there is no `warn`, that is a Python warning.
    A parameter of the program that has a name of this function's own goes into `parameters`; others may as well.
    Raises what the program raises, with a note of where; BudgetExceeded where it asks for more than `budget` allows;
    ProgramError where it calls itself without end or returns no answer; UsageError for parameters and stages that
    it does not have.
    """
    loaded, given, settings = loaded_program(program), joined(parameters, more), in_force()
    require_call(loaded, given)
    require_stages(loaded, settings.stages)
    journal = settings.journal
    trace = Trace(journal=journal, warn=warn)
    trace.begin(_header(loaded, question, given, settings, budget))
    doors = settings if journal is None else wrapped(settings, lambda lm: CachedLM(lm, journal))
    prediction = _run(loaded, question, given, doors, trace, budget)
    never = sorted(settings.stages.keys() - {request.stage for request, _ in trace.spoken})
    if never and stages_of(loaded) is None:
        text = f"an LM is set for the stage {never[0]!r}, which {loaded.name} did not come to; {_came_to(trace)}"
        warnings.warn(text, stacklevel=2) if warn is None else warn(text)
    return prediction


def replay(record: RunRecord, program: Callable[..., Example] | LoadedProgram | None = None) -> Prediction:
    """Run a recorded run again from its record alone: no model, no index, no network.

    Raises ReplayMiss where the program asks for something that the record does not hold.
    """
    header: Mapping[str, Any] = record.header
    loaded = loaded_program(program or str(header["program"]["name"]))
    doors = Settings(
        lm=ReplayedLM(record) if header["lm"] else None,
        stages={stage: ReplayedLM(record, stage) for stage in header.get("stages", ())},
        retriever=ReplayedRetriever(record) if header["retriever"] else None,
    )
    budget = budget_from(header["budget"]) if "budget" in header else GENEROUS
    given = parameters_from(header["parameters"])
    prediction = _run(loaded, str(header["question"]), given, doors, Trace(run=record.id), budget)
    outcome: Mapping[str, Any] = record.outcome or {}
    return replace(
        prediction,
        seconds=outcome.get("seconds", prediction.seconds),
        tokens=outcome.get("tokens", prediction.tokens),
    )


def _run(
    loaded: LoadedProgram, question: str, parameters: Mapping[str, Any], doors: Settings, trace: Trace, budget: Budget
) -> Prediction:
    started = time.perf_counter()
    lm, retriever, meter = doors.lm, doors.retriever, Meter(loaded.name, budget)
    traced = wrapped(doors, lambda lm: TracedLM(BudgetedLM(lm, meter), trace))
    try:
        with (
            trace.remarking(),
            using(
                lm=traced.lm,
                stages=traced.stages,
                retriever=None if retriever is None else TracedRetriever(BudgetedRetriever(retriever, meter), trace),
            ),
        ):
            example = _checked(loaded, _called(loaded, question, parameters, trace))
    except Exception as error:
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
        spoken=tuple(trace.spoken),
        run=trace.run,
        seconds=time.perf_counter() - started,
        tokens=trace.tokens,
        program=loaded.name,
        index=retriever.name if retriever else "",
        lm=lm.name if lm else "",
        stages={stage: own.name for stage, own in sorted(doors.stages.items())},
        remarks=tuple(trace.remarks),
    )
    trace.end(prediction.json())
    return prediction


def loaded_program(program: Callable[..., Example] | LoadedProgram | str) -> LoadedProgram:
    """The program that a function, a loaded program, a name or a path means."""
    if isinstance(program, LoadedProgram):
        return program
    return load_program(program) if isinstance(program, str) else function_program(program)


def _called(loaded: LoadedProgram, question: str, parameters: Mapping[str, Any], trace: Trace) -> object:
    """What the program returns; its errors carry a note of where they came from."""
    try:
        return loaded.function(question, **parameters)
    except RecursionError as error:
        raise ProgramError(
            f"{loaded.name} calls itself without end{_place(loaded, error)}; let it return when it is done"
        ) from error
    except SystemExit as error:
        raise ProgramError(
            f"{loaded.name} ends the whole process, exit({error.code!r}){_place(loaded, error)}; "
            "a program returns an Example"
        ) from error
    except Exception as error:
        error.add_note(f"in program {loaded.name}{_place(loaded, error)}{f', {trace.at}' if trace.at else ''}")
        raise


def _place(loaded: LoadedProgram, error: BaseException) -> str:
    """The last line of the program's own file on the way to an error; empty where there is none."""
    lines = [number for frame, number in walk_tb(error.__traceback__) if Path(frame.f_code.co_filename) == loaded.path]
    return f", line {lines[-1]}" if lines else ""


def _header(
    loaded: LoadedProgram, question: str, parameters: Mapping[str, Any], doors: Settings, budget: Budget
) -> dict[str, JSON]:
    """What a replay needs to know, and what tells one experiment from another."""
    retriever = doors.retriever
    return {
        "program": {"name": loaded.name, "path": str(loaded.path), "sha256": loaded.sha256},
        "question": question,
        "parameters": parameters_json(parameters),
        "lm": _about(doors.lm) if doors.lm else None,
        "stages": {stage: _about(lm) for stage, lm in sorted(doors.stages.items())},
        "retriever": {"name": retriever.name, "identity": dict(retriever.identity)} if retriever else None,
        "budget": budget.json(),
    }


def _about(lm: LM) -> dict[str, JSON]:
    return {"name": lm.name, "identity": dict(lm.identity), "style": lm.style}


def _came_to(trace: Trace) -> str:
    came = dict.fromkeys(request.stage for request, _ in trace.spoken)
    return f"it came to: {', '.join(came)}" if came else "it asked no LM"


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
