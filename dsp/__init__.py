"""Demonstrate-Search-Predict: small programs in which a retriever and a language model answer questions together."""

from dsp import fields
from dsp.errors import DSPError
from dsp.index.protocol import Retriever
from dsp.journal import Journal
from dsp.lm.protocol import LM, Completion, Reply, Request
from dsp.predict import generate
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
    "Program",
    "Reply",
    "Request",
    "Retriever",
    "Template",
    "distinct",
    "fields",
    "generate",
    "retrieve",
    "using",
]
__version__ = "0.1.0"
