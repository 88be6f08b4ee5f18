"""Demonstrate-Search-Predict: small programs in which a retriever and a language model answer questions together."""

from dsp import fields
from dsp.errors import DSPError
from dsp.index.open import open_index
from dsp.index.protocol import Retriever
from dsp.journal import Journal
from dsp.lm.connect import connect
from dsp.lm.protocol import LM, Completion, Reply, Request
from dsp.predict import generate
from dsp.runner import Prediction, replay, run
from dsp.search import distinct, retrieve
from dsp.settings import using
from dsp.template import Field, Template
from dsp.types import NO_DEMOS, Citation, Demos, Example, Hit, Passage, Program

__all__ = [
    "LM",
    "NO_DEMOS",
    "Citation",
    "Completion",
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
    "connect",
    "distinct",
    "fields",
    "generate",
    "open_index",
    "replay",
    "retrieve",
    "run",
    "using",
]
__version__ = "0.1.0"
