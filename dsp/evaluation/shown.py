"""The tables of a report as rows of plain texts, the head first: for a terminal, a page and Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from dsp.evaluation.failings import MEANING
from dsp.evaluation.frontier import Point

Report = Mapping[str, Any]
Rows = list[list[str]]


def about(report: Report) -> str:
    """What the report is of, in one line."""
    lm, index = (door["name"] if door else "none" for door in (report["lm"], report["retriever"]))
    lm = ", ".join([lm, *(f"{stage}: {own['name']}" for stage, own in report.get("stages", {}).items())])
    return f"{report['questions']} questions · LM {lm} · index {index} · seed {report['seed']}"


def score_rows(report: Report) -> Rows:
    """Every metric of every program with its interval; the primary one first."""
    names = sorted(report["metrics"], key=lambda name: (name != report["primary"], name))
    rows = [[f"{n} v{report['metrics'][n]}", *(score(p["scores"].get(n)) for p in report["programs"])] for n in names]
    return [["metric", *_names(report)], *rows]


def remarks(report: Report) -> list[str]:
    """What must be known beside the scores: questions that were not asked, scores that are withheld."""
    asked = [
        f"{p['program']}: {p['not_asked']} of {report['questions']} questions not asked yet"
        for p in report["programs"]
        if p["not_asked"]
    ]
    return asked + [f"{p['program']}: no score, since {p['withheld']}" for p in report["programs"] if p["withheld"]]


def comparison_rows(comparisons: Sequence[Mapping[str, Any]]) -> Rows:
    """Paired differences to a baseline."""
    head = ["program", "metric", "difference", "95 % interval", "better/worse", "pairs", "p", "verdict"]
    rows = [
        [
            c["program"],
            c["metric"],
            f"{c['difference']:+.3f}",
            f"{c['low']:+.3f} … {c['high']:+.3f}",
            f"{c['better']}/{c['worse']}",
            str(c["pairs"]),
            f"{c['corrected']:.2g} ({c['test']})",
            c["verdict"],
        ]
        for c in comparisons
    ]
    return [head, *rows]


def outcome_rows(report: Report, *, explained: bool = False) -> Rows:
    """How many questions got how far; where their gold passages were lost; what a perfect reader would reach."""
    programs = report["programs"]
    rows = [
        [f"{kind}: {MEANING[kind]}" if explained else kind, *(str(program["outcomes"][kind]) for program in programs)]
        for kind in MEANING
    ]
    if any(program["not_asked"] for program in programs):
        rows.append(["not asked", *(str(program["not_asked"]) for program in programs)])
    perfect = ["–" if p["ceiling"] is None else f"{p['ceiling']:.3f}" for p in programs]
    return [["", *_names(report)], *rows, *_hop_rows(programs), ["score with a perfect reader", *perfect]]


def type_rows(report: Report) -> Rows:
    """The primary metric by type of question; nothing where there are not several types."""
    kinds = sorted({kind for program in report["programs"] for kind in program["types"]})
    found = [program["types"] for program in report["programs"]]
    rows = [
        [kind, *(f"{t[kind]['mean']:.3f} of {t[kind]['judged']}" if kind in t else "–" for t in found)]
        for kind in kinds
    ]
    return [["type of question", *_names(report)], *rows] if len(kinds) > 1 else []


def cost_rows(report: Report, timings: Mapping[str, Any]) -> Rows:
    """What all questions took together, and the seconds of one."""
    names = list(report["programs"][0]["cost"])
    rows = [[name.replace("_", " "), *(f"{p['cost'][name]:,}" for p in report["programs"])] for name in names]
    found = [timings.get(program["program"]) for program in report["programs"]]
    rows += [
        [f"seconds of a question, {part}", *(f"{row[part]:.2f}" if row else "–" for row in found)]
        for part in ("median", "p95")
        if any(found)
    ]
    return [["", *_names(report)], *rows]


def frontier_rows(points: Sequence[Point], metric: str) -> Rows:
    """Score, tokens, money and seconds of one question, and which programs do as well for less."""
    rows = [
        [
            point.program,
            f"{point.score:.3f}",
            f"{point.tokens:,.0f}",
            "unknown" if point.usd is None else f"{point.usd:.3g}",
            "–" if point.seconds is None else f"{point.seconds:.3g}",
            ", ".join(point.beaten_by) or "none",
        ]
        for point in points
    ]
    return [["program", metric, "tokens", "USD", "seconds", "as good for less"], *rows]


def calibration_rows(report: Report) -> Rows:
    """Mean confidence and calibration error of each program that has confidences; nothing where none has."""
    rows = [
        [
            p["program"],
            str(c["judged"]),
            f"{c['confidence']:.3f}",
            score(p["scores"][report["primary"]]),
            f"{c['error']:.3f}",
        ]
        for p in report["programs"]
        if (c := p["calibration"]) is not None
    ]
    return [["program", "answers", "mean confidence", report["primary"], "calibration error"], *rows] if rows else []


def score(found: Mapping[str, Any] | None) -> str:
    """A score with its interval; a dash where there is none."""
    return f"{found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}]" if found else "–"


def _hop_rows(programs: Sequence[Mapping[str, Any]]) -> Rows:
    """For each hop the share of gold passages found by then, and from which hop on unfound ones were lost."""
    rows = []
    for hop in range(max(len(program["reach"]) for program in programs)):
        shares = [program["reach"][hop : hop + 1] for program in programs]
        rows.append([f"gold found by hop {hop + 1}", *(f"{share[0]:.3f}" if share else "–" for share in shares)])
    for hop in range(max(len(program["missed"]) for program in programs) - 1):
        stopped = [str(p["missed"][hop]) if hop < len(p["missed"]) - 1 else "–" for p in programs]
        rows.append([f"not retrieved, no more found from hop {hop + 1} on", *stopped])
    if any(program["missed"] for program in programs):
        left = [str(program["missed"][-1]) if program["missed"] else "–" for program in programs]
        rows.append(["not retrieved, more found by the last hop", *left])
    return rows


def _names(report: Report) -> list[str]:
    return [program["program"] for program in report["programs"]]
