"""How well an index finds what the public questions need: `python -m tests.benchmarks.retrieval [INDEX]`.

Prints a Markdown table: for each mode and language recall@5 (the share of a question's supporting files among those
of the first five passages) and the share of questions with an answer in the first 4, 8 and 16 passages.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dsp.catalog import shelf
from dsp.index.open import open_index
from dsp.index.protocol import Retriever
from dsp.text.words import normal
from dsp.types import Hit

MODES = ("dense", "lexical", "hybrid")
DEPTHS = (4, 8, 16)


def questions() -> list[dict[str, Any]]:
    """The public questions about the default corpus; those of type `zh` are asked in Chinese."""
    path = shelf("eval") / "digest" / "questions.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def measured(retriever: Retriever, asked: Sequence[dict[str, Any]]) -> list[float]:
    """Recall@5 and the shares with an answer at each depth, as means over the questions."""
    rankings = retriever.search([question["question"] for question in asked], max(DEPTHS))
    rows = [_row(hits, question) for hits, question in zip(rankings, asked, strict=True)]
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def _row(hits: Sequence[Hit], question: dict[str, Any]) -> list[float]:
    found = {hit.passage.source for hit in hits[:5]}
    recall = sum(source in found for source in question["supporting"]) / len(question["supporting"])
    holds = [_holds(f"{hit.passage.title}\n{hit.passage.text}", question["answers"]) for hit in hits]
    return [recall, *(float(any(holds[:depth])) for depth in DEPTHS)]


def _holds(text: str, answers: Sequence[str]) -> bool:
    """Whether an answer stands in a text as whole words, whatever the case and the blanks."""
    there = " ".join(normal(text).split())
    return any(re.search(_pattern(" ".join(normal(answer).split())), there) for answer in answers)


def _pattern(answer: str) -> str:
    before = "(?<![a-z0-9])" if re.match("[a-z0-9]", answer) else ""
    after = "(?![a-z0-9])" if re.search("[a-z0-9]$", answer) else ""
    return before + re.escape(answer) + after


def table(index: str, home: Path | None = None) -> str:
    """The table as Markdown."""
    asked = {"EN": [q for q in questions() if q["type"] != "zh"], "ZH": [q for q in questions() if q["type"] == "zh"]}
    lines = ["| mode | questions | recall@5 | answer in top 4 | top 8 | top 16 |", "|---|---|---|---|---|---|"]
    for mode in MODES:
        retriever = open_index(index, home=home, mode=mode)
        for tongue, group in asked.items():
            figures = " | ".join(f"{value:.3f}" for value in measured(retriever, group))
            lines.append(f"| {mode} | {tongue} ({len(group)}) | {figures} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table(sys.argv[1] if len(sys.argv) > 1 else "digest") + "\n")
