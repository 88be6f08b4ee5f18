"""What crossed the doors during one run, in order: what citations, replay, cost and demonstrations read."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from dsp.errors import Busy, IntegrityError, StorageError
from dsp.index.around import AroundRetriever
from dsp.index.filters import Where
from dsp.index.protocol import Retriever, describe_search, hits_json, search_where
from dsp.lm import crossing
from dsp.lm.around import AroundLM
from dsp.lm.protocol import LM, Reply, Request, reply_calls
from dsp.parameters import is_recordable
from dsp.record.calls import Call, Crossing, key_of
from dsp.record.journal import Journal
from dsp.template import Field, Template
from dsp.text.values import written_value
from dsp.types import JSON, NOTHING, Example, Hit


@dataclass
class Trace:
    """The crossings of one run so far; each is appended to the journal as it happens, where there is one.

    Where the journal cannot be written, `warn` is told once and the run goes on unrecorded; without `warn` it is an
    error. `at` names the step that the run has come to: a stage, or a search.
    """

    run: str = ""
    journal: Journal | None = None
    warn: Callable[[str], None] | None = None
    crossings: list[Crossing] = field(default_factory=list)
    spoken: list[tuple[Request, Reply]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    at: str = ""

    def begin(self, header: Mapping[str, JSON]) -> None:
        """Record the start of the run; its id is then in `run`."""
        with self._kept() as journal:
            if journal is not None:
                self.run = journal.begin(header)

    def cross(self, stage: str, calls: Sequence[Call], *, cached: bool, seconds: float) -> None:
        """Keep one crossing."""
        crossing = Crossing(
            position=len(self.crossings), stage=stage, calls=tuple(calls), cached=cached, seconds=seconds
        )
        self.crossings.append(crossing)
        with self._kept() as journal:
            if journal is not None:
                journal.cross(self.run, crossing)

    def remark(self, text: str) -> None:
        """Keep a word about what no crossing shows, once."""
        if text not in self.remarks:
            self.remarks.append(text)

    @contextmanager
    def remarking(self) -> Iterator[None]:
        """For one block, what `remark` says is about this run."""
        token = _remarked.set(self)
        try:
            yield
        finally:
            _remarked.reset(token)

    def end(self, outcome: Mapping[str, JSON]) -> None:
        """Record how the run ended."""
        with self._kept() as journal:
            if journal is not None:
                journal.end(self.run, outcome)

    @property
    def tokens(self) -> int:
        """Tokens that a model processed."""
        return sum(crossing.tokens for crossing in self.crossings)

    @contextmanager
    def _kept(self) -> Iterator[Journal | None]:
        try:
            yield self.journal
        except (StorageError, IntegrityError, Busy) as error:
            if self.warn is None:
                raise
            self.journal, self.run = None, ""
            self.warn(f"this run is not recorded: {error}")


_remarked: ContextVar[Trace | None] = ContextVar("dsp_remarks", default=None)


def remark(text: str) -> None:
    """Say something about the run that is going on, where there is one: it stands in its trace and its record."""
    trace = _remarked.get()
    if trace is not None:
        trace.remark(text)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one stage was given and what it wrote: `example` holds just the fields of the stage's template."""

    stage: str
    example: Example
    template: Template


def steps(spoken: Sequence[tuple[Request, Reply]], final: Example) -> tuple[Step, ...]:
    """The stages of a run as worked examples, in order.

    Of several samples the first counts that agrees with the final example, else the first that can be read.
    A request that continued another one is part of that one's step.
    """
    found: list[Step] = []
    for request, reply in spoken:
        template = request.template
        written = [{**request.begun, **template.read(c.text, request.begun).values} for c in reply.completions]
        complete = [{f.name: f.read(w[f.name]) for f in template.outputs} for w in written if template.holds(w)]
        if not complete:
            continue
        agreeing = [w for w in complete if any(final.get(name) == value for name, value in w.items())]
        values = {**{f.name: request.example.get(f.name) for f in template.inputs}, **(agreeing or complete)[0]}
        example = Example(**{f.name: _recordable(f, values[f.name]) for f in template.fields})
        found.append(Step(stage=request.stage, example=example, template=template))
    return tuple(found)


def _recordable(field: Field, value: object) -> object:
    """The value as a record keeps it: one of a type as JSON, as it is written in a prompt."""
    if field.type is not None and value is not None:
        return written_value(field.type, value)
    return value if is_recordable(value) else str(value)


@dataclass(frozen=True)
class TracedLM(AroundLM):
    """An LM whose requests and replies are kept in a trace."""

    inner: LM
    trace: Trace

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """Ask the LM behind it and keep what was said."""
        self.trace.at = f"stage {requests[0].stage!r}" if requests else self.trace.at
        replies = crossing.complete(self.inner, requests)
        for request, reply in zip(requests, replies, strict=True):
            self.trace.spoken.append((request, reply))
            self.trace.cross(
                request.stage, reply_calls(self.inner, request, reply), cached=reply.cached, seconds=reply.seconds
            )
        return replies


@dataclass(frozen=True)
class TracedRetriever(AroundRetriever):
    """A retriever whose queries and hits are kept in a trace."""

    inner: Retriever
    trace: Trace

    def search(self, queries: Sequence[str], k: int, *, where: Where = NOTHING) -> list[list[Hit]]:
        """Ask the retriever behind it and keep what was found."""
        self.trace.at = "search"
        started = time.perf_counter()
        rankings = search_where(self.inner, queries, k, where)
        seconds = time.perf_counter() - started
        for query, hits in zip(queries, rankings, strict=True):
            request = describe_search(self.inner, query, k, where)
            call = Call(door="retriever", key=key_of(request), sample=0, request=request, reply=hits_json(hits))
            self.trace.cross("", [call], cached=False, seconds=seconds / len(queries))
        return rankings
