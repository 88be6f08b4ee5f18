"""`dsp ask`: a question in, an answer with its sources out."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dsp.cli.options import (
    DebugFlag,
    DemosFlag,
    IndexFlag,
    JsonFlag,
    KFlag,
    LmsFlag,
    MaxCallsFlag,
    MaxSecondsFlag,
    MaxTokensFlag,
    ModeFlag,
    ProgramFlag,
    SettingsFlag,
    TraceFlag,
    UrlFlag,
)

if TYPE_CHECKING:
    from dsp.budget import Budget
    from dsp.catalog import LoadedProgram
    from dsp.configuration import Configuration
    from dsp.lm.protocol import LM, Request


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question; - reads it from standard input.")],
    program: ProgramFlag = None,
    index: IndexFlag = None,
    lm: LmsFlag = None,
    base_url: UrlFlag = None,
    k: KFlag = None,
    mode: ModeFlag = None,
    settings: SettingsFlag = None,
    demos: DemosFlag = None,
    max_calls: MaxCallsFlag = None,
    max_tokens: MaxTokensFlag = None,
    max_seconds: MaxSecondsFlag = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 where a claim has no quote that was found.")
    ] = False,
    trace: TraceFlag = False,
    show_prompt: Annotated[bool, typer.Option("--show-prompt", help="Show the prompts as they are sent.")] = False,
    no_call: Annotated[
        bool, typer.Option("--no-call", help="Search, show the first prompt, and ask no language model.")
    ] = False,
    json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Answer a question from an index, with sources.

    The answer carries markers such as [1]; each names a passage, whose quote is checked against its text.
    """
    from dsp.cli.doors import configured
    from dsp.cli.lms import parsed_lms
    from dsp.cli.parameters import budget_of
    from dsp.cli.questions import question_text

    asked, lms = question_text(question), parsed_lms(lm or ())
    chosen = configured(program=program, index=index, lm=lms.usual, base_url=base_url, k=k, mode=mode)
    wanted = Wanted(
        chosen=chosen,
        stages=lms.stages,
        settings=tuple(settings or ()),
        demos=demos,
        budget=budget_of(max_calls, max_tokens, max_seconds),
    )
    if no_call:
        _show_first_prompt(asked, wanted, json=json)
    else:
        _answer(asked, wanted, Shown(json=json, trace=trace, prompts=show_prompt, strict=strict))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How the question is to be answered: the configuration, LMs of single stages, parameters, demonstrations."""

    chosen: "Configuration"
    stages: Mapping[str, str]
    settings: tuple[str, ...]
    demos: Path | None
    budget: "Budget"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What is shown of a run, and how."""

    json: bool
    trace: bool
    prompts: bool
    strict: bool


def _answer(question: str, wanted: Wanted, shown: Shown) -> None:
    from dsp.cli import answer, crossings
    from dsp.cli.document import kept_clean, print_document
    from dsp.cli.doors import open_journal, open_retriever
    from dsp.cli.lms import open_lms
    from dsp.cli.progress import waiting
    from dsp.cli.terminal import note
    from dsp.cli.watchdog import watched
    from dsp.lm.listening import listening
    from dsp.runner import run
    from dsp.settings import using

    with kept_clean(shown.json):
        loaded, parameters = program_of(wanted, question)
        lm, stages = open_lms(wanted.chosen, wanted.stages)
        warm(lm)
        retriever = open_retriever(wanted.chosen)
        with (
            open_journal() as journal,
            using(lm=lm, stages=stages, retriever=retriever, journal=journal),
            watched(loaded.name, wanted.budget.seconds),
            waiting(f"asking {lm.name}") as show,
            listening(show) if show is not None and not shown.json else nullcontext(),
        ):
            prediction = run(
                loaded,
                question,
                warn=lambda text: note("Warning: ", text),
                budget=wanted.budget,
                parameters=parameters,
            )
    if shown.json:
        print_document(answer.prediction_json(prediction, trace=shown.trace or shown.prompts))
    else:
        if shown.prompts:
            crossings.show_prompts(prediction.crossings)
        answer.show_prediction(prediction, trace=shown.trace)
    if shown.strict:
        answer.require_found(prediction)


def _show_first_prompt(question: str, wanted: Wanted, *, json: bool) -> None:
    from dsp.cli.crossings import show_prompt
    from dsp.cli.document import kept_clean, print_document
    from dsp.cli.doors import open_retriever
    from dsp.cli.terminal import note
    from dsp.lm.protocol import describe

    with kept_clean(json):
        loaded, parameters = program_of(wanted, question)
        lm, request = _first_request(question, loaded, parameters, wanted, open_retriever(wanted.chosen))
    if request is None:
        note(f"The program {loaded.name} asked no language model.")
    elif json:
        cut = {"cut": list(request.cut)} if request.cut else {}
        print_document({"stage": request.stage, "program": loaded.name, **describe(lm, request), **cut})
    else:
        show_prompt(request.stage, describe(lm, request))
        if request.cut:
            note(f"Note: cut, so that it fits the model's window: {', '.join(request.cut)}")
    if request is None and json:
        print_document(None)


def _first_request(
    question: str, loaded: "LoadedProgram", parameters: dict[str, Any], wanted: Wanted, retriever: Any
) -> "tuple[LM, Request | None]":
    from dsp.cli.lms import open_lms
    from dsp.lm.unasked import Asked, UnaskedLM
    from dsp.runner import run
    from dsp.settings import using

    lm, stages = open_lms(wanted.chosen, wanted.stages, rendered=True)
    unasked = {stage: UnaskedLM(own) for stage, own in stages.items()}
    try:
        with using(lm=UnaskedLM(lm), stages=unasked, retriever=retriever):
            run(loaded, question, budget=wanted.budget, parameters=parameters)
    except Asked as asked:
        return stages.get(asked.request.stage, lm), asked.request
    return lm, None


def program_of(wanted: Wanted, question: str) -> "tuple[LoadedProgram, dict[str, Any]]":
    """The program, and its parameters with the demonstrations; a program that a project file names is told of."""
    from dsp.catalog import is_bare, load_program
    from dsp.cli.parameters import demonstrations, parameters_of
    from dsp.cli.terminal import note
    from dsp.cli.watchdog import watched

    setting = wanted.chosen.settings["program"]
    if setting.project and not is_bare(str(setting.value)):
        note(f"Note: running {setting.value}, which dsp.toml names.")
    name = wanted.chosen.text("program")
    with watched(name, wanted.budget.seconds):
        loaded = load_program(name)
    parameters = parameters_of(loaded, wanted.settings, wanted.chosen.settings["k"])
    return loaded, {**parameters, **demonstrations(wanted.demos, loaded, question)}


def warm(lm: "LM") -> None:
    """Let the LM begin to load while the index is opened and searched, where it can."""
    begin = getattr(lm, "warm", None)
    if begin is not None:
        begin()
