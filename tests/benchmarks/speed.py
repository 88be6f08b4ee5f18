"""How fast dsp is, each figure against a named baseline in the same run: for docs/performance.md.

python -m tests.benchmarks.speed [--rounds 5] [--only NAME]... [--passages 20000]

Ours and the baseline take turns, so that both see the same machine; a ratio is one of neighbours in time. Peers are
installed into environments of their own below build/, never into ours. Without --only everything is measured but
`build` and `peers`, which take long: these build indexes of so many passages.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks import speed_ask, speed_build, speed_search
from tests.benchmarks.sides import Row, cost, lm_server, ours, peer

IN_FLIGHT = {64: 384, 256: 1024}


def flight(rounds: int) -> list[Row]:
    """Three calls a question against a 100 ms LM, many questions in flight."""
    rows = []
    with lm_server(0.1) as url:
        for at_once, n in IN_FLIGHT.items():
            mine, dspy, sdk = zip(
                *(
                    (
                        ours("three_calls", url, at_once, n),
                        peer("dspy", "dspy_three_calls", url, at_once, n),
                        peer("dspy", "sdk_three_calls", url, at_once, n),
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
        pairs = [(ours("cached_call", url, 3000), peer("dspy", "dspy_cached_call", url, 3000)) for _ in range(rounds)]
    return [
        Row(what, "DSPy", [a[name] for a, _ in pairs], [b[name] for _, b in pairs], "ms CPU", "≤ 0.33×")
        for what, name in (
            ("cached call, asked a moment ago", "same_ms"),
            ("cached call, from the disk", "recorded_ms"),
        )
    ]


def shares(rounds: int) -> list[Row]:
    """What prompts and the journal take of the CPU of a call, 64 in flight, an LM that answers at once."""
    with lm_server(0.0) as url:
        found = [
            (
                ours("three_calls", url, 64, 384)["cpu_ms"],
                ours("three_calls", url, 64, 384, "unrecorded")["cpu_ms"],
                ours("reading_writing", 3000)["cpu_ms"],
            )
            for _ in range(rounds)
        ]
    whole, unrecorded, prompts = (list(side) for side in zip(*found, strict=True))
    journal = [a - b for a, b in zip(whole, unrecorded, strict=True)]
    return [
        Row("writing a prompt and reading its completion", "the whole call", prompts, whole, "ms CPU", "≤ 0.1×"),
        Row("the journal: look-up and record", "the whole call", journal, whole, "ms CPU", ""),
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
        cost(arguments)
        pairs = [(cost(arguments).cpu_ms, cost([python, "-c", "pass"]).cpu_ms) for _ in range(max(rounds, 5) * 2)]
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


SUITES: dict[str, Callable[[int], list[Row]]] = {
    "start": start,
    "extractive": speed_ask.extractive,
    "embedded": speed_ask.embedded,
    "prefixes": speed_ask.prefixes,
    "calls": calls,
    "flight": flight,
    "shares": shares,
    "memory": memory,
    "search": speed_search.hybrid,
    "searches": speed_search.met,
    "door": speed_search.door,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=(*SUITES, *speed_build.SIDES), action="append")
    parser.add_argument("--passages", type=int, default=20_000)
    chosen = parser.parse_args(arguments)
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {chosen.rounds} rounds\n")
    print("| what | ours | baseline | ratio: median (range) | bar |\n|---|---|---|---|---|", flush=True)
    names = list(dict.fromkeys(chosen.only or SUITES))
    for name in names:
        for row in SUITES[name](chosen.rounds) if name in SUITES else ():
            print(row.line(), flush=True)
    if against := [name for name in names if name in speed_build.SIDES]:
        for row in speed_build.compare(chosen.rounds, chosen.passages, against):
            print(row.line(), flush=True)


if __name__ == "__main__":
    main()
