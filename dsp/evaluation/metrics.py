"""The metrics by name: what each needs, what it conforms to, and its version, which stands in every result."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from dsp.errors import UnknownName, UsageError
from dsp.evaluation.answer import (
    exact_match,
    f1,
    nq_exact_match,
    passage_match,
    precision,
    refusal,
    squad_exact_match,
    squad_f1,
    trivia_exact_match,
    trivia_f1,
)
from dsp.evaluation.chinese import cmrc_exact_match, cmrc_f1
from dsp.evaluation.cited import citation_precision, citation_recall
from dsp.evaluation.conversation import nf1, qrecc_f1
from dsp.evaluation.hotpot import (
    hotpot_exact_match,
    hotpot_f1,
    hotpot_precision,
    hotpot_recall,
    joint_exact_match,
    joint_f1,
    supporting_exact_match,
    supporting_f1,
)
from dsp.evaluation.ranking import all_gold, ndcg, recall, reciprocal_rank

__all__ = [
    "AT_K",
    "METRICS",
    "Metric",
    "all_gold",
    "citation_precision",
    "citation_recall",
    "cmrc_exact_match",
    "cmrc_f1",
    "exact_match",
    "f1",
    "find_metric",
    "hotpot_exact_match",
    "hotpot_f1",
    "hotpot_precision",
    "hotpot_recall",
    "joint_exact_match",
    "joint_f1",
    "ndcg",
    "nf1",
    "nq_exact_match",
    "passage_match",
    "precision",
    "qrecc_f1",
    "recall",
    "reciprocal_rank",
    "refusal",
    "squad_exact_match",
    "squad_f1",
    "supporting_exact_match",
    "supporting_f1",
    "trivia_exact_match",
    "trivia_f1",
]

ANSWER = ("prediction", "answers")
FACTS = ("predicted_facts", "facts")
RANKING = ("ranking", "gold")

_DEPTH = re.compile(r"([a-z_]+)@([1-9][0-9]{0,3})")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A scorer of one question: `needs` are the names of its arguments, all but the depth of a name with `@k`.

    `binary` scores are 0 or 1, so that two programs are compared by McNemar's test. The version is raised when any
    score of the metric changes.
    """

    name: str
    function: Callable[..., float | None]
    needs: tuple[str, ...]
    conforms: str
    version: int = 1
    binary: bool = False
    better: Literal["higher", "lower"] = "higher"

    @property
    def label(self) -> str:
        """Name and version: what a result is compared under."""
        return f"{self.name} v{self.version}"

    def score(self, fields: Mapping[str, Any]) -> float | None:
        """The score of one question, from 0 to 1; None where the metric has nothing to judge there.

        Raises UsageError where a field that it needs is missing or has no gold, or the score is no number.
        """
        missing = [name for name in self.needs if name not in fields]
        if missing:
            raise UsageError(f"{self.name} needs {', '.join(missing)}; found {', '.join(fields) or 'nothing'}")
        value = self.function(**{name: fields[name] for name in self.needs})
        if value is not None and not (math.isfinite(value) and 0 <= value <= 1):
            raise UsageError(f"{self.name} gave {value!r}; a score is a number from 0 to 1, or None")
        return value


