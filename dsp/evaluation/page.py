"""The report of an evaluation as one HTML page that needs nothing else: no script, no network."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from dsp.evaluation.failings import MEANING

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --bar: #2a6fb0; --good: #1a7f37; --bad: #b3261e; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0 } h2 { font-size: 1.1rem; margin-top: 2rem } .soft { opacity: .7 }
table { border-collapse: collapse; width: 100% } .wide { overflow-x: auto }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.better { color: var(--good); font-weight: 600 } .worse { color: var(--bad); font-weight: 600 }
svg { width: 100%; height: auto; max-width: 48rem } svg text { font: 12px system-ui, sans-serif; fill: currentColor }
""".strip()
_COLOURS = {
    "right": "#1a7f37",
    "only normalisation": "#7fb88a",
    "answered wrongly": "#d9822b",
    "not in context": "#c9b037",
    "not retrieved": "#8a63b8",
    "failed": "#b3261e",
}
_CONTROLS = {code: "\ufffd" for code in (*range(9), 11, 12, *range(14, 32), *range(127, 160), *range(0xD800, 0xE000))}
_LEFT, _WIDTH, _ROW = 180, 560, 26


def page(report: Mapping[str, Any], name: str) -> str:
    """The page; every text from outside is escaped, and control characters are replaced."""
    title = f"{report['benchmark']} · {report['split']}"
    parts = [
        f"<h1>{_text(title)}</h1>",
        f'<p class="soft">{_text(_about(report, name))}</p>',
        *_section("Scores", [_score_chart(report), _score_table(report)]),
        *_section("Difference to the baseline", [_comparisons(report)] if report["comparisons"] else []),
        *_section("Where the answers went", [_outcome_chart(report), _outcome_table(report)]),
        *_section("Cost", [_cost_table(report)]),
        *_section("Flipped questions", [_flipped(report)] if report["flipped"] else []),
        *_section("Failed questions", [_failed(report)] if report["failed"] else []),
    ]
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    )
    body = "\n".join(part for part in parts if part)
    return f"{head}<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"


def _about(report: Mapping[str, Any], name: str) -> str:
    lm, index = (door["name"] if door else "none" for door in (report["lm"], report["retriever"]))
    return f"{report['questions']} questions · LM {lm} · index {index} · seed {report['seed']} · run {name}"


def _section(title: str, parts: Sequence[str]) -> list[str]:
    return [f"<h2>{_text(title)}</h2>", *parts] if parts else []


def _score_chart(report: Mapping[str, Any]) -> str:
    """The primary metric of each program as a bar with its interval."""
    marks = []
    for place, program in enumerate(report["programs"]):
        top, score = place * _ROW + 4, program["scores"].get(report["primary"])
        marks.append(_label(top, program["program"]))
        if score is None:
            marks.append(f'<text x="{_LEFT}" y="{top + 14}">no score</text>')
            continue
        mean, low, high = (_LEFT + score[part] * _WIDTH for part in ("mean", "low", "high"))
        marks.append(f'<rect x="{_LEFT}" y="{top}" width="{mean - _LEFT:.1f}" height="18" fill="#2a6fb0"/>')
        marks.append(f'<path d="M{low:.1f} {top + 9}H{high:.1f}" stroke="currentColor" stroke-width="2"/>')
        marks.append(f'<text x="{_LEFT + _WIDTH + 8}" y="{top + 14}">{score["mean"]:.3f}</text>')
    return _svg(marks, len(report["programs"]), f"{report['primary']}, with 95 % intervals")


def _outcome_chart(report: Mapping[str, Any]) -> str:
    marks = []
    for place, program in enumerate(report["programs"]):
        top, left, total = place * _ROW + 4, float(_LEFT), sum(program["outcomes"].values())
        marks.append(_label(top, program["program"]))
        for kind, count in program["outcomes"].items():
            width = _WIDTH * count / total if total else 0.0
            if width:
                marks.append(
                    f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="18" fill="{_COLOURS[kind]}">'
                    f"<title>{_text(kind)}: {count}</title></rect>"
                )
            left += width
    return _svg(marks, len(report["programs"]), "Where the answers went")


def _svg(marks: Iterable[str], rows: int, label: str) -> str:
    size = f"0 0 {_LEFT + _WIDTH + 60} {rows * _ROW + 4}"
    return f'<svg viewBox="{size}" role="img" aria-label="{_text(label)}">{"".join(marks)}</svg>'


