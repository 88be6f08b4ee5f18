"""Demonstrations as an artefact: one readable JSON file that says where each of them came from."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsp.catalog import LoadedProgram
from dsp.demonstrate import Annotated, Annotation
from dsp.errors import IntegrityError, StorageError, UsageError
from dsp.index.protocol import Retriever, hits_from
from dsp.lm.protocol import LM
from dsp.parameters import example_from, example_json
from dsp.record.calls import key_of
from dsp.text.words import normal_answer
from dsp.types import JSON, NOTHING, Demos, Example

VERSION = 1
KIND = "dsp demonstrations"


@dataclass(frozen=True, kw_only=True)
class WorkedStep:
    """What one stage of a run was given and what it wrote; `template` is the JSON of the template it was written by."""

    stage: str
    template: Mapping[str, Any]
    inputs: Example
    outputs: Example

    @property
    def example(self) -> Example:
        """Inputs and outputs together, as a prompt shows them."""
        return self.inputs.but(**self.outputs.fields())


@dataclass(frozen=True, kw_only=True)
class WorkedDemo:
    """A training question that a run answered to the judge's satisfaction, and that run.

    `searches` holds the query of each search and the ids of the passages it found.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    answer: str
    value: float
    attempt: int
    searches: tuple[tuple[str, tuple[str, ...]], ...]
    steps: tuple[WorkedStep, ...]


@dataclass(frozen=True, kw_only=True)
class DemoSet:
    """Demonstrations with their origin: `origin` holds program, lm, stages, retriever, judge, seed, tries, …"""

    origin: Mapping[str, Any]
    raw: tuple[Example, ...] = ()
    worked: tuple[WorkedDemo, ...] = ()

    @property
    def demos(self) -> Demos:
        """What a program takes as `demos=`."""
        stages: dict[str, list[Example]] = {}
        for demo in self.worked:
            for step in demo.steps:
                stages.setdefault(step.stage, []).append(step.example.but(id=demo.id))
        return Demos(raw=self.raw, worked={stage: tuple(examples) for stage, examples in stages.items()})

    def holding(self, question: str) -> str | None:
        """The training id of the demonstration of this very question; None where none is."""
        asked = normal_answer(question)
        shown = [(demo.id, demo.question) for demo in self.worked]
        shown += [(str(x.get("id", "raw")), str(x.get("question", ""))) for x in self.raw]
        return next((id_ for id_, told in shown if normal_answer(told) == asked), None)

    def json(self) -> dict[str, JSON]:
        """The file's content, its sha256 included."""
        rest: dict[str, JSON] = {
            "kind": KIND,
            "version": VERSION,
            **self.origin,
            "raw": [example_json(x) for x in self.raw],
            "worked": [_demo_json(demo) for demo in self.worked],
        }
        return {**rest, "sha256": key_of(rest)}


def demo_set(
    annotation: Annotation,
    *,
    program: LoadedProgram,
    lm: LM,
    retriever: Retriever | None,
    judge: str,
    stages: Mapping[str, LM] = NOTHING,
    raw: Sequence[Example] = (),
    **more: JSON,
) -> DemoSet:
    """What annotating gave, with its origin; of `raw` only what no worked demonstration was made from is kept.

    Equal runs give equal files: nothing in them tells one time or one recorded run from another.
    """
    used = {normal_answer(str(annotated.example.question)) for annotated in annotation.accepted}
    origin: dict[str, JSON] = {
        "program": {"name": program.name, "sha256": program.sha256},
        "lm": {"name": lm.name, "identity": dict(lm.identity)},
        "stages": {stage: {"name": own.name, "identity": dict(own.identity)} for stage, own in sorted(stages.items())},
        "retriever": {"name": retriever.name, "identity": dict(retriever.identity)} if retriever else None,
        "judge": judge,
        **more,
        "report": annotation.report,
    }
    return DemoSet(
        origin=origin,
        raw=tuple(x for x in raw if normal_answer(str(x.question)) not in used),
        worked=tuple(_worked(annotated, number) for number, annotated in enumerate(annotation.accepted, start=1)),
    )


