import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pyte
import pytest

from tests.cli.hostile import MARK, PAYLOADS

ROOT = Path(__file__).parents[2]
STEERING = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]"
)
EVERY = pytest.mark.parametrize("every", [19, pytest.param(1, marks=pytest.mark.slow)])
OWN_STYLES = re.compile(rb"\x1b\[[0123]m")


def environment(folder: Path, **changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM", "OPENAI_API_KEY")}
    return {**kept, "PYTHONPATH": str(ROOT), "DSP_HOME": str(folder / "home"), **changes}


def through_a_terminal(folder: Path, every: int, errors: Path | None = None, **changes: str) -> bytes:
    """What the commands write to a terminal; what they say beside the result goes to a file, where one is named."""
    master, slave = pty.openpty()
    beside = errors.open("wb") if errors else None
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.hostile", str(folder), str(every)],
        stdin=subprocess.DEVNULL, stdout=slave, stderr=beside or slave, env=environment(folder, **changes), cwd=ROOT,
    )  # fmt: skip
    if beside:
        beside.close()
    os.close(slave)
    written = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    os.close(master)
    assert child.wait() == 0, written[-2000:]
    return written.replace(b"\r\n", b"\n")


@EVERY
@pytest.mark.parametrize("variables", [{}, pytest.param({"NO_COLOR": "1"}, marks=pytest.mark.slow)])
def test_styles_are_the_only_control_bytes_of_a_result(variables: dict[str, str], tmp_path: Path, every: int) -> None:
    written = through_a_terminal(tmp_path, every, tmp_path / "errors", TERM="xterm-256color", **variables)
    assert bool(OWN_STYLES.search(written)) == (not variables)
    assert_plain(OWN_STYLES.sub(b"", written))
    assert_plain((tmp_path / "errors").read_bytes())


@pytest.mark.slow
def test_a_dumb_terminal_gets_text_alone(tmp_path: Path) -> None:
    assert_plain(through_a_terminal(tmp_path, 1, TERM="dumb"))


def assert_plain(texts: bytes) -> None:
    found = STEERING.search(texts)
    assert found is None, texts[max(0, found.start() - 200) : found.end() + 50]
    assert b"\r" not in texts


@EVERY
def test_the_screen_shows_what_was_written(tmp_path: Path, every: int) -> None:
    written = through_a_terminal(tmp_path, every, TERM="xterm-256color")
    screen = pyte.HistoryScreen(400, 60, history=200_000, ratio=0.1)
    stream = pyte.ByteStream(screen)
    stream.feed(written.replace(b"\n", b"\r\n"))
    rows = ["".join(row[x].data for x in range(screen.columns)).rstrip() for row in screen.history.top]
    rows += [row.rstrip() for row in screen.display]
    marks = [row for row in rows if re.fullmatch(r"=== .* ===", row)]
    assert marks == [MARK.format(name) for name in [*range(len(PAYLOADS)), "files", "progress"]]
    assert screen.title == ""
    assert not screen.cursor.hidden
    assert not [row for row in rows if row.startswith(("Answer: forged", "forged", "Error: forged"))]


@EVERY
def test_no_control_byte_reaches_a_pipe(tmp_path: Path, every: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.hostile", str(tmp_path), str(every)],
        capture_output=True, check=True, env=environment(tmp_path, PYTHONIOENCODING="ascii"), cwd=ROOT,
    )  # fmt: skip
    assert_plain(done.stdout)
    assert_plain(done.stderr)
    for sign in (b"documents", b"confirmed by the journal", b"wrote demos0.json"):
        assert sign in done.stdout, sign
    assert b"could not be read" in done.stderr
