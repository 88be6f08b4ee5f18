"""How fast many questions, single calls and the start are, each against a named baseline: for docs/performance.md.

python -m tests.benchmarks.speed [--rounds 5] [--only start|calls|flight|memory|searches]

Ours and the baseline take turns, so that both see the same machine; a ratio is one of neighbours in time. Peers are
installed into an environment of their own below build/, never into ours.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PEERS = ("dspy==3.4.1", "openai[aiohttp]==3.54.0")
ENVIRONMENT = HERE.parents[1] / "build" / "benchmarks" / "peers"
IN_FLIGHT = {64: 384, 256: 1024}


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


def peer_python() -> Path:
    """The interpreter of an environment that holds the peers; made when it is first asked for."""
    python, mark = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "installed"
    if not mark.exists() or mark.read_text() != " ".join(PEERS):
        print(f"installing {', '.join(PEERS)} into {ENVIRONMENT}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True)
        mark.write_text(" ".join(PEERS))
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


def ours(module: str, *arguments: object) -> dict[str, float]:
    """What a module of this folder measures."""
    return _last_line([sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)])


def peer(script: str, *arguments: object) -> dict[str, float]:
    """What a script of `peers/` measures in its own environment."""
    return _last_line([str(peer_python()), str(HERE / "peers" / f"{script}.py"), *map(str, arguments)])


def _last_line(command: Sequence[str]) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parents[1])
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def cpu_ms(command: Sequence[str]) -> float:
    """CPU milliseconds of a process, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def flight(rounds: int) -> list[Row]:
    """Three calls a question against a 100 ms LM, many questions in flight."""
    rows = []
    with lm_server(0.1) as url:
        for at_once, n in IN_FLIGHT.items():
            mine, dspy, sdk = zip(
                *(
                    (
                        ours("three_calls", url, at_once, n),
                        peer("dspy_three_calls", url, at_once, n),
                        peer("sdk_three_calls", url, at_once, n),
                    )
                    for _ in range(rounds)
                ),
                strict=True,
            )
            what = f"3 calls of 100 ms, {at_once} in flight"
            qps = [[one["qps"] for one in side] for side in (mine, dspy, sdk)]
            cpu = [[one["cpu_ms"] for one in side] for side in (mine, dspy, sdk)]
            over_dspy, over_sdk = ("≥ 2×", "") if at_once == 64 else ("≥ 3×", "≥ 0.85×")
            rows += [
                Row(what, "DSPy's Evaluate", qps[0], qps[1], "questions/s", over_dspy),
                Row(what, "bare SDK, aiohttp", qps[0], qps[2], "questions/s", over_sdk),
                Row("CPU of a call, the same runs", "DSPy's Evaluate", cpu[0], cpu[1], "ms", ""),
                Row("CPU of a call, the same runs", "bare SDK, aiohttp", cpu[0], cpu[2], "ms", "≤ 1.15×"),
            ]
    return rows


def calls(rounds: int) -> list[Row]:
    """Calls that were recorded before."""
    with lm_server(0.0) as url:
        pairs = [(ours("cached_call", url, 500), peer("dspy_cached_call", url, 500)) for _ in range(rounds)]
    return [
        Row(what, "DSPy", [a[name] for a, _ in pairs], [b[name] for _, b in pairs], "ms CPU", "≤ 0.33×")
        for what, name in (
            ("cached call, asked a moment ago", "same_ms"),
            ("cached call, from the disk", "recorded_ms"),
        )
    ]


def start(rounds: int) -> list[Row]:
    """What importing and the help cost over an empty interpreter."""
    python = sys.executable
    command = str(Path(python).with_name("dsp"))
    commands: dict[str, tuple[list[str], str]] = {
        "`import dsp`": ([python, "-c", "import dsp"], "≤ +60 ms"),
        "`dsp --help`": ([command, "--help"], "≤ +150 ms"),
    }
    rows = []
    for what, (arguments, bar) in commands.items():
        cpu_ms(arguments)
        pairs = [(cpu_ms(arguments), cpu_ms([python, "-c", "pass"])) for _ in range(max(rounds, 5) * 2)]
        mine, empty = zip(*pairs, strict=True)
        rows.append(Row(what, "`python -c pass`", mine, empty, "ms CPU", bar, differ=True))
    return rows


def memory(rounds: int) -> list[Row]:
    """Growth over 20,000 questions, after the first thousand; once, whatever the rounds."""
    found = ours("memory_growth")
    first, last = [found["after_warm_up_mb"]], [found["at_the_end_mb"]]
    return [
        Row("memory, 20,000 evaluated questions", "after the first 1,000", last, first, "MB", "< 20 MB", differ=True)
    ]


def searches(rounds: int) -> list[Row]:
    """Searches of 256 runs at a time over the default index."""
    found = [ours("met_searches") for _ in range(rounds)]
    met, alone = [one["met"] for one in found], [one["alone"] for one in found]
    return [Row("256 searches at a time, default index", "one at a time", met, alone, "searches/s", "≥ 1.5×")]


SUITES: dict[str, Callable[[int], list[Row]]] = {
    "start": start,
    "calls": calls,
    "flight": flight,
    "memory": memory,
    "searches": searches,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=SUITES, action="append")
    chosen = parser.parse_args(arguments)
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {chosen.rounds} rounds\n")
    print("| what | ours | baseline | ratio: median (range) | bar |\n|---|---|---|---|---|")
    for name in chosen.only or SUITES:
        for row in SUITES[name](chosen.rounds):
            print(row.line(), flush=True)


if __name__ == "__main__":
    main()
