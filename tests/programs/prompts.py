"""The prompts of every program, as tests/golden keeps them; to write them anew: python -m tests.programs.prompts

A program is run on a training question first; the steps of that run are the demonstrations of the second one, whose
prompts these are. A program that brings its own demonstrations is shown with those.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dsp.catalog import load_program, names
from dsp.runner import run
from dsp.settings import using
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import NO_DEMOS, Demos, Example
from tests.programs.speaker import PASSAGES, QUESTION, Speaker

GOLDEN = Path(__file__).parents[1] / "golden"
RAW = Example(question="Who painted the ceiling?", answers=("Ida Holm",))
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "conversational": {"history": "Who is Ann?\nAnn is an engineer."},
    "retrieve_then_read+chinese": {"question": "安设计的桥建于哪一年？"},
    "self_ask": {},
    "self_ask+refined": {"refined": True},
}
"""Parameters, or a question, that show more of a program than the usual ones do."""


def prompts() -> dict[str, str]:
    """The first prompt of each stage, by the name of its file."""
    found: dict[str, str] = {}
    for variant in sorted({*names("programs"), *VARIANTS}):
        for stage, prompt in _stages(variant.partition("+")[0], VARIANTS.get(variant, {})).items():
            found[f"{variant}.{stage}.txt"] = prompt + "\n"
    return found


def _stages(name: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    program, lm = load_program(name), ScriptedLM(Speaker())
    question = parameters.get("question", QUESTION)
    parameters = {key: value for key, value in parameters.items() if key != "question"}
    own = program.parameters["demos"].default
    demos = Demos(raw=(RAW,), worked=_worked(name, parameters)) if own == NO_DEMOS else own
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)):
        run(program, question, demos=demos, **parameters)
    first: dict[str, str] = {}
    for request in lm.requests:
        first.setdefault(request.stage, request.prompt)
    return first


def _worked(name: str, parameters: Mapping[str, Any]) -> dict[str, tuple[Example, ...]]:
    with using(lm=ScriptedLM(Speaker()), retriever=FixedRetriever(PASSAGES[2:])):
        steps = run(load_program(name), "When was the tower built?", **parameters).steps
    return {step.stage: (step.example,) for step in reversed(steps)}


if __name__ == "__main__":
    for old in GOLDEN.glob("*.txt"):
        old.unlink()
    for file, prompt in prompts().items():
        (GOLDEN / file).write_text(prompt, encoding="utf-8")
