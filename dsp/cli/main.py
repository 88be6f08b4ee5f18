"""The entry point: runs the command, and makes of every error one line and an exit code."""

import errno
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from dsp import environment
from dsp.cli.explaining import explained
from dsp.cli.interrupts import INTERRUPTED, prompt_interrupts
from dsp.cli.terminal import KEY, line, note
from dsp.errors import DSPError

BROKEN_PIPE = 141


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        with prompt_interrupts():
            _route_logs(arguments)
            code = run(arguments)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done: a late Ctrl-C ends the process without a word
    except KeyboardInterrupt:  # before the command began, or when it had ended
        code = INTERRUPTED
        note("Interrupted.")
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    if code in (INTERRUPTED, BROKEN_PIPE):  # a thread that is still at work must not hold the process
        os._exit(code)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code. Errors are on standard error, one line each."""
    try:
        from dsp.cli.app import invoke

        code = invoke(arguments or ["--help"])
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = BROKEN_PIPE
    except SystemExit as leaving:  # typer leaves so where a pipe is broken
        code = BROKEN_PIPE if isinstance(leaving.__context__, BrokenPipeError) else 1
    except Exception as error:
        code = INTERRUPTED if _while_leaving(error) else _failed(error, debug=_debug(arguments))
    if code == INTERRUPTED:
        note("Interrupted.")
    elif code == BROKEN_PIPE:
        _silence_stdout()
    return code


def _while_leaving(error: BaseException | None) -> bool:
    """Whether an error was met while Ctrl-C was being obeyed: then it is none, an import may be cut in half."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _failed(error: Exception, *, debug: bool) -> int:
    """Say what went wrong, in one line; the exit code."""
    message, code = explained(error)
    if message.startswith("Usage: "):  # a group without a command shows its commands
        note(message)
        return code
    if debug:
        import traceback

        note(_redacted("".join(traceback.format_exception(error)).rstrip()))
    more = "" if debug or code != 1 or isinstance(error, DSPError) else "; run again with --debug to see where"
    note(f"Error: {line(_redacted(message))}{more}")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _silence_stdout()
    return code


def _redacted(text: str) -> str:
    """The text without the user's key in any form, and without what looks like a key."""
    from dsp.remote.redaction import redacted

    return redacted(text, [environment.variables().get(KEY, "")])


def _debug(arguments: Sequence[str]) -> bool:
    flags = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--debug" in flags or environment.variables().get("DSP_DEBUG", "0") not in ("", "0")


def _route_logs(arguments: Sequence[str]) -> None:
    if not {"--help", "-h", "--version"} & set(arguments[:2]):
        from dsp.cli.logs import route_logs

        route_logs(debug=_debug(arguments))


def _silence_stdout() -> None:
    """Point standard output nowhere, so that the last flush of the interpreter says nothing."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
