"""Writes the table of results in eval/README.md from eval/results; `--check` says whether it is up to date.

    python docs/make_results.py add NAME eval digest --program retrieve_then_read --program multihop

runs that command of dsp, keeps what came out as eval/results/NAME.json, and writes the table anew.
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any

import dsp
from dsp.evaluation.markdown import table
from dsp.evaluation.shown import score

SHELF = Path(__file__).parents[1] / "eval"
BEGIN, END = "<!-- results: made by docs/make_results.py -->", "<!-- end of results -->"
HEAD = [
    "set",
    "language model",
    "program",
    "questions",
    "exact match",
    "F1",
    "gold found",
    "calls",
    "seconds",
    "verdict",
]


def kept(report: dict[str, Any], command: Sequence[str]) -> dict[str, Any]:
    """What of a report the table needs, and a reader may want: no question, no answer."""
    return {
        "command": _shown(command),
        "dsp": dsp.__version__,
        **{
            name: report[name]
            for name in ("benchmark", "split", "questions", "seed", "fingerprint", "primary", "baseline")
        },
        "lm": report["lm"]["name"] if report["lm"] else "none",
        "index": report["retriever"]["name"] if report["retriever"] else "none",
        "metrics": report["metrics"],
        "programs": [
            {
                "program": p["program"],
                **{
                    name: p[name]
                    for name in ("answered", "failed", "not_asked", "scores", "types", "reach", "ceiling", "cost")
                },
                "seconds": _seconds(report["timings"].get(p["program"], {}), p["answered"]),
            }
            for p in report["programs"]
        ],
        "comparisons": [c for c in report["comparisons"] if c["metric"] == report["primary"]],
    }


def _seconds(timing: dict[str, Any], answered: int) -> dict[str, Any]:
    """What a question took, where at least half were asked anew; else nothing: the others may be unlike them."""
    return timing if 2 * timing.get("questions", 0) >= answered else {}


def results_table(results: Sequence[dict[str, Any]]) -> str:
    """The rows of all results, and below them the command that made each."""
    rows, commands = [HEAD], []
    for number, result in enumerate(results, start=1):
        rows += [_row(number, result, program) for program in result["programs"]]
        commands.append(f"{number}. `{result['command']}`")
    return "\n".join([table(rows), "", "Each row was made by:", "", *commands])


def _row(number: int, result: dict[str, Any], program: dict[str, Any]) -> list[str]:
    own = result["primary"].replace("exact_match", "f1")
    tokens = own if own in program["scores"] else "f1"
    verdicts = {c["program"]: f"{c['difference']:+.3f}, p = {c['corrected']:.2g}" for c in result["comparisons"]}
    answered = max(program["answered"], 1)
    return [
        f"{number}: {result['benchmark']}",
        result["lm"],
        Path(program["program"]).stem,
        f"{program['answered']} of {result['questions']}",
        score(program["scores"].get(result["primary"])),
        f"{program['scores'][tokens]['mean']:.3f}" if program["scores"].get(tokens) else "–",
        f"{program['reach'][-1]:.3f}" if program["reach"] else "–",
        f"{program['cost']['requests'] / answered:.1f}",
        f"{program['seconds']['median']:.1f}" if program["seconds"] else "–",
        verdicts.get(program["program"], "baseline" if program["program"] == result["baseline"] else "–"),
    ]


def _shown(command: Sequence[str]) -> str:
    """The command as a reader would write it: of the paths of files only the last part, of the run no name."""
    parts = []
    for before, part in zip(["", *command], command, strict=False):
        program, given, path = part.rpartition("=") if before == "--demos" else ("", "", part)
        if "--name" not in (before, part):
            parts.append(program + given + (Path(path).name if before in ("--data", "--demos") else path))
    return " ".join(["dsp", *parts])


def written(text: str) -> str:
    """The page with its table made anew from the files."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((SHELF / "results").glob("*.json"))]
    made = f"{BEGIN}\n\n{results_table(results)}\n\n{END}"
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"eval/README.md lacks the marks {BEGIN} and {END}")
    return pattern.sub(lambda _: made, text)


def add(name: str, command: Sequence[str]) -> None:
    """Run a command and keep what came out."""
    done = subprocess.run([sys.executable, "-m", "dsp", *command, "--json"], stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 6):
        raise SystemExit(f"dsp {' '.join(command)} ended with {done.returncode}")
    text = json.dumps(kept(json.loads(done.stdout), command), ensure_ascii=False, indent=1, sort_keys=True)
    (SHELF / "results" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Add a result, write the page, or compare it."""
    if arguments[:1] == ["add"]:
        add(arguments[1], arguments[2:])
    page = SHELF / "README.md"
    found = page.read_text(encoding="utf-8")
    wanted = written(found)
    if found != wanted and "--check" in arguments:
        sys.stderr.writelines(
            unified_diff(found.splitlines(True), wanted.splitlines(True), "eval/README.md", "results")
        )
        sys.stderr.write("eval/README.md is not what eval/results holds; run: make docs\n")
        return 1
    page.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
