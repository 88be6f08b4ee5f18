"""`dsp chat`: a conversation, every turn answered with its sources and recorded."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from dsp.cli.options import (
    DebugFlag,
    DemosFlag,
    IndexFlag,
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
    from dsp.cli.ask import Wanted
    from dsp.conversation import Conversation
    from dsp.runner import Prediction

PROGRAM = "conversational"
QUIT = ("/quit", "/exit")
NEW = "/new"


def chat(
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
    trace: TraceFlag = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line for each turn.")] = False,
    debug: DebugFlag = False,
) -> None:
    """Answer questions that follow on each other, each with its sources.

    /new begins a new conversation; /quit or Ctrl-D ends. From a pipe, each line is a question.

    A turn that fails leaves the conversation as it was. Every turn is recorded: `dsp runs list`, `dsp replay`. The
    program is conversational, unless --program names another one with a parameter `history`.
    """
    from dsp.cli.ask import Wanted
    from dsp.cli.doors import configured
    from dsp.cli.lms import parsed_lms
    from dsp.cli.parameters import budget_of

    lms = parsed_lms(lm or ())
    wanted = Wanted(
        chosen=configured(program=program or PROGRAM, index=index, lm=lms.usual, base_url=base_url, k=k, mode=mode),
        stages=lms.stages,
        settings=tuple(settings or ()),
        demos=demos,
        budget=budget_of(max_calls, max_tokens, max_seconds),
    )
    _converse(wanted, json=json, trace=trace)


def _converse(wanted: "Wanted", *, json: bool, trace: bool) -> None:
    from dsp.cli.ask import program_of, warm
    from dsp.cli.document import kept_clean
    from dsp.cli.doors import open_journal, open_retriever
    from dsp.cli.lms import open_lms
    from dsp.cli.terminal import is_terminal, note
    from dsp.conversation import Conversation
    from dsp.errors import Partial
    from dsp.settings import using

    loaded, parameters = program_of(wanted, "")
    conversation = Conversation(
        loaded, budget=wanted.budget, warn=lambda text: note("Warning: ", text), parameters=parameters
    )
    with kept_clean(json):
        lm, stages = open_lms(wanted.chosen, wanted.stages)
        warm(lm)
        retriever = open_retriever(wanted.chosen)
    if is_terminal(sys.stdin):
        note("Ask a question; /new begins a new conversation, /quit or Ctrl-D ends.")
    with open_journal() as journal, using(lm=lm, stages=stages, retriever=retriever, journal=journal):
        done = [_turn(text, conversation, wanted, json=json, trace=trace) for text in _questions(conversation)]
    failed = done.count(False)
    if failed and not is_terminal(sys.stdin):
        raise Partial(f"{failed} of {len(done)} turns failed; the others are answered")


def _questions(conversation: "Conversation") -> Iterator[str]:
    """What is asked, line by line; commands are obeyed on the way."""
    from dsp.cli.terminal import is_terminal, note

    read = _typed if is_terminal(sys.stdin) and is_terminal(sys.stdout) else _piped
    for row in iter(read, None):
        text = row.strip()
        if text in QUIT:
            return
        if text == NEW:
            conversation.begin()
            note("A new conversation.")
        elif text.startswith("/") and " " not in text and text.count("/") == 1:
            note(f"There is no command {text}; there are {NEW} and {QUIT[0]}.")
        elif text:
            yield text


def _typed() -> str | None:
    """A line that a person types; None at the end."""
    with suppress(ImportError):
        import readline  # noqa: F401 - lets the line be edited
    try:
        return input("> ")
    except EOFError:
        return None


def _piped() -> str | None:
    if sys.stdin is None:
        return None
    row = sys.stdin.buffer.readline()
    return row.decode("utf-8", "surrogateescape").removeprefix("\ufeff") if row else None


def _turn(text: str, conversation: "Conversation", wanted: "Wanted", *, json: bool, trace: bool) -> bool:
    """Ask one question and show what comes of it; whether it was answered."""
    from dsp.cli.document import kept_clean, print_line
    from dsp.cli.explaining import explained
    from dsp.cli.terminal import line, note
    from dsp.remote.redaction import redacted

    number = len(conversation.history) // 2 + 1
    try:
        with kept_clean(json):
            prediction = _asked(text, conversation, wanted, json=json)
    except Exception as error:
        message = redacted(explained(error)[0], [])
        note(f"Error: {line(message)}")
        if json:
            print_line({"turn": number, "question": text, "error": type(error).__name__, "message": message})
        return False
    _shown(prediction, number, json=json, trace=trace)
    return True


def _asked(text: str, conversation: "Conversation", wanted: "Wanted", *, json: bool) -> "Prediction":
    from dsp.cli.progress import waiting
    from dsp.cli.questions import checked_text
    from dsp.cli.watchdog import watched
    from dsp.lm.listening import listening

    question = checked_text(text)
    if wanted.demos is not None:
        from dsp.demos.file import load
        from dsp.demos.fitting import require_unseen

        require_unseen(load(wanted.demos), question, str(wanted.demos))
    with (
        watched(conversation.program.name, wanted.budget.seconds),
        waiting("asking") as hears,
        listening(hears) if hears is not None and not json else nullcontext(),
    ):
        return conversation.ask(question)


def _shown(prediction: "Prediction", number: int, *, json: bool, trace: bool) -> None:
    from dsp.cli import answer
    from dsp.cli.document import print_line
    from dsp.cli.terminal import say

    if json:
        print_line({"turn": number, **answer.prediction_json(prediction, trace=trace)})
        return
    answer.show_prediction(prediction, trace=trace)
    say()
