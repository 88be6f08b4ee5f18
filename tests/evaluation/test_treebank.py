"""The word splitter against NLTK 3.10.4, whose results over these generated texts are held as digests."""

import hashlib
import json
import random

import pytest

from dsp.evaluation.treebank import english_words
from tests.evaluation import official

NLTK = (
    "4c3f41792f3b6128 c2ebc4e4c5ebbc28 611faf654a91976d 7779dba869351ad5 ad03ad491ce7dd8b "
    "958307b354badc4d 7ece6d352bd57891 8f5652c56537e538 9dd6b4aaa1a22864 e228da8c0a679267"
).split()


@pytest.mark.parametrize("block", [0, *(pytest.param(b, marks=pytest.mark.slow) for b in range(1, 10))])
def test_a_thousand_texts_split_as_nltk_splits_them(block: int) -> None:
    random_ = random.Random(f"treebank {block}")
    digest = hashlib.sha256()
    for _ in range(1000):
        text = official.text(random_, official.TREEBANK, longest=10)
        digest.update(json.dumps(english_words(text), ensure_ascii=False).encode())
    assert digest.hexdigest()[:16] == NLTK[block]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("it's 3,000 u.s. dollars.", "it 's 3,000 u.s. dollars ."),
        ('gonna say \'tis (really) "so"...', "gon na say ' tis ( really ) `` so '' ..."),
        ('he said: "can\'t" -- x@y', "he said : `` ca n't '' -- x @ y"),
        ("a,b: c; [d] 50%?", "a , b : c ; [ d ] 50 % ?"),
        ("o'neil's 'quoted' n't", "o'neil 's ' quoted ' n't"),
        ("«x» “y” 2012–2015", "« x » “ y ” 2012 – 2015"),
        ("", ""),
    ],
)
def test_words_and_marks(text: str, words: str) -> None:
    assert english_words(text) == words.split()
