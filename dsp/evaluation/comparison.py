"""Two programs on the same questions: how large the difference is, and whether chance explains it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal, TypeAlias

from dsp.errors import UsageError
from dsp.evaluation.metrics import find_metric
from dsp.evaluation.outcome import Outcome, conversations
from dsp.evaluation.statistics import holm, mcnemar, paired_bootstrap, permutation_test
from dsp.types import JSON

ALPHA = 0.05
Test: TypeAlias = Literal["McNemar", "permutation", "permutation of conversations"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A program against another on the questions that both answered; `difference` is program minus baseline.

    `p` is of the exact McNemar test for scores of 0 and 1 and of the paired permutation test for others; where there
    are conversations, of the permutation test that swaps whole ones. `corrected` is p after Holm's correction for
    several programs. `better` and `worse` count questions.
    """

    program: str
    baseline: str
    metric: str
    pairs: int
    difference: float
    low: float
    high: float
    better: int
    worse: int
    test: Test
    p: float
    corrected: float

    @property
    def verdict(self) -> Literal["better", "worse", "no difference shown"]:
        """What the corrected p-value allows to say, with regard to whether more or less is better."""
        if self.corrected >= ALPHA or not self.difference:
            return "no difference shown"
        return "better" if (self.difference > 0) is (find_metric(self.metric).better == "higher") else "worse"

    def json(self) -> dict[str, JSON]:
        """The comparison as a report holds it."""
        return {**asdict(self), "verdict": self.verdict}


def compare(
    first: Mapping[str, Outcome], second: Mapping[str, Outcome], metric: str, *, names: tuple[str, str]
) -> Comparison | None:
    """The first against the second, its baseline, by question id; None where they share no scored question.

    Conversations are drawn and swapped whole, for their turns are no independent questions.
    """
    both = [question for question in first if _scored(first, question, metric) and _scored(second, question, metric)]
    if not both:
        return None
    mine = [first[question].scores[metric] or 0.0 for question in both]
    theirs = [second[question].scores[metric] or 0.0 for question in both]
    talks = conversations([first[question] for question in both])
    interval = paired_bootstrap(mine, theirs, groups=talks)
    test, p = _tested(mine, theirs, find_metric(metric).binary, talks)
    sign = 1 if find_metric(metric).better == "higher" else -1
    gains = [sign * (one - other) for one, other in zip(mine, theirs, strict=True)]
    return Comparison(
        program=names[0],
        baseline=names[1],
        metric=metric,
        pairs=len(both),
        difference=interval.mean,
        low=interval.low,
        high=interval.high,
        better=sum(gain > 0 for gain in gains),
        worse=sum(gain < 0 for gain in gains),
        test=test,
        p=p,
        corrected=p,
    )


def _tested(
    mine: Sequence[float], theirs: Sequence[float], binary: bool, talks: Sequence[str] | None
) -> tuple[Test, float]:
    if talks is not None:
        return "permutation of conversations", permutation_test(mine, theirs, groups=talks)
    return ("McNemar", mcnemar(mine, theirs).p) if binary else ("permutation", permutation_test(mine, theirs))


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons of one metric, their p-values corrected for there being several (Holm)."""
    values = holm([comparison.p for comparison in comparisons])
    return [replace(one, corrected=value) for one, value in zip(comparisons, values, strict=True)]


def against_baseline(
    programs: Mapping[str, Mapping[str, Outcome]], baseline: str, metrics: Sequence[str]
) -> list[Comparison]:
    """Every other program against the baseline by every metric, corrected within each metric."""
    found: list[Comparison] = []
    for metric in metrics:
        row = [
            compare(outcomes, programs[baseline], metric, names=(name, baseline))
            for name, outcomes in programs.items()
            if name != baseline
        ]
        found += corrected([one for one in row if one is not None])
    return found


def all_pairs(programs: Mapping[str, Mapping[str, Outcome]], metric: str) -> list[Comparison]:
    """Every program against every earlier one by one metric, corrected for all of them."""
    names = list(programs)
    found = [
        compare(programs[name], programs[before], metric, names=(name, before))
        for place, name in enumerate(names)
        for before in names[:place]
    ]
    return corrected([one for one in found if one is not None])


def flipped(
    first: Mapping[str, Outcome], second: Mapping[str, Outcome], metric: str, *, names: tuple[str, str]
) -> list[JSON]:
    """The questions that both answered and that one scored higher on than the other, side by side."""
    rows: list[JSON] = []
    for question, mine in first.items():
        if not (_scored(first, question, metric) and _scored(second, question, metric)):
            continue
        theirs = second[question]
        if mine.scores[metric] != theirs.scores[metric]:
            rows.append(
                {
                    "question": question,
                    "text": mine.text,
                    "answers": list(mine.answers),
                    "program": names[0],
                    "answer": mine.answer,
                    "score": mine.scores[metric],
                    "baseline": names[1],
                    "baseline_answer": theirs.answer,
                    "baseline_score": theirs.scores[metric],
                }
            )
    return rows


def check_same(first: Mapping[str, Outcome], second: Mapping[str, Outcome]) -> None:
    """UsageError where two runs are not over the same questions with the same gold answers."""
    only = [sorted(set(one) - set(other)) for one, other in ((first, second), (second, first))]
    if any(only):
        shown = ", ".join((only[0] or only[1])[:3])
        raise UsageError(
            f"the runs are over different questions: {len(only[0])} only in the first, {len(only[1])} only in the "
            f"second (such as {shown}); run both with the same benchmark, split, --n and --seed"
        )
    for question, mine in first.items():
        theirs = second[question]
        if (mine.text, mine.answers) != (theirs.text, theirs.answers):
            raise UsageError(f"the question {question} or its gold answers differ between the runs; run both anew")


def _scored(outcomes: Mapping[str, Outcome], question: str, metric: str) -> bool:
    return question in outcomes and outcomes[question].scores.get(metric) is not None
