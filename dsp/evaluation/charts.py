"""The pictures of a report, as SVG that stands inside a page."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from dsp.evaluation.frontier import Point

_COLOURS = {
    "right": "#1a7f37",
    "only normalisation": "#7fb88a",
    "answered wrongly": "#d9822b",
    "not in context": "#c9b037",
    "not retrieved": "#8a63b8",
    "failed": "#b3261e",
}
_BLUE = "#2a6fb0"
_CONTROLS = {code: "\ufffd" for code in (*range(9), 11, 12, *range(14, 32), *range(127, 160), *range(0xD800, 0xE000))}
_LEFT, _WIDTH, _ROW = 200, 520, 26
_SIDE, _EDGE = 240, 46


def text(value: object) -> str:
    """A text as HTML: escaped, control characters replaced."""
    return escape(str(value).translate(_CONTROLS))


def score_chart(report: Mapping[str, Any]) -> str:
    """The primary metric of each program as a bar with its interval."""
    marks = []
    for place, program in enumerate(report["programs"]):
        top, score = place * _ROW + 4, program["scores"].get(report["primary"])
        marks.append(_label(top, program["program"]))
        if score is None:
            marks.append(f'<text x="{_LEFT}" y="{top + 14}">no score</text>')
            continue
        mean, low, high = (_LEFT + score[part] * _WIDTH for part in ("mean", "low", "high"))
        marks.append(f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH}" height="18" fill="#8882"/>')
        marks.append(f'<rect x="{_LEFT}" y="{top}" width="{mean - _LEFT:.1f}" height="18" fill="{_BLUE}"/>')
        ends = f"M{low:.1f} {top + 4}v10M{high:.1f} {top + 4}v10"
        marks.append(f'<path d="M{low:.1f} {top + 9}H{high:.1f}{ends}" stroke="currentColor" stroke-width="2"/>')
        marks.append(f'<text x="{_LEFT + _WIDTH + 8}" y="{top + 14}">{score["mean"]:.3f}</text>')
    return _rows_svg(marks, len(report["programs"]), f"{report['primary']}, with 95 % intervals")


def outcome_chart(report: Mapping[str, Any]) -> str:
    """How many questions of each program got how far, as one divided bar each, with a legend."""
    marks = []
    for place, program in enumerate(report["programs"]):
        top, left, total = place * _ROW + 4, float(_LEFT), sum(program["outcomes"].values())
        marks.append(_label(top, program["program"]))
        for kind, count in program["outcomes"].items():
            width = _WIDTH * count / total if total else 0.0
            if width:
                marks.append(
                    f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="18" fill="{_COLOURS[kind]}">'
                    f"<title>{text(kind)}: {count}</title></rect>"
                )
            left += width
    legend = "".join(
        f'<span class="key"><i style="background:{colour}"></i>{text(kind)}</span>' for kind, colour in _COLOURS.items()
    )
    chart = _rows_svg(marks, len(report["programs"]), "Where the answers went")
    return f'{chart}<p class="soft">{legend}</p>'


def frontier_chart(points: Sequence[Point], metric: str) -> str:
    """Score against tokens and against seconds, numbered: filled where no other program is as good for less."""
    parts = [_scatter(points, [point.tokens for point in points], metric, "tokens for a question")]
    seconds = [point.seconds for point in points if point.seconds is not None]
    if len(seconds) == len(points):
        parts.append(_scatter(points, seconds, metric, "seconds for a question (median)"))
    return f'<div class="side">{"".join(parts)}</div>'


def calibration_chart(report: Mapping[str, Any]) -> str:
    """For each program confidence against the share that was right; on the diagonal the two agree."""
    parts = []
    for program in report["programs"]:
        found = program["calibration"]
        if found is None:
            continue
        marks = [_axes("confidence", f"{program['program']}: {report['primary']}", "0", "1")]
        marks.append(f'<path d="M{_EDGE} {_SIDE}L{_EDGE + _SIDE} 0" stroke="#888" stroke-dasharray="4 4"/>')
        most = max(bin_["size"] for bin_ in found["bins"])
        for bin_ in found["bins"]:
            x, y = _EDGE + bin_["confidence"] * _SIDE, _SIDE * (1 - bin_["accuracy"])
            size = 3 + 7 * (bin_["size"] / most) ** 0.5
            title = f"{bin_['size']} answers: confidence {bin_['confidence']:.2f}, right {bin_['accuracy']:.2f}"
            marks.append(_dot(x, y, size, title))
        parts.append(_square(marks, f"Calibration of {program['program']}"))
    return f'<div class="side">{"".join(parts)}</div>' if parts else ""


def _scatter(points: Sequence[Point], values: Sequence[float], metric: str, label: str) -> str:
    most = max(values) or 1.0
    marks = [_axes(label, metric, "0", f"{most:,.0f}" if most >= 10 else f"{most:.2g}")]
    taken: list[tuple[float, float]] = []
    for number, (point, value) in enumerate(zip(points, values, strict=True), start=1):
        x, y = _EDGE + value / most * _SIDE * 0.94, _SIDE * (1 - point.score)
        beaten = f"; {', '.join(point.beaten_by)} does as well for less" if point.beaten_by else ""
        title = f"{point.program}: {point.score:.3f} for {value:,.2f} {label}{beaten}"
        marks.append(_dot(x, y, 6, title, hollow=not point.on_frontier))
        while any(abs(y - there) < 12 and abs(x - at) < 10 for at, there in taken):
            y -= 12
        taken.append((x, y))
        marks.append(f'<text x="{x:.1f}" y="{y - 9:.1f}" text-anchor="middle">{number}</text>')
    return _square(marks, f"{metric} against {label}")


def _axes(below: str, beside: str, low: str, high: str) -> str:
    left, right = _EDGE, _EDGE + _SIDE
    return (
        f'<path d="M{left} 0V{_SIDE}H{right}" fill="none" stroke="#8886"/>'
        f'<text x="{left}" y="{_SIDE + 16}">{low}</text>'
        f'<text x="{right}" y="{_SIDE + 16}" text-anchor="end">{high}</text>'
        f'<text x="{left + _SIDE / 2}" y="{_SIDE + 32}" text-anchor="middle">{text(below)}</text>'
        f'<text x="{left - 6}" y="10" text-anchor="end">1</text>'
        f'<text x="{left - 6}" y="{_SIDE}" text-anchor="end">0</text>'
        f'<text x="{left - 14}" y="{_SIDE / 2}" text-anchor="middle" transform="rotate(-90 {left - 14} {_SIDE / 2})">'
        f"{text(_short(beside, 32))}</text>"
    )


def _dot(x: float, y: float, size: float, title: str, *, hollow: bool = False) -> str:
    look = f'fill="none" stroke="{_BLUE}" stroke-width="2"' if hollow else f'fill="{_BLUE}"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" {look}><title>{text(title)}</title></circle>'


def _square(marks: Iterable[str], label: str) -> str:
    size = f"-8 -14 {_EDGE + _SIDE + 24} {_SIDE + 54}"
    return f'<svg class="square" viewBox="{size}" role="img" aria-label="{text(label)}">{"".join(marks)}</svg>'


def _rows_svg(marks: Iterable[str], rows: int, label: str) -> str:
    size = f"0 0 {_LEFT + _WIDTH + 60} {rows * _ROW + 4}"
    return f'<svg viewBox="{size}" role="img" aria-label="{text(label)}">{"".join(marks)}</svg>'


def _label(top: int, name: str) -> str:
    return f'<text x="{_LEFT - 8}" y="{top + 14}" text-anchor="end">{text(_short(name))}</text>'


def _short(name: str, longest: int = 24) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