def _label(top: int, name: str) -> str:
    shown = name if len(name) <= 26 else f"{name[:25]}…"
    return f'<text x="{_LEFT - 8}" y="{top + 14}" text-anchor="end">{_text(shown)}</text>'


def _score_table(report: Mapping[str, Any]) -> str:
    names = sorted(report["metrics"], key=lambda name: (name != report["primary"], name))
    rows = [[f"{n} v{report['metrics'][n]}", *(_score(p["scores"].get(n)) for p in report["programs"])] for n in names]
    notes = [f"<p>{_text(p['program'])}: {_text(p['withheld'])}</p>" for p in report["programs"] if p["withheld"]]
    return _table(["metric", *_names(report)], rows, numbers=True) + "".join(notes)


def _comparisons(report: Mapping[str, Any]) -> str:
    head = ["program", "metric", "difference", "95 % interval", "better / worse", "pairs", "p", "verdict"]
    rows = []
    for c in report["comparisons"]:
        cells = [
            c["program"],
            c["metric"],
            f"{c['difference']:+.3f}",
            f"{c['low']:+.3f} … {c['high']:+.3f}",
            f"{c['better']} / {c['worse']}",
            str(c["pairs"]),
            f"{c['corrected']:.2g} ({c['test']})",
        ]
        kind = c["verdict"] if c["verdict"] in ("better", "worse") else ""
        rows.append("".join(f"<td>{_text(cell)}</td>" for cell in cells) + f'<td class="{kind}">{c["verdict"]}</td>')
    note = "p after Holm’s correction for several programs; only questions that both answered count."
    return _rows(head, rows) + f'<p class="soft">Baseline: {_text(report["baseline"])}. {note}</p>'


def _outcome_table(report: Mapping[str, Any]) -> str:
    rows = [
        [f"{kind}: {meaning}", *(str(program["outcomes"][kind]) for program in report["programs"])]
        for kind, meaning in MEANING.items()
    ]
    hops = max(len(program["reach"]) for program in report["programs"])
    for hop in range(hops):
        shares = [program["reach"][hop : hop + 1] for program in report["programs"]]
        found = [f"{share[0]:.3f}" if share else "–" for share in shares]
        rows.append([f"share of gold passages retrieved by hop {hop + 1}", *found])
    perfect = ["–" if p["ceiling"] is None else f"{p['ceiling']:.3f}" for p in report["programs"]]
    return _table(["", *_names(report)], [*rows, ["score with a perfect reader", *perfect]], numbers=True)


def _cost_table(report: Mapping[str, Any]) -> str:
    names = list(report["programs"][0]["cost"])
    rows = [[name.replace("_", " "), *(f"{p['cost'][name]:,}" for p in report["programs"])] for name in names]
    return _table(["", *_names(report)], rows, numbers=True)


def _flipped(report: Mapping[str, Any]) -> str:
    head = ["question", "gold", "program", "its answer", "the baseline’s answer"]
    rows = [
        [
            f"{row['question']}: {row['text']}",
            " | ".join(row["answers"]),
            row["program"],
            f"{row['answer'] or '(nothing)'} ({row['score']:.2f})",
            f"{row['baseline_answer'] or '(nothing)'} ({row['baseline_score']:.2f})",
        ]
        for row in report["flipped"]
    ]
    return _table(head, rows)


def _failed(report: Mapping[str, Any]) -> str:
    rows = [[row["program"], row["question"], row["error"], row["message"]] for row in report["failed"]]
    return _table(["program", "question", "error", "message"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """A table of plain texts; with `numbers`, all columns but the first stand to the right."""

    def cells(row: Sequence[str], tag: str) -> str:
        kinds = ["" if not place or not numbers else ' class="n"' for place in range(len(row))]
        return "".join(f"<{tag}{kind}>{_text(cell)}</{tag}>" for cell, kind in zip(row, kinds, strict=True))

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{cells(head, "th")}</tr>{body}</table></div>'


def _rows(head: Sequence[str], rows: Sequence[str]) -> str:
    """A table whose rows are made already."""
    top = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    return f'<div class="wide"><table><tr>{top}</tr>{"".join(f"<tr>{row}</tr>" for row in rows)}</table></div>'


def _score(score: Mapping[str, Any] | None) -> str:
    return f"{score['mean']:.3f} [{score['low']:.3f}, {score['high']:.3f}]" if score else "–"


def _names(report: Mapping[str, Any]) -> list[str]:
    return [program["program"] for program in report["programs"]]


def _text(text: object) -> str:
    return escape(str(text).translate(_CONTROLS))
