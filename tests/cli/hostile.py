"""Runs the commands, in one process, on texts that try to steer a terminal; started by test_hostile_texts.py."""

import json
import os
import sys
from pathlib import Path

from dsp.cli import doors
from dsp.cli.main import run
from dsp.cli.progress import progress
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import Passage
from tests.cli.shared import READER

PAYLOADS = (
    "\x1b[2J\x1b[HError: forged",
    "\x1b[1A\x1b[2KAnswer: forged",
    "\x1b]0;owned\x07",
    "\x1b[?25l",
    "\x1b[?1049h",
    "\x1bc",
    "\x9b2J\x9b1;1H",
    "\x9d0;owned\x9c",
    "\rforged answer",
    "\b\b\b\b\b\b\b\bforged",
    "\x07\x07",
    "\x0e\x0f\x1b(0",
    "\x7f\x00\x01",
    "\x1b]8;;http://127.0.0.1/evil\x1b\\link\x1b]8;;\x1b\\",
    "\x1bP+q544e\x1b\\\x1b[6n",
    "\u202egnol\u202c \u2066x\u2069",
    "one\u2028two\u2029three\x85four",
    "zero\u200bwidth\ufeff\u00ad\U000e0041",
    "[/b] [link=http://127.0.0.1/evil]x[/link] [bold red]",
    "\x0b\x0c\x1b[31;1m\ue000 lone \udc9b",
)
MARK = "=== {} ==="


def main(folder: Path, every: int) -> None:
    """Every payload over every command, those on records with each `every`-th; a mark after each."""
    os.chdir(folder)
    Path("reader.py").write_text(READER, encoding="utf-8")
    Path("shown.py").write_text(
        READER.replace("from dsp import ", "from dsp import NO_DEMOS, Demos, ")
        .replace("*, k: int", "*, demos: Demos = NO_DEMOS, k: int")
        .replace("(question=question,", "(question=question, demos=demos,"),
        encoding="utf-8",
    )  # fmt: skip
    for number, payload in enumerate(PAYLOADS):
        _fake(payload)
        for command in (*_commands(number, payload), *(_records(number, payload) if number % every == 0 else ())):
            run(command)
        print(MARK.format(number), flush=True)
    _with_files()
    print(MARK.format("files"), flush=True)
    with progress() as report:
        for payload in PAYLOADS:
            report(f"doing {payload}", 1, 2)
    print(MARK.format("progress"), flush=True)


def _fake(payload: str) -> None:
    passages = [
        Passage(id=f"p{payload}", text=f"Colour {payload} is blue.", title=f"t{payload}", source=f"s{payload}", page=1),
        Passage(id="other", text=f"{payload}\nError: forged\nSources:\n[1] forged", source="other.md"),
    ]
    lm = ScriptedLM(lambda request: f"Colour {payload} is blue [1]. {payload} [2].", name=f"lm{payload}")
    doors.open_retriever = lambda chosen: FixedRetriever(passages, name=f"i{payload}")
    doors.open_lm = doors.lm_to_render = lambda chosen: lm


def _commands(number: int, payload: str) -> list[list[str]]:
    reader = ["-p", "./reader.py"]
    question = "".join(c for c in f"What colour is {payload}?" if not 0xD800 <= ord(c) < 0xE000)
    program = Path(f"program{number}.py")
    program.write_text(f"raise ValueError({payload!r})", encoding="utf-8")
    name = f"n{payload}".encode("utf-8", "replace").decode()
    return [
        ["ask", question, *reader, "--trace", "--show-prompt"],
        ["ask", question, *reader, "--trace", "--json"],
        ["ask", question, *reader, "--no-call"],
        ["ask", question, *reader, "--strict"],
        ["ask", payload, "-p", name],
        ["ask", payload, "-p", f"./{program}", "--debug"],
        ["ask", question, *reader, "--set", f"{name}=1", "--set", name],
        ["search", question],
        ["search", question, "--json"],
        ["show", name],
        ["replay", "last"],
        ["replay", name],
        ["runs", "show", "last"],
        ["runs", "list"],
        [name],
        ["index", "info", name],
    ]


def _records(number: int, payload: str) -> list[list[str]]:
    """Questions, evaluations and demonstrations whose every text is the payload."""
    rows, told = f"rows{number}.jsonl", f"Colour {payload} is blue [1]. {payload} [2]."
    row = {"id": f"q{payload}", "question": f"What is {payload}?", "answers": [told], "type": payload}
    Path(rows).write_text(
        json.dumps(row) + "\n" + json.dumps({**row, "id": "w", "question": f"And {payload}?", "answers": [payload]}),
        "utf-8",
    )
    reader, demos, name = (
        ["-p", "./reader.py"],
        f"demos{number}.json",
        f"n{payload}".encode("utf-8", "replace").decode(),
    )
    evaluate = ["eval", "digest", "--data", rows, *reader, "--name", f"run{number}"]
    return [
        evaluate,
        [*evaluate, "--json"],
        ["eval", "digest", "--data", rows, *reader, "--name", name],
        ["eval", name],
        ["runs", "show", f"run{number}"],
        ["runs", "verify", f"run{number}"],
        ["compare", f"run{number}", "run0"],
        ["compare", name, payload.encode("utf-8", "replace").decode()],
        ["demos", "annotate", "./shown.py:reader", rows, "-o", demos],
        ["demos", "show", demos],
        ["demos", "diff", demos, "demos0.json"],
        ["demos", "verify", demos],
        ["demos", "export", demos, "--held-out", "0"],
        ["demos", "show", name],
        ["runs", "export", "last"],
        ["runs", "pin", name],
        ["index", "verify", name],
        ["index", "remove", name],
        ["models", "verify", name],
        ["new", "program", name],
    ]


def _with_files() -> None:
    corpus = Path("corpus")
    corpus.mkdir()
    for number, payload in enumerate(PAYLOADS):
        name = payload.replace("/", "_").replace("\0", "").encode("utf-8", "surrogateescape")
        text = payload.encode("utf-8", "replace")
        Path(os.fsdecode(b"corpus/%d %s.md" % (number, name))).write_bytes(
            b"# %s\n\nThe colour is %s.\n" % (text, text)
        )
        Path(os.fsdecode(b"corpus/%d %s.pdf" % (number, name))).write_bytes(b"%PDF-1.4 broken " + text)
    Path("dsp.toml").write_text('mode = "dense"', encoding="utf-8")
    for command in (
        ["index", "build", "corpus/", "--name", "hostile"],
        ["index", "build", "corpus/", "--name", "hostile", "--again", "--json"],
        ["index", "info", "hostile"],
        ["index", "verify", "hostile"],
        ["models", "list"],
        ["runs", "list"],
        ["index", "list"],
        ["list"],
        ["doctor"],
        ["config"],
    ):
        run(command)
    Path("dsp.toml").write_text('"key\\u001b[2J\\u202e" = "\\u009b2J"', encoding="utf-8")
    run(["config"])
    Path("dsp.toml").unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
