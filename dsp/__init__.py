"""Demonstrate-Search-Predict: small programs in which a retriever and a language model answer questions together."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsp import fields
    from dsp.budget import Budget
    from dsp.completions import Completions, likeliest, majority, most_common
    from dsp.conversation import Conversation
    from dsp.crossvalidation import crossval
    from dsp.demonstrate import all_but, annotate, knn, sample
    from dsp.engine.loop import aside
    from dsp.errors import DSPError
    from dsp.evidence import focus
    from dsp.fusion import combmnz, combsum, maximum, rrf
    from dsp.grounding import best_grounded, rank
    from dsp.index.open import open_index
    from dsp.index.protocol import Retriever
    from dsp.index.rerank import CrossEncoder, RerankedRetriever
    from dsp.lm.connect import connect
    from dsp.lm.listening import listening
    from dsp.lm.protocol import LM, Completion, Reply, Request
    from dsp.predict import branch, ensemble, generate, generate_many
    from dsp.queries import feedback, imagine, rewrite
    from dsp.record.journal import Journal
    from dsp.reranking import YesNo, rerank
    from dsp.runner import Prediction, replay, run
    from dsp.search import condense, distinct, is_nothing, retrieve, retrieve_fused
    from dsp.settings import using
    from dsp.template import Field, Template
    from dsp.text.phrases import echoes, phrase
    from dsp.text.words import language
    from dsp.types import NO_DEMOS, Citation, Demos, Example, Hit, Passage, Program

__all__ = [
    "LM",
    "NO_DEMOS",
    "Budget",
    "Citation",
    "Completion",
    "Completions",
    "Conversation",
    "CrossEncoder",
    "DSPError",
    "Demos",
    "Example",
    "Field",
    "Hit",
    "Journal",
    "Passage",
    "Prediction",
    "Program",
    "Reply",
    "Request",
    "RerankedRetriever",
    "Retriever",
    "Template",
    "YesNo",
    "all_but",
    "annotate",
    "aside",
    "best_grounded",
    "branch",
    "combmnz",
    "combsum",
    "condense",
    "connect",
    "crossval",
    "distinct",
    "echoes",
    "ensemble",
    "feedback",
    "fields",
    "focus",
    "generate",
    "generate_many",
    "imagine",
    "is_nothing",
    "knn",
    "language",
    "likeliest",
    "listening",
    "majority",
    "maximum",
    "most_common",
    "open_index",
    "phrase",
    "rank",
    "replay",
    "rerank",
    "retrieve",
    "retrieve_fused",
    "rewrite",
    "rrf",
    "run",
    "sample",
    "using",
]
__version__ = "0.1.0"

# Where each name stands; its module is loaded when the name is first used, so that `import dsp` costs nothing.
_HOMES = {
    "dsp.budget": "Budget",
    "dsp.completions": "Completions likeliest majority most_common",
    "dsp.conversation": "Conversation",
    "dsp.crossvalidation": "crossval",
    "dsp.demonstrate": "all_but annotate knn sample",
    "dsp.engine.loop": "aside",
    "dsp.errors": "DSPError",
    "dsp.evidence": "focus",
    "dsp.fusion": "combmnz combsum maximum rrf",
    "dsp.grounding": "best_grounded rank",
    "dsp.index.open": "open_index",
    "dsp.index.protocol": "Retriever",
    "dsp.index.rerank": "CrossEncoder RerankedRetriever",
    "dsp.record.journal": "Journal",
    "dsp.lm.connect": "connect",
    "dsp.lm.listening": "listening",
    "dsp.lm.protocol": "LM Completion Reply Request",
    "dsp.text.phrases": "echoes phrase",
    "dsp.predict": "branch ensemble generate generate_many",
    "dsp.queries": "feedback imagine rewrite",
    "dsp.reranking": "YesNo rerank",
    "dsp.runner": "Prediction replay run",
    "dsp.search": "condense distinct is_nothing retrieve retrieve_fused",
    "dsp.settings": "using",
    "dsp.template": "Field Template",
    "dsp.types": "NO_DEMOS Citation Demos Example Hit Passage Program",
    "dsp.text.words": "language",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


if not TYPE_CHECKING:  # so that a name that does not exist is an error to a type checker

    def __getattr__(name: str) -> object:
        if name == "fields":
            return import_module("dsp.fields")
        if name not in _HOME_OF:
            raise AttributeError(f"module 'dsp' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
