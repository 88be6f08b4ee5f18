"""Scores of an answer against gold answers, by the official rules of the sets that define them.

Every function takes the predicted string and the gold answers, of which the one that scores best counts.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from dsp.errors import UsageError
from dsp.text import matching
from dsp.text.matching import gold, squad_normal
from dsp.text.words import normal
from dsp.types import Passage

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_TRIVIA_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation + "‘’´`", " "))
_REFUSAL = re.compile(
    r"n\s*/\s*a|none|unknown|unanswerable|no answer|(?:not enough|insufficient) information"
    r"|(?:(?:sorry|i am sorry|im sorry) )?(?:i|we) (?:do not|dont|can ?not|cant) (?:know|say|tell|answer)\b.*"
    r"|(?:the )?(?:context|passages?|documents?|text) (?:does|do) not\b.*"
    r"|(?:it is )?not (?:mentioned|stated|given|specified)(?: in (?:the )?(?:context|passages?|documents?|text))?"
    r"|(?:我)?不知道|无法回答|无法确定|不清楚|没有(?:提到|提及|说明).*|未(?:提到|提及|说明).*"
)


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1 where the answer equals a gold one once both are normalised (English by SQuAD's rule, Chinese by character)."""
    return float(matching.exactly(predicted(prediction), answers))


def f1(prediction: str, answers: Sequence[str]) -> float:
    """F1 over words (Chinese: characters); 1 where nothing is left of both."""
    return matching.best_f1(predicted(prediction), answers)


def precision(prediction: str, answers: Sequence[str]) -> float:
    """The share of the answer's words (Chinese: characters) that the gold answer has too."""
    return matching.best_precision(predicted(prediction), answers)


def squad_exact_match(prediction: str, answers: Sequence[str]) -> float:
    """Exact match of SQuAD's evaluate-v1.1.py."""
    said = squad_normal(predicted(prediction))
    return float(any(said == squad_normal(answer) for answer in gold(answers)))


def squad_f1(prediction: str, answers: Sequence[str]) -> float:
    """F1 of SQuAD's evaluate-v1.1.py: 0 where no word is shared, also where nothing is left of both."""
    said = squad_normal(predicted(prediction)).split()
    return max(token_scores(said, squad_normal(answer).split())[0] for answer in gold(answers))


def nq_exact_match(prediction: str, answers: Sequence[str]) -> float:
    """Exact match of the NQ-open script: accents are taken apart first, and every one of the targets counts."""
    said = decomposed(predicted(prediction))
    return float(any(said == decomposed(answer) for answer in gold(answers)))


def trivia_exact_match(prediction: str, answers: Sequence[str]) -> float:
    """Exact match of the TriviaQA script, in which punctuation and `_` become blanks; `answers` are the aliases."""
    said = _trivia_normal(predicted(prediction))
    return float(any(said == _trivia_normal(answer) for answer in gold(answers)))


def trivia_f1(prediction: str, answers: Sequence[str]) -> float:
    """F1 of the TriviaQA script; `answers` are the aliases."""
    said = _trivia_normal(predicted(prediction)).split()
    return max(token_scores(said, _trivia_normal(answer).split())[0] for answer in gold(answers))


def passage_match(passages: Iterable[Passage | str], answers: Sequence[str]) -> float:
    """1 where a passage that was retrieved holds a gold answer word by word."""
    texts = (p if isinstance(p, str) else f"{p.title}\n{p.text}" for p in passages if not _is_summary(p))
    return float(matching.held_by(texts, answers))


def refusal(prediction: str) -> float:
    """1 where the program said that it does not know, or said nothing."""
    bare = "".join(" " if unicodedata.category(c)[0] == "P" and c not in "/'’" else c for c in normal(prediction))
    text = " ".join(bare.replace("'", "").replace("’", "").split())
    return float(not text or _REFUSAL.fullmatch(text) is not None)


def token_scores(said: Sequence[str], wanted: Sequence[str]) -> tuple[float, float, float]:
    """F1, precision and recall over two lists of tokens as multisets; 0 where they share none."""
    common = sum((Counter(said) & Counter(wanted)).values())
    if not common:
        return 0.0, 0.0, 0.0
    precision, recall = common / len(said), common / len(wanted)
    return 2 * precision * recall / (precision + recall), precision, recall


def decomposed(text: str) -> str:
    """The text as the scripts of NQ-open and of DSP compare it: SQuAD's rule after accents are taken apart (NFD)."""
    return squad_normal(unicodedata.normalize("NFD", text))


def predicted(prediction: str) -> str:
    """The prediction; UsageError where it is no string, which no official script would score either."""
    if not isinstance(prediction, str):
        raise UsageError(f"a prediction is a string; found {type(prediction).__name__}")
    return prediction


def _trivia_normal(text: str) -> str:
    bare = text.replace("_", " ").lower().translate(_TRIVIA_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def _is_summary(passage: Passage | str) -> bool:
    return isinstance(passage, Passage) and passage.is_summary
