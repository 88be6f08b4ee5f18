"""What an index will take and find with each preset, before it is built.

Sizes come from the formulas of `size.py` over the corpus as `survey.py` found it; seconds from counts of what a build
does, times what each of these took a moment ago on this machine with passages of this corpus (`timing.py`).
"""

from dataclasses import dataclass, replace
from pathlib import Path

from dsp.index.encoder import connect_encoder
from dsp.index.indexed import encoded_text
from dsp.index.presets import factory_of, reason
from dsp.index.recall import ENOUGH
from dsp.index.recipe import PRESETS, Recipe
from dsp.index.size import Corpus, Size, growing, size_of
from dsp.index.survey import Survey, survey
from dsp.index.timing import Speeds, seconds_of, speeds_of
from dsp.index.vectors import is_exact
from dsp.types import JSON


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One kind of index that could be built; `recall` at 10 is 1 where all vectors are compared, else what is aimed at.

    A factory of the recipe's own has the preset `own`. `seconds` are those of the whole build.
    """

    preset: str
    factory: str
    size: Size
    seconds: float
    recall: float
    is_chosen: bool

    def json(self) -> dict[str, JSON]:
        """The choice as `--json` prints it."""
        basis = "exact" if is_exact(self.factory) else "aimed at; measured when it is built"
        return {
            "preset": self.preset,
            "factory": self.factory,
            "chosen": self.is_chosen,
            "disk_bytes": self.size.disk,
            "build_memory_bytes": self.size.build,
            "search_memory_bytes": self.size.search,
            "search_mapped_bytes": self.size.mapped,
            "build_seconds": round(self.seconds, 1),
            "recall_at_10": self.recall,
            "recall_basis": basis,
        }


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A corpus, what was measured with it, and the choices; `reason` says why the chosen one is."""

    name: str
    encoder: str
    found: Survey
    corpus: Corpus
    speeds: Speeds
    choices: tuple[Choice, ...]
    reason: str

    def json(self) -> dict[str, JSON]:
        """The preview as `--json` prints it: what was measured apart from what follows by formulas."""
        return {
            "index": self.name,
            "passages": self.found.passages,
            "passages_are": self.found.how,
            "measured": {
                "passages_read": self.found.read,
                "failed": self.found.report.failed,
                "encoder": self.encoder,
                "dimension": self.corpus.dimension,
                **self.speeds.json(),
            },
            "estimated": {
                "stored_bytes": self.corpus.stored,
                "terms": self.corpus.terms,
                "choices": [choice.json() for choice in self.choices],
            },
            "reason": self.reason,
        }


def preview_index(recipe: Recipe, *, home: Path, given: int = 0) -> Preview:
    """Say what the index of a recipe will take; `given` is the number of passages where the user knows it.

    Reads the corpus, or some of it, and encodes some 128 passages. Raises UsageError where there is no text.
    """
    found = survey(recipe, given=given)
    bytes_to_encode = found.passages * sum(len(encoded_text(p).encode()) for p in found.sample) // len(found.sample)
    encoder = connect_encoder(recipe.encoder, home=home, metric=recipe.metric, bytes_to_encode=bytes_to_encode)
    speeds, sampled = speeds_of(found.sample, encoder, reading=found.reading, with_words=recipe.has_words)
    share = found.passages / len(found.sample)
    terms = round(share * sampled.terms)
    corpus = Corpus(
        passages=found.passages,
        stored=round(share * sampled.stored),
        dimension=sampled.dimension,
        terms=terms,
        vocabulary=max(sampled.vocabulary, min(growing(terms), round(share * sampled.vocabulary))),
    )
    chosen = factory_of(recipe, corpus.passages, corpus.dimension)
    return Preview(
        name=recipe.name,
        encoder=encoder.name,
        found=found,
        corpus=corpus,
        speeds=speeds,
        choices=tuple(_choices(recipe, corpus, speeds, chosen)),
        reason=reason(recipe, corpus.passages, corpus.dimension),
    )


def _choices(recipe: Recipe, corpus: Corpus, speeds: Speeds, chosen: str) -> "list[Choice]":
    presets = {preset: _factory(recipe, preset, corpus) for preset in PRESETS if preset != "auto"}
    if chosen not in presets.values():
        presets = {"own": chosen, **presets}
    marked = next(preset for preset, factory in presets.items() if factory == chosen)
    return [
        Choice(
            preset=preset,
            factory=factory,
            size=size_of(corpus, factory),
            seconds=seconds_of(corpus, factory, speeds),
            recall=1.0 if is_exact(factory) else ENOUGH,
            is_chosen=preset == marked,
        )
        for preset, factory in presets.items()
    ]


def _factory(recipe: Recipe, preset: str, corpus: Corpus) -> str:
    return factory_of(replace(recipe, factory="Flat", preset=preset), corpus.passages, corpus.dimension)
