"""A question as it comes from a shell: an argument, or standard input."""

import sys

from dsp.errors import UsageError

LONGEST = 8_000
"""Characters of a question; longer texts belong into an index."""


def question_text(argument: str, what: str = "the question") -> str:
    """The question itself; `-` reads it from standard input. UsageError where it is empty, too long or no text."""
    return checked_text(_from_stdin() if argument == "-" else argument, what)


def checked_text(text: str, what: str = "the question") -> str:
    """The text without white space around it; UsageError where it is empty, too long or no text."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(f"{what} is not UTF-8 (character {error.start + 1}); write it in UTF-8") from None
    text = text.strip()
    if not text:
        raise UsageError(f"{what} is empty; write some words")
    if len(text) > LONGEST:
        raise UsageError(
            f"{what} has {len(text):,} characters, more than {LONGEST:,}; put long texts into an index: "
            "dsp index build FILE --name NAME"
        )
    return text


def _from_stdin() -> str:
    if sys.stdin is None:
        raise UsageError("there is no standard input to read from; write the text as an argument")
    data = sys.stdin.buffer.read(LONGEST * 100)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input is not UTF-8 (byte {error.start + 1}); convert it to UTF-8 first") from None
