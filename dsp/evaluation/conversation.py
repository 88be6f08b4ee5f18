"""Scores of answers in conversations: QReCC's F1, and nF1, which counts only what is new in an answer."""

from collections.abc import Sequence

from dsp.evaluation.answer import decomposed, predicted, token_scores
from dsp.text.matching import gold, squad_normal

# NLTK's list of English stop words as the nF1 of Demonstrate-Search-Predict uses it.
_STOPWORDS = frozenset(
    """i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself
    it its itself they them their theirs themselves what which who whom this that these those am is are was were be
    been being have has had having do does did doing a an the and but if or because as until while of at by for with
    about against between into through during before after above below to from up down in out on off over under again
    further then once here there when where why how all any both each few more most other some such no nor not only
    own same so than too very s t can will just don should now""".split()
)


def qrecc_f1(prediction: str, answers: Sequence[str]) -> float:
    """F1 of QReCC's evaluate_qa.py: as SQuAD 2.0, an empty answer scores 1 where the gold one is empty too."""
    said = squad_normal(predicted(prediction)).split()
    return max(_f1_or_both_empty(said, squad_normal(answer).split()) for answer in gold(answers))


def nf1(prediction: str, answers: Sequence[str], history: Sequence[str] | str) -> float:
    """F1 over the words that are neither stop words nor in the history (questions and answers so far, and this one).

    By the rule of the Demonstrate-Search-Predict paper (section 4.1) and of its released code.
    """
    turns = [history] if isinstance(history, str) else history
    known = _STOPWORDS.union(*(decomposed(turn).split() for turn in turns))
    said = _new(predicted(prediction), known)
    return max(token_scores(said, _new(answer, known))[0] for answer in gold(answers))


def _f1_or_both_empty(said: Sequence[str], wanted: Sequence[str]) -> float:
    return token_scores(said, wanted)[0] if said and wanted else float(said == wanted)


def _new(text: str, known: frozenset[str]) -> list[str]:
    return [token for token in decomposed(text).split() if token not in known]
