"""A small experiment for the tests of runs and reports: twelve questions, two programs, scripted doors."""

from collections.abc import Callable
from typing import Any

from dsp.catalog import function_program
from dsp.evaluation.experiment import Entry, Experiment
from dsp.evaluation.metrics import find_metric
from dsp.fields import answer, context, question
from dsp.lm.protocol import Request
from dsp.predict import generate
from dsp.search import retrieve
from dsp.template import Template
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import Example, Passage

QA = Template("Answer.", inputs=(context(), question()), outputs=(answer(),))
CLOSED = Template("Answer.", inputs=(question(),), outputs=(answer(),))
CITIES = "Paris Rome Berlin Madrid Vienna Oslo Bern Prague Athens Dublin Lisbon Warsaw".split()
PASSAGES = tuple(
    Passage(id=f"p{i}", title=city, text=f"City number{i} is {city}.", source=f"d{i}") for i, city in enumerate(CITIES)
)
QUESTIONS = tuple(
    Example(
        id=f"q{i:02d}",
        question=f"Which is city number{i}?",
        answers=(city,),
        gold=(f"d{i}",),
        type="odd" if i % 2 else "even",
    )
    for i, city in enumerate(CITIES)
)


def reader(question: str, *, k: int = 1) -> Example:
    return generate(QA, Example(question=question, context=retrieve(question, k=k)), stage="answer")


def guesser(question: str) -> Example:
    return generate(CLOSED, Example(question=question), stage="answer")


def says(request: Request) -> str:
    """Right where a passage is shown, but for one; right for three without."""
    number = int(str(request.example.question).split("number")[1].rstrip("?"))
    shown = request.example.get("context")
    if shown:
        return "Atlantis" if number == 5 else str(shown[0].title)
    return CITIES[number] if number % 4 == 0 else "Atlantis"


def experiment(
    script: Callable[[Request], str] = says,
    programs: tuple[Callable[..., Example], ...] = (guesser, reader),
    metrics: tuple[str, ...] = ("exact_match", "f1", "recall@1"),
    **changes: Any,
) -> Experiment:
    fields: dict[str, Any] = {
        "benchmark": "cities",
        "split": "test",
        "seed": 0,
        "questions": QUESTIONS,
        "entries": tuple(Entry(program=function_program(program)) for program in programs),
        "metrics": tuple(find_metric(name) for name in metrics),
        "lm": ScriptedLM(script),
        "retriever": FixedRetriever(PASSAGES),
    }
    return Experiment(**{**fields, **changes})
