"""How much memory and disk an index takes, by the facts that its recipe states, before anything is built."""

from typing import NamedTuple

from dsp.index.presets import factory_of, vector_bytes
from dsp.index.recipe import Recipe

DIMENSION = 384
"""Numbers in a vector of the embedded encoder."""
# Measured on built indexes of HotpotQA, XQuAD and the digest: bytes for a byte of text, and for a passage.
_STORED, _LEXICAL, _PLACES = 1.35, 0.9, 40


class Size(NamedTuple):
    """Bytes: to search, to build, and on disk."""

    search: int
    build: int
    disk: int


def size_of(recipe: Recipe) -> Size | None:
    """What the index of a recipe will take; None where the recipe does not state how many passages there are."""
    n, text = recipe.expected, recipe.expected_bytes
    if not n:
        return None
    exact = 4 * DIMENSION * n
    factory = factory_of(recipe, n, DIMENSION)
    vectors = n * vector_bytes(factory, DIMENSION)
    lexical = round(_LEXICAL * text) + _PLACES * n
    disk = vectors + lexical + round(_STORED * text) + (exact if factory != "Flat" else 0)
    return Size(search=vectors + lexical, build=exact + vectors + lexical, disk=disk)


def told(recipe: Recipe) -> str:
    """What a person should know before a build, in one line; empty where nothing is stated."""
    size = size_of(recipe)
    if size is None:
        return ""
    search, build, disk = (f"{part / 1e9:,.1f} GB" for part in size)
    licence = f", licence {recipe.licence}" if recipe.licence else ""
    return (
        f"{recipe.expected:,} passages ({recipe.expected_bytes / 1e9:,.1f} GB of text{licence}): about {disk} of disk, "
        f"{build} of memory to build and {search} to search"
    )
