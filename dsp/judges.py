"""Judges: whether a run of a program on a training question is good enough to be shown as a demonstration."""

from collections.abc import Callable
from typing import TypeAlias, cast

from dsp.catalog import load_program
from dsp.errors import UsageError
from dsp.index.protocol import hits_from
from dsp.runner import Prediction
from dsp.text.matching import best_f1, best_precision, exactly, held_by
from dsp.text.matching import gold as gold_answers
from dsp.types import Example, Passage

Judge: TypeAlias = Callable[[Prediction, Example], float | bool]
"""A judge sees the prediction and the training example with its gold `answers`; what is not 0 or False is accepted."""


_BARE = frozenset(("yes", "no", "noanswer", "是", "否"))


class JudgeError(UsageError):
    """A judge raised an error, or gave what is no verdict."""


def judged(judge: Judge, prediction: Prediction, gold: Example) -> float:
    """What a judge says of a run; JudgeError, with its reason, where it fails or gives neither number nor truth."""
    try:
        value = judge(prediction, gold)
    except Exception as error:
        raise JudgeError(f"the judge raised {type(error).__name__}: {error}") from error
    if not isinstance(value, bool | int | float):
        raise JudgeError(f"the judge gave {type(value).__name__}: it has to give a number, or True or False")
    return float(value)


def missed_step(prediction: Prediction, gold: Example) -> str:
    """At which step a run went wrong that was rejected: the search found no answer, or the answer is another one."""
    last = f"the stage {prediction.steps[-1].stage!r}" if prediction.steps else "the program"
    searches = [crossing for crossing in prediction.crossings if crossing.door == "retriever"]
    found = [hit.passage.text for crossing in searches for hit in hits_from(crossing.calls[0].reply)]
    if exactly(str(prediction.example.answer), gold.answers):
        return f"{last} gave a gold answer, which does not suffice this judge"
    answers = _in_words(gold)
    if searches and answers and not held_by(found, answers):
        return "no search found a passage with a gold answer"
    return f"{last} gave another answer{', although one was found' if searches and answers else ''}"


def _in_words(gold: Example) -> list[str]:
    """The gold answers that a passage can hold: a yes or no is about a passage, not in it."""
    return [answer for answer in map(str, gold_answers(gold.answers)) if answer.strip(" .").casefold() not in _BARE]


def exact_match(prediction: Prediction, gold: Example) -> bool:
    """The answer equals a gold answer once both are normalised."""
    return exactly(str(prediction.example.answer), gold.answers)


def f1_at_least(threshold: float) -> Judge:
    """A judge that accepts answers with a token F1 of at least the threshold."""

    def judge(prediction: Prediction, gold: Example) -> float:
        return _at_least(best_f1(str(prediction.example.answer), gold.answers), threshold)

    return judge


def precision_at_least(threshold: float) -> Judge:
    """A judge that accepts answers with a token precision of at least the threshold (the paper's QReCC judge)."""

    def judge(prediction: Prediction, gold: Example) -> float:
        return _at_least(best_precision(str(prediction.example.answer), gold.answers), threshold)

    return judge


def passage_match(prediction: Prediction, gold: Example) -> bool:
    """A passage in the final context, one that is no summary, holds a gold answer; yes and no stand in none."""
    context = prediction.example.get("context", ())
    texts = (p.text if isinstance(p, Passage) else str(p) for p in context if not getattr(p, "is_summary", False))
    return held_by(texts, answers) if (answers := _in_words(gold)) else False


def all_of(*judges: Judge) -> Judge:
    """A judge that accepts what every one of the judges accepts; its value is the smallest of theirs."""

    def judge(prediction: Prediction, gold: Example) -> float:
        return min(float(one(prediction, gold)) for one in judges)

    return judge


JUDGES: dict[str, Judge] = {
    "exact_match": exact_match,
    "f1": f1_at_least(0.5),
    "passage_match": passage_match,
    "exact_match+passage_match": all_of(exact_match, passage_match),
}
"""Judges by the names that the command line takes; `f1:0.75` and `precision:0.8` set a threshold."""


def judge_named(name: str) -> Judge:
    """The judge of a name, or a function in a file (`./mine.py:strict`); UsageError where there is none."""
    if ".py" in name:
        return cast(Judge, load_program(name).function)
    kind, _, threshold = name.partition(":")
    makers = {"f1": f1_at_least, "precision": precision_at_least}
    try:
        if threshold and kind in makers:
            return makers[kind](float(threshold))
        return JUDGES[name]
    except (KeyError, ValueError):
        names = ", ".join([*JUDGES, "f1:T", "precision:T", "./FILE.py:FUNCTION"])
        raise UsageError(f"no judge is called {name!r}; there are: {names}") from None


def _at_least(value: float, threshold: float) -> float:
    return value if value >= threshold else 0.0
