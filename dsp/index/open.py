"""Opens an index by name or recipe, building it first where it is missing or its documents changed."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dsp import environment
from dsp.catalog import is_bare, names, shelf
from dsp.errors import Busy, UnknownName, UsageError
from dsp.index.build import Progress, build_index, is_fresh
from dsp.index.built import Built
from dsp.index.colbert import PREFIX, ColBERTServer
from dsp.index.encoder import connect_encoder
from dsp.index.generation import Generation, open_generation
from dsp.index.hybrid import IndexRetriever
from dsp.index.protocol import Retriever
from dsp.index.recipe import MODES, Recipe, load_recipe, open_recipe
from dsp.index.size import told
from dsp.index.storage import index_folder, index_names
from dsp.index.stored import recipe_from


def open_index(
    name_or_path: str | Path, *, home: Path | None = None, mode: str | None = None, progress: Progress | None = None
) -> Retriever:
    """The retriever over an index: a shipped or built one by its bare name, one of the user's by the path of its
    recipe or documents, or a ColBERTv2-style search server as `colbert:URL`.

    It is built now where it was not, unless its recipe says that it is large, and anew where its recipe or documents
    changed since. `mode` (dense, lexical or hybrid) goes before the recipe's. Raises UnknownName, IndexCorrupt,
    StorageError, UsageError.
    """
    if str(name_or_path).startswith(PREFIX):
        return ColBERTServer(str(name_or_path).removeprefix(PREFIX))
    home = home or environment.home()
    if mode is not None and mode not in MODES:
        raise UnknownName("way to search", mode, MODES)
    name, recipe = find_index(name_or_path, home)
    generation = open_generation(index_folder(home, name))
    if generation is not None:
        recipe = _with_extras(recipe, generation.manifest)
    if recipe is None:
        raise UsageError(f"the index {name!r} was built by another version of dsp; build it again from its documents")
    if generation is None and recipe.is_large:
        raise UsageError(f"the index {name!r} is not built: {told(recipe)}. Build it with: dsp index build {name}")
    mode = mode or recipe.mode
    if generation is None or not _usable(generation.manifest, recipe, home):
        _require_words(name, mode, recipe.has_words)
        generation = _rebuilt(recipe, name, home, progress, generation)
    built = Built(generation)
    _require_words(name, mode, built.has_words)
    encoder = connect_encoder(recipe.encoder, home=home, metric=recipe.metric)
    return IndexRetriever(built, encoder, mode=mode, weights=(recipe.dense_weight, recipe.lexical_weight))


def find_index(name_or_path: str | Path, home: Path) -> tuple[str, Recipe | None]:
    """The name of an index and the recipe it is to be built from: shipped, kept by its last build, or the user's file.

    The recipe is None for an index that another version of dsp built. Raises UnknownName.
    """
    text = str(name_or_path)
    if not text:
        raise UsageError("an index needs a name, or the path of a recipe or of documents")
    built = index_names(home)
    if isinstance(name_or_path, Path) or not (is_bare(text) or text in built):
        path = Path(text).expanduser()
        recipe = open_recipe(path)
        return _own_name(recipe, text if text.startswith("hf:") else str(path.absolute())), recipe
    if text in names("indexes"):
        return text, load_recipe(shelf("indexes") / text)
    if text not in built:
        known = {*names("indexes"), *built}
        raise UnknownName("index", text, known, f"To index your own documents: dsp index build PATH --name {text}")
    generation = open_generation(index_folder(home, text))
    return text, recipe_from(generation.manifest["recipe"]) if generation else None


def known_recipe(name_or_path: str | Path, home: Path) -> tuple[str, Recipe]:
    """The same, for those who build: UsageError where another version of dsp built it and its recipe is not known."""
    name, recipe = find_index(name_or_path, home)
    if recipe is None:
        raise UsageError(
            f"the index {str(name_or_path)!r} was built by another version of dsp; name its documents or its recipe"
        )
    return name, recipe


def _require_words(name: str, mode: str, there: bool) -> None:
    """UsageError where a search needs the lexical side and it is not there."""
    if mode != "dense" and not there:
        raise UsageError(
            f'the index {name!r} has no lexical side, for its recipe says mode = "dense"; search it with '
            "--mode dense, or write another mode under [search] in the recipe and build it again"
        )


def _own_name(recipe: Recipe, place: str) -> str:
    """A name that only this place has, so that two folders called `notes` do not replace each other's index."""
    mark = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return f"{recipe.name[:57].rstrip('-._')}-{mark}"


def _with_extras(recipe: Recipe | None, manifest: Mapping[str, Any]) -> Recipe | None:
    """The recipe with the sources that a build added to it, such as fetched papers."""
    kept = recipe_from(manifest["recipe"])
    if recipe is None or kept is None:
        return recipe
    extras = tuple(source for source in kept.sources if source.root is not None and source not in recipe.sources)
    return replace(recipe, sources=recipe.sources + extras)


def _usable(manifest: Mapping[str, Any], recipe: Recipe, home: Path) -> bool:
    """Whether to search this generation as it is: nothing changed, or the documents are no longer here."""
    places = [source.root / source.path for source in recipe.sources if source.root is not None]
    here = recipe.folder.exists() and all(place.exists() for place in places)
    return not here or is_fresh(manifest, recipe, home)


def _rebuilt(recipe: Recipe, name: str, home: Path, progress: Progress | None, before: Generation | None) -> Generation:
    try:
        build_index(recipe, home=home, name=name, progress=progress)
    except Busy:
        if before is None:
            raise
        return before  # another process is at it; until it is done the old one answers
    generation = open_generation(index_folder(home, name))
    if generation is None:
        raise Busy(f"the index {name!r} was removed while it was opened; open it again")
    return generation
