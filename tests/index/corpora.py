"""Small corpora for tests of building and searching."""

from pathlib import Path

from dsp.index.build import build_index
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


def built_then_changed(folder: Path, home: Path) -> Recipe:
    """The same, built, and then one document changed: the next build has something to do."""
    recipe = corpus(folder)
    build_index(recipe, home=home)
    (folder / "cat.md").write_text("# Cats\n\nThe cat moved to a lighthouse.")
    return recipe
