"""Long texts on a terminal: broken between words, or between Chinese characters, and indented."""

import re
import shutil
import sys

from dsp.cli.terminal import is_terminal, width

_WIDEST = 100
_UNIT = re.compile(
    r"\s+|[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef]|[^\s\u2e80-\u9fff\uac00-\ud7a3\uf900-\uffef]+"
)


def fold(text: str, indent: int = 0) -> str:
    """The text with line breaks where it would run over the edge; untouched where standard output is no terminal."""
    if not is_terminal(sys.stdout):
        return text
    return folded(text, min(shutil.get_terminal_size().columns, _WIDEST) - indent, indent)


def folded(text: str, room: int, indent: int) -> str:
    """The text in lines of at most `room` columns where its words allow it; all but the first are indented."""
    lines, row, used = [], "", 0
    for unit in _UNIT.findall(text):
        taken = width(unit)
        if used and used + taken > room:
            lines.append(row.rstrip())
            row, used = "", 0
            if unit.isspace():
                continue
        row, used = row + unit, used + taken
    return ("\n" + " " * indent).join([*lines, row.rstrip()])
