"""How a build is asked for, and how what it came to is shown."""

from pathlib import Path
from typing import TYPE_CHECKING

from dsp import environment
from dsp.catalog import is_bare, names, shelf
from dsp.cli.progress import progress
from dsp.errors import UnknownName

if TYPE_CHECKING:
    from dsp.index.build import BuildResult
    from dsp.index.recipe import Recipe


def recipe_of(source: str) -> "Recipe":
    """The recipe that a name or a path means; a bare name is shipped and never read from the working directory."""
    from dsp.index.recipe import open_recipe

    if not is_bare(source):
        return open_recipe(Path(source).expanduser())
    if source not in names("indexes"):
        raise UnknownName("index", source, names("indexes"), f"To index your own documents, give a path: ./{source}")
    return open_recipe(shelf("indexes") / source)


def build_from(source: str, *, name: str | None, with_papers: bool, again: bool) -> "BuildResult":
    """Build the index of a source, and show how far it is."""
    from dsp.index.build import build_index

    recipe, home = recipe_of(source), environment.home()
    with progress() as report:
        return build_index(recipe, home=home, name=name, progress=report, again=again)
