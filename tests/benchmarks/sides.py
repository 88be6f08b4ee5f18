"""Two sides measured in turns: rows of a table, processes of ours and of peers, and what one of them costs."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENTS = ROOT / "build" / "benchmarks"
PEERS: Mapping[str, tuple[str, ...]] = {
    "dspy": ("dspy==3.4.1", "openai[aiohttp]==3.54.0"),
    "builders": (
        "torch==2.13.0",
        "sentence-transformers==6.2.0",
        "faiss-cpu==1.15.1",
        "txtai==9.14.0",
        "llama-index-core==0.14.25",
        "llama-index-embeddings-huggingface==0.8.0",
    ),
}


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured on both sides in each round, and the ratio that is asked for."""

    what: str
    baseline: str
    ours: Sequence[float]
    theirs: Sequence[float]
    unit: str
    bar: str
    differ: bool = False

    def line(self) -> str:
        """The medians, the median ratio (or difference) of the rounds and its range."""
        pairs = list(zip(self.ours, self.theirs, strict=True))
        found = [a - b if self.differ else a / b for a, b in pairs]
        sign, unit = ("+", f" {self.unit}") if self.differ else ("", "×")
        shown = f"{sign}{statistics.median(found):.3g}{unit} ({min(found):.3g} to {max(found):.3g})"
        ours, theirs = (f"{statistics.median(values):.3g} {self.unit}" for values in (self.ours, self.theirs))
        return f"| {self.what} | {ours} | {self.baseline}: {theirs} | {shown} | {self.bar} |"


class Cost(NamedTuple):
    """What a process took, its children included."""

    cpu_ms: float
    wall_ms: float
    out: str


def cost(command: Sequence[str | Path], **variables: str) -> Cost:
    """Run a process to its end, with some variables of the environment set anew; what it took and printed."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **variables}
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu * 1000, wall * 1000, done.stdout)


def ours(module: str, *arguments: object) -> dict[str, Any]:
    """What a module of this folder measures: the JSON of its last line."""
    return _last_line(cost([sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]))


def peer(environment: str, script: str, *arguments: object) -> dict[str, Any]:
    """What a script of `peers/` measures in that environment."""
    python = peer_python(environment)
    return _last_line(cost([python, HERE / "peers" / f"{script}.py", *map(str, arguments)]))


def _last_line(found: Cost) -> dict[str, Any]:
    measured: dict[str, Any] = json.loads(found.out.splitlines()[-1])
    return measured


def peer_python(environment: str) -> Path:
    """The interpreter of an environment that holds peers, made when it is first asked for; never ours."""
    folder, packages = ENVIRONMENTS / environment, PEERS[environment]
    python, mark = folder / "bin" / "python", folder / "installed"
    if not mark.exists() or mark.read_text() != " ".join(packages):
        print(f"installing {', '.join(packages)} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        mark.write_text(" ".join(packages))
    return python


@contextmanager
def lm_server(seconds: float) -> Iterator[str]:
    """The base URL of an LM that answers after so many seconds, in a process of its own."""
    server = subprocess.Popen([sys.executable, HERE / "lm_server.py", str(seconds)], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    finally:
        server.kill()
        server.wait()