def _table(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


METRICS: dict[str, Metric] = _table(
    Metric(
        name="exact_match",
        function=exact_match,
        needs=ANSWER,
        binary=True,
        conforms="SQuAD 1.1 for English; Chinese by letters and digits only",
    ),
    Metric(name="f1", function=f1, needs=ANSWER, conforms="SQuAD 2.0 for English; Chinese by character"),
    Metric(name="precision", function=precision, needs=ANSWER, conforms="token precision of the DSP paper (annotate)"),
    Metric(
        name="squad_exact_match",
        function=squad_exact_match,
        needs=ANSWER,
        binary=True,
        conforms="SQuAD evaluate-v1.1.py",
    ),
    Metric(name="squad_f1", function=squad_f1, needs=ANSWER, conforms="SQuAD evaluate-v1.1.py"),
    Metric(
        name="nq_exact_match",
        function=nq_exact_match,
        needs=ANSWER,
        binary=True,
        conforms="NQ-open evaluate_predictions.py: any of the targets",
    ),
    Metric(
        name="trivia_exact_match",
        function=trivia_exact_match,
        needs=ANSWER,
        binary=True,
        conforms="TriviaQA triviaqa_evaluation.py over all aliases",
    ),
    Metric(name="trivia_f1", function=trivia_f1, needs=ANSWER, conforms="TriviaQA triviaqa_evaluation.py"),
    Metric(
        name="hotpot_exact_match",
        function=hotpot_exact_match,
        needs=ANSWER,
        binary=True,
        conforms="hotpot_evaluate_v1.py, em",
    ),
    Metric(name="hotpot_f1", function=hotpot_f1, needs=ANSWER, conforms="hotpot_evaluate_v1.py, f1 (yes/no rule)"),
    Metric(name="hotpot_precision", function=hotpot_precision, needs=ANSWER, conforms="hotpot_evaluate_v1.py, prec"),
    Metric(name="hotpot_recall", function=hotpot_recall, needs=ANSWER, conforms="hotpot_evaluate_v1.py, recall"),
    Metric(
        name="supporting_exact_match",
        function=supporting_exact_match,
        needs=FACTS,
        binary=True,
        conforms="hotpot_evaluate_v1.py, sp_em",
    ),
    Metric(name="supporting_f1", function=supporting_f1, needs=FACTS, conforms="hotpot_evaluate_v1.py, sp_f1"),
    Metric(
        name="joint_exact_match",
        function=joint_exact_match,
        needs=ANSWER + FACTS,
        binary=True,
        conforms="hotpot_evaluate_v1.py, joint_em",
    ),
    Metric(name="joint_f1", function=joint_f1, needs=ANSWER + FACTS, conforms="hotpot_evaluate_v1.py, joint_f1"),
    Metric(name="qrecc_f1", function=qrecc_f1, needs=ANSWER, conforms="QReCC evaluate_qa.py"),
    Metric(name="nf1", function=nf1, needs=(*ANSWER, "history"), conforms="nF1 of the DSP paper and its code"),
    Metric(
        name="cmrc_exact_match",
        function=cmrc_exact_match,
        needs=ANSWER,
        binary=True,
        conforms="cmrc2018_evaluate.py v5",
    ),
    Metric(name="cmrc_f1", function=cmrc_f1, needs=ANSWER, conforms="cmrc2018_evaluate.py v5 (common substring)"),
    Metric(
        name="passage_match",
        function=passage_match,
        needs=("passages", "answers"),
        binary=True,
        conforms="an answer's words stand in a retrieved passage (DSP code, without its empty-answer fault)",
    ),
    Metric(
        name="citation_precision",
        function=citation_precision,
        needs=("citations",),
        conforms="share of citations whose quote was found, or nearly",
    ),
    Metric(
        name="citation_recall",
        function=citation_recall,
        needs=("cited_answer", "citations"),
        conforms="share of claims with a citation that holds",
    ),
    Metric(
        name="refusal",
        function=refusal,
        needs=("prediction",),
        binary=True,
        better="lower",
        conforms="said that it does not know, or nothing",
    ),
)

AT_K: dict[str, Metric] = _table(
    Metric(name="recall@k", function=recall, needs=RANKING, conforms="trec_eval recall (ir-measures)"),
    Metric(name="all_gold@k", function=all_gold, needs=RANKING, binary=True, conforms="all gold passages in the top k"),
    Metric(name="mrr@k", function=reciprocal_rank, needs=RANKING, conforms="trec_eval recip_rank (ir-measures)"),
    Metric(name="ndcg@k", function=ndcg, needs=RANKING, conforms="trec_eval ndcg_cut (ir-measures)"),
)


def find_metric(name: str) -> Metric:
    """The metric of a name; `recall@5` is `recall@k` with k = 5. UnknownName where there is none."""
    if name in METRICS:
        return METRICS[name]
    match = _DEPTH.fullmatch(name)
    family = AT_K.get(f"{match[1]}@k") if match else None
    if match is None or family is None:
        raise UnknownName("metric", name, [*METRICS, *AT_K])
    return replace(family, name=name, function=partial(family.function, k=int(match[2])))
