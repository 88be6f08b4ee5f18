import subprocess
import sys

import pytest

LOUD = """
import logging, sys, warnings
from dsp.cli import doors, main
from dsp.testing import FixedRetriever, ScriptedLM
def loud(request):
    logging.getLogger("lib\\x1b[2J").warning("seen %s", "\\x1b]0;owned\\x07")
    warnings.warn("old \\x9b2J")
    return "x"
doors.open_retriever = lambda chosen: FixedRetriever([])
doors.open_lm = lambda chosen: ScriptedLM(loud)
main(["ask", "-p", "closed_book", "Why?", *sys.argv[1:]])
"""


@pytest.mark.parametrize("flags", [(), ("--debug",)])
def test_logs_and_warnings_of_libraries_are_notes(flags: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-c", LOUD, *flags], capture_output=True, text=True)
    assert done.returncode == 0
    if not flags:
        assert done.stderr == ""
        return
    assert "warning of lib\\x1b[2J: seen \\x1b]0;owned\\x07\n" in done.stderr
    assert "old \\x9b2J" in done.stderr
    assert not {"\x1b", "\x9b", "\x07"} & set(done.stderr)
