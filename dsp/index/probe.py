"""Loads an index in a process of its own and searches it: `python -m dsp.index.probe HOME NAME BYTES`."""

import json
import sys
from pathlib import Path

from dsp.errors import DSPError, IndexCorrupt
from dsp.index.built import Built
from dsp.index.generation import open_generation
from dsp.index.storage import index_folder

_CPU_SECONDS = 60
_MEMORY = 4 * 2**30
_QUERIES = 64


def probe(built: Built) -> None:
    """Load every part, read every passage, search for some of the index's own vectors; IndexCorrupt where one fails."""
    ids = [passage.id for passage in built.passages()]
    if len(set(ids)) != len(ids):
        raise IndexCorrupt("two passages have the same id")
    vectors = built.vectors
    if vectors.count:
        own = built.some_vectors(_QUERIES)
        vectors.nearest(own, 10)
    built.seen_in("en")
    if built.has_words:
        built.lexical.scores(" ".join(ids[:_QUERIES]))


def _limit(size: int) -> None:
    import resource

    for kind, limit in ((resource.RLIMIT_AS, _MEMORY + 4 * size), (resource.RLIMIT_CPU, _CPU_SECONDS)):
        resource.setrlimit(kind, (limit, limit))


def main(home: str, name: str, size: str) -> int:
    """Print one JSON string that says what is wrong and return 3, or print nothing and return 0."""
    _limit(int(size))
    try:
        generation = open_generation(index_folder(Path(home), name))
        if generation is not None:
            probe(Built(generation))
    except (DSPError, MemoryError, ValueError, KeyError, TypeError) as error:
        sys.stdout.write(json.dumps(str(error) or type(error).__name__) + "\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
