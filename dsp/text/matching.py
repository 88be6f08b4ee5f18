"""Whether a text holds or equals a gold answer: what judges and metrics are made of.

Normalisation is that of the SQuAD 1.1 script (lower case, punctuation and articles removed, white space squeezed);
Chinese is compared by character.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence

from dsp.errors import UsageError
from dsp.text.words import language, tokens

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def squad_normal(text: str) -> str:
    """The text as the SQuAD 1.1 script compares it."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def gold(answers: Sequence[str]) -> tuple[str, ...]:
    """The gold answers; UsageError for a bare string or for none, which no prediction can match."""
    if isinstance(answers, str):
        raise UsageError(
            f"gold answers are a list of strings, not the string {answers[:40]!r}; write [{answers[:40]!r}]"
        )
    if not answers:
        raise UsageError("there is no gold answer to compare with; give at least one")
    return tuple(answers)


def answer_tokens(text: str) -> list[str]:
    """The tokens that two answers are compared by: words in English, characters where there is Chinese."""
    if language(text) == "zh":
        return [c for c in text.casefold() if c.isalnum()]
    return squad_normal(text).split()


def exactly(prediction: str, answers: Sequence[str]) -> bool:
    """Whether the prediction equals a gold answer once both are normalised."""
    return any(answer_tokens(prediction) == answer_tokens(answer) for answer in gold(answers))


def overlap(prediction: str, answer: str) -> tuple[float, float, float]:
    """Precision, recall and F1 over the tokens of a prediction and one answer; 1 where both are empty."""
    said, wanted = answer_tokens(prediction), answer_tokens(answer)
    if not said or not wanted:
        same = float(said == wanted)
        return same, same, same
    common = sum((Counter(said) & Counter(wanted)).values())
    if not common:
        return 0.0, 0.0, 0.0
    precision, recall = common / len(said), common / len(wanted)
    return precision, recall, 2 * precision * recall / (precision + recall)


def best_f1(prediction: str, answers: Sequence[str]) -> float:
    """F1 with the gold answer that is closest."""
    return max(overlap(prediction, answer)[2] for answer in gold(answers))


def best_precision(prediction: str, answers: Sequence[str]) -> float:
    """Precision with the gold answer that is closest."""
    return max(overlap(prediction, answer)[0] for answer in gold(answers))


def held_by(texts: Iterable[str], answers: Sequence[str]) -> bool:
    """Whether one of the texts holds one of the answers word by word; an answer without words is never held."""
    wanted = [found for answer in gold(answers) if (found := tokens(answer))]
    for text in texts:
        there = tokens(text)
        if any(there[i : i + len(w)] == w for w in wanted for i in range(len(there) - len(w) + 1)):
            return True
    return False
