"""Demonstrate-Search-Predict: small programs in which a retriever and a language model answer questions together."""

from dsp import fields
from dsp.completions import Completions, likeliest, majority, most_common
from dsp.demonstrate import all_but, annotate, crossval, knn, sample
from dsp.errors import DSPError
from dsp.evidence import focus
from dsp.fusion import combmnz, combsum, maximum, rrf
from dsp.grounding import best_grounded, rank
from dsp.index.open import open_index
from dsp.index.protocol import Retriever
from dsp.journal import Journal
from dsp.lm.connect import connect
from dsp.lm.protocol import LM, Completion, Reply, Request
from dsp.predict import branch, ensemble, generate, generate_many
from dsp.runner import Prediction, replay, run
from dsp.search import condense, distinct, is_nothing, retrieve, retrieve_fused
from dsp.settings import using
from dsp.template import Field, Template
from dsp.types import NO_DEMOS, Citation, Demos, Example, Hit, Passage, Program

__all__ = [
    "LM",
    "NO_DEMOS",
    "Citation",
    "Completion",
    "Completions",
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
    "Retriever",
    "Template",
    "all_but",
    "annotate",
    "best_grounded",
    "branch",
    "combmnz",
    "combsum",
    "condense",
    "connect",
    "crossval",
    "distinct",
    "ensemble",
    "fields",
    "focus",
    "generate",
    "generate_many",
    "is_nothing",
    "knn",
    "likeliest",
    "majority",
    "maximum",
    "most_common",
    "open_index",
    "rank",
    "replay",
    "retrieve",
    "retrieve_fused",
    "rrf",
    "run",
    "sample",
    "using",
]
__version__ = "0.1.0"
