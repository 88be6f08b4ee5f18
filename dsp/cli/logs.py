"""What libraries log and warn: nothing, or with --debug one safe line for each on standard error."""

import logging

from dsp.cli.terminal import line, note


class _Notes(logging.Handler):
    """Writes what is logged as notes, so that no text of others reaches the terminal as it is."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line, or a traceback's lines cut to one."""
        note(f"{record.levelname.lower()} of {line(record.name)}: {line(record.getMessage())}")


def route_logs(*, debug: bool) -> None:
    """Send logs and warnings of this process to `note`; without `debug` only what is critical."""
    logging.getLogger().addHandler(_Notes(logging.WARNING if debug else logging.CRITICAL))
    logging.captureWarnings(True)
