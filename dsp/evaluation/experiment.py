"""What an evaluation is of: the questions, the programs and everything else that its scores depend on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dsp.catalog import LoadedProgram
from dsp.errors import UnknownName, UsageError
from dsp.evaluation.benchmark import check_gold, document_id
from dsp.evaluation.metrics import Metric, find_metric
from dsp.evaluation.questions import fingerprint
from dsp.index.protocol import Retriever
from dsp.lm.protocol import LM
from dsp.parameters import parameters_json
from dsp.stages import stages_of
from dsp.types import JSON, Example

FORMAT = 1
_MOST_CHECKED = 500_000
_OF_A_RUN = frozenset(("prediction", "cited_answer", "citations", "passages", "ranking", "history"))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A program that takes part, with the parameters that it is run with."""

    program: LoadedProgram
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name under which its outcomes stand."""
        return self.program.name


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Programs, the questions they are asked, the doors they ask through, the metrics; the first is the baseline.

    `stages` holds the LMs that are asked at single stages, by the programs that have these.
    """

    benchmark: str
    split: str
    seed: int
    questions: tuple[Example, ...]
    entries: tuple[Entry, ...]
    metrics: tuple[Metric, ...]
    lm: LM | None = None
    stages: Mapping[str, LM] = field(default_factory=dict)
    retriever: Retriever | None = None

    def __post_init__(self) -> None:
        names = [entry.name for entry in self.entries]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice:
            found = f"{twice[0]!r} is given twice" if twice else "none is given"
            raise UsageError(f"an evaluation needs programs, each of them once; {found}")
        ids = [str(question.id) for question in self.questions]
        again = next((id_ for id_, count in Counter(ids).items() if count > 1), None)
        if not ids or again is not None:
            found = "there is none" if not ids else f"{again!r} comes twice"
            raise UsageError(f"an evaluation needs questions, each with its own id; {found}")
        known = [stages_of(entry.program) for entry in self.entries]
        there = {stage for stages in known for stage in stages or ()}
        unknown = [] if None in known else [stage for stage in self.stages if stage not in there]
        if unknown:
            raise UnknownName("stage of these programs", unknown[0], there)
        if not self.metrics:
            raise UsageError("no metric can be computed for these questions; give them answers or gold passages")

    @property
    def lms(self) -> tuple[LM, ...]:
        """Every LM that may be asked."""
        return (*(() if self.lm is None else (self.lm,)), *self.stages.values())

    def stages_for(self, entry: Entry) -> dict[str, LM]:
        """The LMs for those stages that a program has, as far as its file can tell."""
        known = stages_of(entry.program) if self.stages else None
        return {stage: lm for stage, lm in self.stages.items() if known is None or stage in known}

    def header(self) -> dict[str, JSON]:
        """All that tells this experiment from another, as a run folder keeps it."""
        return {
            "format": FORMAT,
            "benchmark": self.benchmark,
            "split": self.split,
            "seed": self.seed,
            "n": len(self.questions),
            "questions": [str(question.id) for question in self.questions],
            "fingerprint": fingerprint(self.questions),
            "baseline": self.entries[0].name,
            "programs": {
                entry.name: {"sha256": entry.program.sha256, "parameters": parameters_json(entry.parameters)}
                for entry in self.entries
            },
            "order": [entry.name for entry in self.entries],
            "lm": None if self.lm is None else _about(self.lm),
            **({"stages": {stage: _about(lm) for stage, lm in sorted(self.stages.items())}} if self.stages else {}),
            "retriever": None if self.retriever is None else _about(self.retriever),
            "metrics": {metric.name: metric.version for metric in self.metrics},
            "primary": primary(self.metrics),
        }


def _about(door: LM | Retriever) -> dict[str, JSON]:
    return {"name": door.name, "identity": dict(door.identity)}


def primary(metrics: Sequence[Metric]) -> str:
    """The metric by which a question counts as right: the first of 0 and 1 over answers, or else the first."""
    binary = [m.name for m in metrics if m.binary and m.better == "higher" and "prediction" in m.needs]
    return (binary or [metric.name for metric in metrics])[0]


def fitting(names: Sequence[str], questions: Sequence[Example], *, demanded: bool) -> tuple[Metric, ...]:
    """The metrics of these names that can be computed for the questions.

    Raises UsageError for one that cannot where it was `demanded`, and UnknownName; otherwise it is left out.
    """
    there = _OF_A_RUN | {name for question in questions for name in question if question.get(name)}
    found = []
    for name in dict.fromkeys(names):
        metric = find_metric(name)
        missing = [need for need in metric.needs if need not in there and (need != "predicted_facts" or not demanded)]
        if missing and demanded:
            raise UsageError(f"{name} cannot be computed: no question has {', '.join(missing)}; leave it out")
        if not missing:
            found.append(metric)
    return tuple(found)


def check_index(experiment: Experiment) -> None:
    """UsageError where a metric needs gold passages that the index lacks; a server or huge index is not searched."""
    passages = getattr(experiment.retriever, "passages", None)
    if passages is None or not any("gold" in metric.needs for metric in experiment.metrics):
        return
    documents: set[str] = set()
    for number, passage in enumerate(passages):
        if number >= _MOST_CHECKED:
            return
        documents.add(document_id(passage))
    check_gold(experiment.questions, documents)


def changes(before: Mapping[str, Any], now: Mapping[str, Any], where: str = "") -> list[str]:
    """The fields in which two headers differ, by dotted name, with what stood and stands there."""
    found = []
    for name in sorted({*before, *now}):
        place = f"{where}{name}"
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += changes(old, new, f"{place}.")
        else:
            found.append(f"{place} (was {_short(old)}, is {_short(new)})")
    return found


def _short(value: object) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
