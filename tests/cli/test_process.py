"""The command as a process of its own: pipes, locales, signals, start-up."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DSP = [sys.executable, "-m", "dsp"]
LANGUAGES = [
    {"LC_ALL": "C"},
    {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "C.UTF-8"},
]
COMMANDS = [
    ("--help",),
    ("list",),
    ("list", "--json"),
    ("show", "digest"),
    ("config",),
    ("doctor", "--json"),
    ("nope",),
]


def command(*arguments: str, **changes: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([*DSP, *arguments], capture_output=True, env={**os.environ, **changes}, timeout=60)


@pytest.mark.parametrize("changes", LANGUAGES, ids=["C", "ascii", "utf-8"])
def test_any_locale(changes: dict[str, str], place: Path) -> None:
    (place / "p.py").write_text('"""检索 é"""\ndef p(question: str) -> None: ...\n', encoding="utf-8")
    for arguments in (("show", "./p.py"), ("show", "--json", "./p.py"), ("ask", "-p", "检索", "x")):
        done = command(*arguments, **changes)
        assert b"Traceback" not in done.stderr
        assert done.returncode == (2 if arguments[0] == "ask" else 0), done.stderr
        if "--json" in arguments:
            assert "检索 é" in json.loads(done.stdout.decode("utf-8"))[0]["text"]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_reader_that_goes_away(arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([*DSP, *arguments], stdout=writer, stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(writer)
    assert done.returncode == (2 if arguments == ("nope",) else 141)
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


def test_a_full_disk_behind_standard_output() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*DSP, "list"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 74
    assert done.stderr.startswith(b"Error: No space left on device")
    assert done.stderr.count(b"\n") == 1


def test_closed_streams() -> None:
    done = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", *DSP, "list"], timeout=60)
    assert done.returncode == 0


SLOW = """
import sys, threading, time
from dsp.cli import doors, main
from dsp.testing import FixedRetriever, ScriptedLM
def slow(request):
    print("asked", flush=True)
    {wait}
    return "x"
doors.open_retriever = lambda chosen: FixedRetriever([])
doors.open_lm = lambda chosen: ScriptedLM(slow)
main(["ask", "Why?"])
"""
PYTHON_WAIT = "time.sleep(60)"
# A call of native code that holds the main thread and lets other threads run.
NATIVE_WAIT = "import ctypes; end = time.time() + 60\n    while time.time() < end: ctypes.CDLL(None).sleep(60)"
# An interrupt in a destructor is lost: Python prints it and goes on.
LOST_WAIT = "type('Slow', (), {'__del__': lambda self: time.sleep(60)})(); time.sleep(60)"
THREAD_WAIT = "threading.Thread(target=time.sleep, args=(60,)).start(); time.sleep(60)"


@pytest.mark.parametrize(
    "wait", [PYTHON_WAIT, NATIVE_WAIT, THREAD_WAIT, LOST_WAIT], ids=["python", "native", "thread", "lost"]
)
def test_an_interrupt_ends_it_soon(wait: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW.replace("{wait}", wait)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"asked\n"
    sent = time.monotonic()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert (out, err) == (b"", b"Interrupted.\n")
    assert time.monotonic() - sent < 8


def test_the_shell_completes_names() -> None:
    words = {
        "dsp ask --program m": b"multihop",
        "dsp ask -i d": b"digest",
        "dsp mod": b"models",
        "dsp models pull qw": b"qwen2.5-coder-0.5b",
        "dsp ask --lm ex": b"extractive",
        "dsp ask --mode d": b"dense",
        "dsp show mul": b"multihop",
    }
    for line, wanted in words.items():
        typed = line.split()
        done = command(
            _DSP_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(typed) - 1), COMP_POINT=str(len(line))
        )
        assert wanted in done.stdout.split(), (line, done.stdout, done.stderr)


def test_the_page_about_the_commands_is_up_to_date() -> None:
    script = Path(__file__).parents[2] / "docs" / "make_cli.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def cpu_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_help_starts_quickly() -> None:
    """As a ratio to importing typer, which it needs, so that neither the machine's speed nor its work matters."""
    ratios = (cpu_seconds("-m", "dsp", "--help") / cpu_seconds("-c", "import typer") for _ in range(10))
    assert any(ratio < 3 for ratio in ratios)
