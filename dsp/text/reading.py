"""Reading fields back from text: exactly where the text is ours, tolerantly where a model wrote it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dsp.text.wording import label_pattern, one_line, plain, without_placeholder


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was read: a value for each field that was found, the fields that were not, and remarks on doubtful ones."""

    values: Mapping[str, str]
    missing: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def read_fields(
    text: str,
    labels: Mapping[str, str],
    *,
    cue: str | None,
    foreign: Sequence[str] = (),
    placeholders: Sequence[str] = (),
    line: str = "",
) -> Reading:
    """The fields of a text by their labels.

    `cue` names the field whose label the text continues (a completion starts in the middle of it). Reading ends
    at a separator or at a `foreign` label: there a model has begun to invent the next example. Fields that exact
    reading does not find are looked for tolerantly: other case, bold, indented, on the same line, in any order.
    `placeholders` are not values; of the field `line` only the first line is read, or what was written as one.
    """
    text = _without_repeated_cue(text, labels[cue]) if cue else text
    sections, remarks = _exact(text, labels, cue, foreign)
    if any(name not in sections for name in labels):
        tolerant, more = _tolerant(text, labels, cue, foreign)
        if len(tolerant) > len(sections):
            sections, remarks = tolerant, more
    for name, section in sections.items():
        sections[name] = without_placeholder(section, placeholders)
        if sections[name].strip() != section.strip():
            remarks.append(f"{labels[name]} was followed by a placeholder")
    if line in sections:
        sections[line] = one_line(sections[line])
    values = {name: plain(sections[name]) for name in labels if name in sections}
    return Reading(values=values, missing=tuple(name for name in labels if name not in values), remarks=tuple(remarks))


def spoken(text: str) -> str:
    """What a chat model says: without white space, and without thoughts (`<think>…</think>`), before it."""
    _, closed, rest = text.partition("</think>")
    said = (rest if closed else text).lstrip()
    return "" if said.startswith("<think>") and not closed else said


def _without_repeated_cue(text: str, label: str) -> str:
    match = label_pattern(label).match(text.lstrip(" \t\n"))
    return text.lstrip(" \t\n")[match.end() :] if match else text


def _exact(
    text: str, labels: Mapping[str, str], cue: str | None, foreign: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Fields whose labels stand, letter by letter, at the start of a line."""
    found: dict[str, list[str]] = {cue: []} if cue else {}
    remarks: list[str] = []
    current, ends, known = cue, ("---", *foreign), tuple(labels.values())
    for line in text.split("\n"):
        if line.startswith(ends):
            break
        if not line.startswith(known):
            if current is not None:
                found[current].append(line)
            continue
        name = next(n for n, label in labels.items() if line.startswith(label))
        if name in found:
            remarks.append(f"{labels[name]} stands twice; the first one counts")
            break
        current = name
        found[name] = [line[len(labels[name]) :]]
    return {name: "\n".join(lines) for name, lines in found.items()}, remarks + _order(found, labels)


def _tolerant(
    text: str, labels: Mapping[str, str], cue: str | None, foreign: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Fields whose labels stand anywhere, in any dress; each field's first label counts."""
    ends = [match.start() for label in foreign for match in re.finditer(rf"(?m)^{label_pattern(label).pattern}", text)]
    ends += [match.start() for match in re.finditer(r"(?m)^---", text)]
    text = text[: min(ends, default=len(text))]
    marks: list[tuple[int, int, str]] = []
    for name, label in labels.items():
        if name == cue:
            continue
        match = re.search(rf"(?<!\w){label_pattern(label).pattern}", text, re.IGNORECASE)
        if match:
            marks.append((match.start(), match.end(), name))
    marks.sort()
    starts = ([(0, 0, cue)] if cue else []) + marks
    sections: dict[str, str] = {}
    for (_, end, name), following in zip(starts, [*starts[1:], None], strict=True):
        sections[name] = text[end : following[0] if following else len(text)]
    read = [f"{labels[name]} was read tolerantly" for _, _, name in marks]
    return sections, read + _order(sections, labels)


def _order(found: Iterable[str], labels: Mapping[str, str]) -> list[str]:
    """A remark where the fields do not stand in the order of the template."""
    there = list(found)
    wanted = [name for name in labels if name in there]
    return [] if there == wanted else [f"the order was {', '.join(labels[name].rstrip(': ') for name in there)}"]
