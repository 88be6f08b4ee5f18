"""retrieve asks the retriever in force; distinct keeps the first of each passage."""

from dsp.search import distinct, retrieve
from dsp.settings import using
from dsp.testing import FixedRetriever
from dsp.types import Passage

ANN = Passage(id="1", text="Ann lives in Rome.")
BOB = Passage(id="2", text="Bob lives in Oslo.")


def test_retrieve_gives_the_best_passages_first() -> None:
    with using(retriever=FixedRetriever((ANN, BOB))):
        assert retrieve("who lives in Oslo", k=2) == (BOB, ANN)
        assert retrieve("Rome", k=1) == (ANN,)


def test_distinct_keeps_order() -> None:
    assert distinct((BOB, ANN, BOB, ANN)) == (BOB, ANN)
    assert distinct(()) == ()
