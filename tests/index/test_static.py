"""The static encoder: the same vectors everywhere, near where words are shared."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsp.errors import UsageError
from dsp.index.build import build_index
from dsp.index.encoder import connect_encoder
from dsp.index.open import open_index
from dsp.index.recipe import EncoderChoice
from dsp.index.static import DIMENSION, StaticEncoder
from tests.index.corpora import corpus

TEXTS = ["The cat sleeps on a warm roof.", "Europa, a moon of Jupiter!", "猫在屋顶上", "", "?!", "the the the"]


def test_vectors_have_length_one_and_do_not_depend_on_the_batch() -> None:
    together = StaticEncoder().encode_passages(TEXTS)
    assert together.shape == (len(TEXTS), DIMENSION) and together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    alone = np.concatenate([StaticEncoder().encode_queries([text]) for text in TEXTS])
    assert together.tobytes() == alone.tobytes()


def test_vectors_are_the_same_on_every_machine() -> None:
    signs = np.sign(StaticEncoder().encode_passages(TEXTS)).astype(np.int8)
    assert hashlib.sha256(signs.tobytes()).hexdigest()[:16] == "bf7f323f384bf0cb"


def test_texts_that_share_words_are_near() -> None:
    asked, near, far = StaticEncoder().encode_passages(
        ["Where does the CAT sleep on the roof?", TEXTS[0], "Salt was once paid as wages."]
    )
    assert asked @ near > 0.3 > asked @ far + 0.2


def test_a_recipe_may_choose_it(tmp_path: Path, home: Path) -> None:
    recipe = replace(corpus(tmp_path / "docs"), encoder=EncoderChoice(name="static"), mode="dense")
    assert isinstance(connect_encoder(recipe.encoder, home=home), StaticEncoder)
    build_index(recipe, home=home)
    assert open_index("facts", home=home).search(["where does the cat sleep"], 1)[0][0].passage.source == "cat.md"


def test_it_takes_no_prefix(home: Path) -> None:
    with pytest.raises(UsageError, match="no prefixes"):
        connect_encoder(EncoderChoice(name="static", query_prefix="query: "), home=home)
