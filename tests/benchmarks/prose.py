"""Passages of ordinary text in any number, always the same: sentences of the default corpus in another order."""

import json
import random
from pathlib import Path

from dsp.catalog import shelf
from dsp.text.sentences import sentences

_WORDS = 90


def passages(count: int) -> list[str]:
    """So many texts of about ninety English words, no two alike."""
    pool = _sentences()
    chance, found = random.Random(5), []
    for number in range(count):
        text = f"Note {number}."
        while len(text.split()) < _WORDS:
            text = f"{text} {chance.choice(pool)}"
        found.append(" ".join(text.split()[: _WORDS + 15]))
    return found


def write(path: Path, count: int) -> None:
    """The passages as rows of JSON."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in passages(count)), encoding="utf-8")


def _sentences() -> list[str]:
    found = []
    for path in sorted((shelf("indexes") / "digest").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if text.isascii() or sum(map(str.isascii, text)) > 0.98 * len(text):
            found += [" ".join(text[span.start : span.end].split()) for span in sentences(text)]
    return [sentence for sentence in found if 6 <= len(sentence.split()) <= 40 and sentence[0].isalpha()]
