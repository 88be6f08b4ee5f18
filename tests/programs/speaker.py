"""Doors for running programs: an LM that writes every output of whatever template it is shown, and five passages."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dsp.lm.protocol import Request
from dsp.types import Passage

QUESTION = "When was the bridge built that Ann designed?"

PASSAGES = (
    Passage(id="ann", title="Ann", text="Ann designed the bridge of Odense.", source="ann.md"),
    Passage(id="odense", title="Odense", text="The bridge of Odense was built in 1858.", source="odense.md"),
    Passage(id="bob", title="Bob", text="Bob designed a tower.", source="bob.md"),
    Passage(id="tower", title="Tower", text="The tower was built in 1901.", source="tower.md"),
    Passage(id="cat", text="A cat sleeps on the bridge.", source="cat.md"),
)

Script = Mapping[str, Callable[[int], str]]
"""For the name of an output what its i-th value is, counted from 0 over the run."""

SCRIPT: Script = {
    "rationale": lambda i: f"Ann designed the bridge of Odense, thought {i}.",
    "answer": lambda i: "1901" if i % 3 == 1 else "1858",
    "query": lambda i: f"bridge of Odense {i}",
    "known": lambda i: f"Ann designed the bridge of Odense ({i}).",
    "summary": lambda i: f"Ann designed the bridge of Odense ({i}).",
    "draft": lambda i: f"The bridge was built long ago, perhaps in 18{i}0.",
    "thought": lambda i: f"Ann designed bridge number {i}.",
    "step": lambda i: f"Yes. Follow up: When was the bridge of Odense built ({i})?",
    "choice": lambda i: "(B)",
}


@dataclass
class Speaker:
    """Writes a value for each output that is asked for, as the script says."""

    script: Script = field(default_factory=lambda: SCRIPT)
    said: Counter[str] = field(default_factory=Counter)

    def __call__(self, request: Request) -> str:
        outputs = [f for f in request.template.outputs if f.name not in request.begun]
        return "\n".join(
            f"{f.label if i else ''} {self.script[f.name](self._count(f.name))}" for i, f in enumerate(outputs)
        )

    def _count(self, name: str) -> int:
        self.said[name] += 1
        return self.said[name] - 1
