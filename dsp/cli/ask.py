"""`dsp ask`: a question in, an answer with its sources out."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dsp.cli.options import DebugFlag, IndexFlag, JsonFlag, LmFlag, ModeFlag, ProgramFlag, UrlFlag

if TYPE_CHECKING:
    from dsp.catalog import LoadedProgram
    from dsp.configuration import Configuration
    from dsp.lm.protocol import LM, Request


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question; - reads it from standard input.")],
    program: ProgramFlag = None,
    index: IndexFlag = None,
    lm: LmFlag = None,
    base_url: UrlFlag = None,
    k: Annotated[int | None, typer.Option("--k", "-k", min=1, help="Passages for each search.")] = None,
    mode: ModeFlag = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the program; repeatable.")
    ] = None,
    demos: Annotated[
        Path | None, typer.Option("--demos", metavar="FILE", help="Demonstrations that `dsp demos annotate` wrote.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 where a claim has no quote that was found.")
    ] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Show every search and every request.")] = False,
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
    from dsp.cli.questions import question_text

    asked = question_text(question)
    chosen = configured(program=program, index=index, lm=lm, base_url=base_url, k=k, mode=mode)
    if no_call:
        _show_first_prompt(asked, chosen, settings or (), demos, json=json)
    else:
        shown = Shown(json=json, trace=trace, prompts=show_prompt, strict=strict)
        _answer(asked, chosen, settings or (), demos, shown)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What is shown of a run, and how."""

    json: bool
    trace: bool
    prompts: bool
    strict: bool


def _answer(question: str, chosen: "Configuration", settings: Sequence[str], demos: Path | None, shown: Shown) -> None:
    from dsp.cli import answer, crossings
    from dsp.cli.document import kept_clean, print_document
    from dsp.cli.doors import open_journal, open_lm, open_retriever
    from dsp.cli.parameters import demonstrations
    from dsp.cli.progress import waiting
    from dsp.cli.terminal import note
    from dsp.lm.listening import listening
    from dsp.runner import run
    from dsp.settings import using

    with kept_clean(shown.json):
        loaded, parameters = _program(chosen, settings)
        parameters |= demonstrations(demos, loaded, question)
        lm = open_lm(chosen)
        _warm(lm)
        retriever = open_retriever(chosen)
        with (
            using(lm=lm, retriever=retriever, journal=open_journal()),
            waiting(f"asking {lm.name}") as show,
            listening(show) if show is not None and not shown.json else nullcontext(),
        ):
            prediction = run(loaded, question, warn=lambda text: note("Warning: ", text), **parameters)
    if shown.json:
        document = prediction.json()
        if shown.trace or shown.prompts:
            document["trace"] = [crossings.crossing_json(crossing) for crossing in prediction.crossings]
        print_document(document)
    else:
        if shown.prompts:
            crossings.show_prompts(prediction.crossings)
        answer.show_prediction(prediction)
        if shown.trace:
            crossings.show_crossings(prediction.crossings)
    if shown.strict:
        answer.require_found(prediction)


def _show_first_prompt(
    question: str, chosen: "Configuration", settings: Sequence[str], demos: Path | None, *, json: bool
) -> None:
    from dsp.cli.crossings import show_prompt
    from dsp.cli.document import kept_clean, print_document
    from dsp.cli.doors import open_retriever
    from dsp.cli.parameters import demonstrations
    from dsp.cli.terminal import note
    from dsp.lm.protocol import describe

    with kept_clean(json):
        loaded, parameters = _program(chosen, settings)
        parameters |= demonstrations(demos, loaded, question)
        lm, request = _first_request(question, loaded, parameters, chosen, open_retriever(chosen))
    if request is None:
        note(f"The program {loaded.name} asked no language model.")
    elif json:
        print_document({"stage": request.stage, "program": loaded.name, **describe(lm, request)})
    else:
        show_prompt(request.stage, describe(lm, request))
    if request is None and json:
        print_document(None)


def _first_request(
    question: str, loaded: "LoadedProgram", parameters: dict[str, Any], chosen: "Configuration", retriever: Any
) -> "tuple[LM, Request | None]":
    from dsp.cli.doors import lm_to_render
    from dsp.lm.unasked import Asked, UnaskedLM
    from dsp.runner import run
    from dsp.settings import using

    lm = lm_to_render(chosen)
    try:
        with using(lm=UnaskedLM(lm), retriever=retriever):
            run(loaded, question, **parameters)
    except Asked as asked:
        return lm, asked.request
    return lm, None


def _program(chosen: "Configuration", settings: Sequence[str]) -> "tuple[LoadedProgram, dict[str, Any]]":
    from dsp.catalog import is_bare, load_program
    from dsp.cli.parameters import parameters_of
    from dsp.cli.terminal import note

    setting = chosen.settings["program"]
    if setting.project and not is_bare(str(setting.value)):
        note(f"Note: running {setting.value}, which dsp.toml names.")
    loaded = load_program(chosen.text("program"))
    return loaded, parameters_of(loaded, settings, chosen.settings["k"])


def _warm(lm: "LM") -> None:
    """Let the LM begin to load while the index is opened and searched, where it can."""
    begin = getattr(lm, "warm", None)
    if begin is not None:
        begin()
