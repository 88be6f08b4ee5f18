"""What is said of an error, and the exit code that stands for it."""

import errno

from dsp.errors import DSPError

IO = 74


def explained(error: Exception) -> tuple[str, int]:
    """What to say of an error, and the exit code that stands for it."""
    if isinstance(error, DSPError):
        return str(error), error.exit_code
    said = getattr(error, "format_message", None)
    if said is not None:  # the parser's own error: always about the call
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "dsp"
        message = said()
        return message if message.startswith("Usage: ") else f"{message.rstrip('.')}; see `{command} --help`", 2
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return _storage(error), IO
    if isinstance(error, MemoryError):
        return "there is not enough memory; try a smaller model or index", 1
    notes = getattr(error, "__notes__", ())
    return f"{type(error).__name__}: {error}{f' ({notes[0]})' if notes else ''}", 1


def _storage(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    what = error.strerror or str(error) or type(error).__name__
    advice = {
        errno.ENOSPC: "free some space and run the same command again",
        errno.EDQUOT: "free some space and run the same command again",
        errno.EROFS: "set DSP_HOME to a folder that can be written",
        errno.EACCES: "check the permissions, or set DSP_HOME to a folder of your own",
        errno.ENOTDIR: "set DSP_HOME to a folder",
        errno.EPERM: "check the permissions, or set DSP_HOME to a folder of your own",
    }.get(error.errno or 0, "")
    return f"{what}{where}{'; ' + advice if advice else ''}"
