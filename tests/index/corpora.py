"""Small corpora for tests of building and searching."""

from pathlib import Path

from dsp.index.recipe import EncoderChoice, Recipe, Source

FACTS = {
    "cat.md": "# Cats\n\nThe cat sleeps on the warm roof of the old mill.",
    "ship.md": "# Ships\n\nThe steamship Aurora crossed the northern sea in eleven days.",
    "bread.md": "# Bread\n\nSourdough bread rises slowly because wild yeast is patient.",
    "moon.md": "# Moons\n\nThe moon Europa hides a salty ocean under its ice.",
    "tea.md": "# 茶\n\n绿茶在春天采摘，用八十度的水冲泡最好。",
}


def corpus(folder: Path, facts: dict[str, str] | None = None) -> Recipe:
    """A folder of short documents, and its recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (FACTS if facts is None else facts).items():
        (folder / name).write_text(text, encoding="utf-8")
    return Recipe(name="facts", folder=folder, sources=(Source(path="."),), encoder=EncoderChoice(name="embedded"))
