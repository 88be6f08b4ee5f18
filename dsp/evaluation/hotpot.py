"""HotpotQA's own scores: answers with the yes/no rule, supporting facts, and both jointly.

They equal hotpot_evaluate_v1.py for one question; its summary is the mean over all questions.
"""

from collections.abc import Sequence
from typing import NamedTuple

from dsp.errors import UsageError
from dsp.evaluation.answer import predicted, token_scores
from dsp.text.matching import gold, squad_normal

_VERDICTS = frozenset(("yes", "no", "noanswer"))

Fact = Sequence[str | int]


class Scores(NamedTuple):
    """Exact match, F1, precision and recall of one question."""

    exact_match: float
    f1: float
    precision: float
    recall: float


def answer_scores(prediction: str, answers: Sequence[str]) -> Scores:
    """The scores of an answer; of several gold answers the one with the best F1 (then exact match) counts."""
    said = squad_normal(predicted(prediction))
    return max((_scores(said, squad_normal(answer)) for answer in gold(answers)), key=lambda s: (s.f1, s.exact_match))


def fact_scores(predicted_facts: Sequence[Fact], facts: Sequence[Fact]) -> Scores:
    """The scores of the facts named as support, each a pair of title (or passage id) and sentence number."""
    said, wanted = _pairs("predicted", predicted_facts), _pairs("gold", facts)
    if not wanted:
        raise UsageError("there are no gold supporting facts to compare with; this question cannot be scored by them")
    common = len(said & wanted)
    precision = common / len(said) if said else 0.0
    recall = common / len(wanted)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
    return Scores(float(said == wanted), f1, precision, recall)


def joint_scores(answer: Scores, facts: Scores) -> Scores:
    """Both at once: precision and recall are multiplied, and so is exact match."""
    precision, recall = answer.precision * facts.precision, answer.recall * facts.recall
    f1 = 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
    return Scores(answer.exact_match * facts.exact_match, f1, precision, recall)


def hotpot_exact_match(prediction: str, answers: Sequence[str]) -> float:
    """Exact match by HotpotQA's script, which here is SQuAD's."""
    said = squad_normal(predicted(prediction))
    return float(any(said == squad_normal(answer) for answer in gold(answers)))


def hotpot_f1(prediction: str, answers: Sequence[str]) -> float:
    """F1 by HotpotQA's script: where either says yes, no or noanswer, only the same word scores."""
    return answer_scores(prediction, answers).f1


def hotpot_precision(prediction: str, answers: Sequence[str]) -> float:
    """Precision by HotpotQA's script."""
    return answer_scores(prediction, answers).precision


def hotpot_recall(prediction: str, answers: Sequence[str]) -> float:
    """Recall by HotpotQA's script."""
    return answer_scores(prediction, answers).recall


def supporting_exact_match(predicted_facts: Sequence[Fact], facts: Sequence[Fact]) -> float:
    """1 where exactly the gold facts were named."""
    return fact_scores(predicted_facts, facts).exact_match


def supporting_f1(predicted_facts: Sequence[Fact], facts: Sequence[Fact]) -> float:
    """F1 of the facts named as support."""
    return fact_scores(predicted_facts, facts).f1


def joint_exact_match(
    prediction: str, answers: Sequence[str], predicted_facts: Sequence[Fact], facts: Sequence[Fact]
) -> float:
    """1 where the answer and its support are exactly the gold ones."""
    return joint_scores(answer_scores(prediction, answers), fact_scores(predicted_facts, facts)).exact_match


def joint_f1(prediction: str, answers: Sequence[str], predicted_facts: Sequence[Fact], facts: Sequence[Fact]) -> float:
    """F1 of answer and support jointly."""
    return joint_scores(answer_scores(prediction, answers), fact_scores(predicted_facts, facts)).f1


def _scores(said: str, wanted: str) -> Scores:
    same = float(said == wanted)
    if not same and (said in _VERDICTS or wanted in _VERDICTS):
        return Scores(0.0, 0.0, 0.0, 0.0)
    f1, precision, recall = token_scores(said.split(), wanted.split())
    return Scores(same, f1, precision, recall)


def _pairs(which: str, facts: Sequence[Fact]) -> set[tuple[str | int, ...]]:
    for fact in facts:
        if isinstance(fact, str) or len(fact) != 2:
            raise UsageError(f"a supporting fact is a pair of title and sentence number; a {which} one is {fact!r}")
    return {tuple(fact) for fact in facts}
