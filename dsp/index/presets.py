"""Presets: which kind of FAISS index a corpus gets, by its size and the memory that searching it may take."""

import math
import re

from dsp.index.recipe import Recipe

# Up to so many vectors comparing all takes some milliseconds, and nothing is to be gained.
_FEW = 50_000
# Below this an inverted file has too few vectors to be trained on.
_LEAST = 10_000
_MOST_CELLS = 1024
_LINKS = 32


def factory_of(recipe: Recipe, count: int, dimension: int) -> str:
    """The `index_factory` string for so many vectors: the recipe's own, or that of its preset.

    `auto` is the first of flat (up to 50,000 vectors), hnsw, sq8 and pq that fits the recipe's memory; pq where none
    does. Below 10,000 vectors, or where their numbers do not divide by 8, sq8 stands in for pq.
    """
    if recipe.factory != "Flat":
        return recipe.factory
    if recipe.preset != "auto":
        return _factory(recipe.preset, count, dimension)
    if count <= _FEW:
        return "Flat"
    fitting = (_factory(preset, count, dimension) for preset in ("hnsw", "sq8", "pq"))
    room = recipe.memory * 1_000_000
    return next((f for f in fitting if count * vector_bytes(f, dimension) <= room), _factory("pq", count, dimension))


def reason(recipe: Recipe, count: int, dimension: int) -> str:
    """Why `factory_of` chooses as it does, in one clause."""
    if recipe.factory != "Flat":
        return f"the recipe names its factory, {recipe.factory}"
    if recipe.preset != "auto":
        return f"the recipe says preset = {recipe.preset}"
    if count <= _FEW:
        return f"auto compares all vectors up to {_FEW:,} passages"
    size = count * vector_bytes(factory_of(recipe, count, dimension), dimension) / 1e6
    if size > recipe.memory:
        return f"auto finds no kind whose vectors fit into faiss.memory, {recipe.memory:,} MB; this is the smallest"
    return f"auto takes the first of hnsw, sq8 and pq whose vectors fit into faiss.memory, {recipe.memory:,} MB"


def _factory(preset: str, count: int, dimension: int) -> str:
    if preset == "flat":
        return "Flat"
    if preset == "hnsw":
        return f"HNSW{_LINKS}"
    if count < _LEAST:
        return "SQ8"
    parts = next((parts for parts in (64, 48, 32, 16, 8) if dimension % parts == 0), 0)
    return f"IVF{_cells(count)},{f'PQ{parts}' if preset == 'pq' and parts else 'SQ8'}"


def _cells(count: int) -> int:
    """Cells of an inverted file: a power of two near the root of the number of vectors."""
    return min(_MOST_CELLS, 1 << round(math.log2(math.sqrt(count))))


def vector_bytes(factory: str, dimension: int) -> int:
    """Bytes for a vector in a FAISS index of that factory string."""
    links = re.search(r"HNSW(\d+)", factory)
    beside = 8 * int(links[1]) + 8 if links else 8 if "IVF" in factory else 0
    quantised = re.search(r"PQ(\d+)", factory)
    if quantised:
        return beside + int(quantised[1])
    scalar = re.search(r"SQ(\d+)", factory)
    return beside + (dimension * int(scalar[1]) // 8 if scalar else 4 * dimension)
