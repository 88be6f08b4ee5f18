"""What differs between two sets of demonstrations."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dsp.demos.file import DemoSet, WorkedDemo
from dsp.parameters import example_json
from dsp.record.calls import canonical


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not the same: what it is, and how it stands in the first and in the second set."""

    what: str
    first: str
    second: str


def differences(first: DemoSet, second: DemoSet) -> list[Difference]:
    """What was made in another way, which training questions only one of them has, and what was written otherwise."""
    found = list(_between(flat(first.origin), flat(second.origin)))
    ours, theirs = ({demo.id: _told(demo) for demo in one.worked} for one in (first, second))
    for id_ in [*ours, *(id_ for id_ in theirs if id_ not in ours)]:
        a, b = ours.get(id_), theirs.get(id_)
        if a is None or b is None:
            found.append(
                Difference(what=f"demonstration {id_}", first="there" if a else "", second="there" if b else "")
            )
        else:
            found.extend(_between(a, b, f"demonstration {id_}, "))
    raw = [
        {f"raw demonstration {x.get('id', number)}": canonical(example_json(x)) for number, x in enumerate(one.raw)}
        for one in (first, second)
    ]
    return [*found, *_between(raw[0], raw[1])]


def _between(a: Mapping[str, str], b: Mapping[str, str], of: str = "") -> Iterator[Difference]:
    for name in [*a, *(name for name in b if name not in a)]:
        if a.get(name, "") != b.get(name, ""):
            yield Difference(what=f"{of}{name}", first=a.get(name, ""), second=b.get(name, ""))


def flat(value: Mapping[str, Any], of: str = "") -> dict[str, str]:
    """Nested mappings as one, with dotted names; what is no text as JSON."""
    found: dict[str, str] = {}
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            found |= flat(inner, f"{of}{name}.")
        else:
            found[f"{of}{name}"] = inner if isinstance(inner, str) else canonical(inner)
    return found


def _told(demo: WorkedDemo) -> dict[str, str]:
    told = {
        "question": demo.question,
        "gold answers": "; ".join(demo.answers),
        "answer": demo.answer,
        "judge value": str(float(demo.value)),
        "attempt": str(demo.attempt),
        "searches": "; ".join(f"{query} → {', '.join(ids)}" for query, ids in demo.searches),
    }
    for number, step in enumerate(demo.steps, start=1):
        of = f"step {number} ({step.stage})"
        told |= flat({"inputs": example_json(step.inputs), "outputs": example_json(step.outputs)}, f"{of} ")
    return told