def save(found: DemoSet, path: Path, *, over: bool = False) -> None:
    """Write the file, whole or not at all; UsageError where there is one already, unless `over`."""
    if path.exists() and not over:
        raise UsageError(f"there is a file {path} already; name another one, or say that it may be written over")
    text = json.dumps(found.json(), ensure_ascii=False, indent=1, allow_nan=False)
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("wb") as file:
            file.write((_encodable(text) + "\n").encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}; name another place") from error
    finally:  # where an error or Ctrl-C came between
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def load(path: Path) -> DemoSet:
    """The demonstrations of a file.

    Raises UsageError where it is no such file or of another version, IntegrityError where it is not as it was written.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}; give a file of demonstrations") from None
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{path} is no JSON ({error}); annotate again, or take a copy that is whole") from None
    if not isinstance(record, dict) or record.get("kind") != KIND:
        raise UsageError(f"{path} holds no demonstrations; `dsp demos annotate` writes such files")
    if record.get("version") != VERSION:
        raise UsageError(
            f"{path} is of version {record.get('version')!r}, and this dsp reads version {VERSION}; "
            "annotate again, or use the dsp that wrote it"
        )
    try:
        rest = {name: value for name, value in record.items() if name != "sha256"}
        if key_of(rest) != record.get("sha256"):
            raise IntegrityError(f"{path} was altered: its content is not what its sha256 says; annotate again")
        return _from(rest)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"{path} is incomplete ({type(error).__name__}: {error}); annotate again") from None


def _from(rest: Mapping[str, Any]) -> DemoSet:
    origin = {name: value for name, value in rest.items() if name not in ("kind", "version", "raw", "worked")}
    for name in ("name", "sha256"):
        if not isinstance(origin["program"][name], str):
            raise TypeError(f"the program's {name} is no text")
    return DemoSet(
        origin=origin,
        raw=tuple(map(example_from, rest["raw"])),
        worked=tuple(map(_demo_from, rest["worked"])),
    )


def _worked(annotated: Annotated, number: int) -> WorkedDemo:
    example, prediction = annotated.example, annotated.prediction
    searches = [crossing.calls[0] for crossing in prediction.crossings if crossing.door == "retriever"]
    return WorkedDemo(
        id=str(example.get("id", number)),
        question=str(example.question),
        answers=tuple(map(str, example.answers)),
        answer=str(prediction.example.answer),
        value=annotated.value,
        attempt=annotated.attempt,
        searches=tuple((str(c.request["query"]), tuple(h.passage.id for h in hits_from(c.reply))) for c in searches),
        steps=tuple(
            WorkedStep(
                stage=step.stage,
                template=step.template.json(),
                inputs=Example(**{f.name: step.example.get(f.name) for f in step.template.inputs}),
                outputs=Example(**{f.name: step.example.get(f.name) for f in step.template.outputs}),
            )
            for step in prediction.steps
        ),
    )


def _demo_json(demo: WorkedDemo) -> dict[str, JSON]:
    return {
        "id": demo.id,
        "question": demo.question,
        "answers": list(demo.answers),
        "answer": demo.answer,
        "value": demo.value,
        "attempt": demo.attempt,
        "searches": [{"query": query, "passages": list(ids)} for query, ids in demo.searches],
        "steps": [
            {
                "stage": step.stage,
                "template": step.template,
                "inputs": example_json(step.inputs),
                "outputs": example_json(step.outputs),
            }
            for step in demo.steps
        ],
    }


def _demo_from(row: Mapping[str, Any]) -> WorkedDemo:
    return WorkedDemo(
        id=row["id"],
        question=row["question"],
        answers=tuple(row["answers"]),
        answer=row["answer"],
        value=row["value"],
        attempt=row["attempt"],
        searches=tuple((search["query"], tuple(search["passages"])) for search in row["searches"]),
        steps=tuple(
            WorkedStep(
                stage=step["stage"],
                template=step["template"],
                inputs=example_from(step["inputs"]),
                outputs=example_from(step["outputs"]),
            )
            for step in row["steps"]
        ),
    )


def _encodable(text: str) -> str:
    """JSON text that UTF-8 can hold: lone surrogates are written as escapes."""
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text)
