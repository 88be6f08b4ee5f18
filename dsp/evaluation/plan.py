"""What an evaluation would still cost, told before anything is spent."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dsp.evaluation.budget import Budget, most_tokens
from dsp.evaluation.experiment import Entry, Experiment
from dsp.evaluation.outcome import Cost, Outcome
from dsp.evaluation.run import ask, remaining
from dsp.lm.protocol import Completion, Reply, Request, Style
from dsp.settings import using
from dsp.types import JSON, Example

if TYPE_CHECKING:
    from dsp.evaluation.folder import RunFolder

UNKNOWN = "unknown"
REHEARSED = 3
"""Questions that are rehearsed without a model where a program has answered none."""


def plan(experiment: Experiment, folder: "RunFolder", budget: Budget, *, fresh: bool = False) -> dict[str, JSON]:
    """Questions, programs, what is there, what is left, and what that is expected to cost: calls, tokens, money.

    By the answers so far; without any, by a rehearsal in which every output is the question, prompts are counted by
    their bytes, and completions are as long as they may be. `unknown` where neither can be had, and money without a
    price.
    """
    total = len(experiment.questions) * len(experiment.entries)
    done = {} if fresh else folder.outcomes()
    left = total if fresh else len(remaining(experiment, folder))
    expected = {}
    for entry in experiment.entries:
        mine = [outcome for outcome in done.values() if outcome.program == entry.name]
        expected[entry.name] = _expected(entry, experiment, mine)
    costs = [cost for cost, _ in expected.values() if cost is not None]
    tokens = [sum(getattr(cost, part) for cost in costs) for part in ("prompt_tokens", "completion_tokens")]
    known = len(costs) == len(expected)
    return {
        "run": folder.name,
        "benchmark": experiment.benchmark,
        "split": experiment.split,
        "questions": len(experiment.questions),
        "programs": list(expected),
        "metrics": [metric.name for metric in experiment.metrics],
        "lm": experiment.lm.name if experiment.lm else "none",
        **({"stages": {stage: lm.name for stage, lm in experiment.stages.items()}} if experiment.stages else {}),
        "index": experiment.retriever.name if experiment.retriever else "none",
        "done": total - left,
        "left": left,
        "expected": {
            name: UNKNOWN if cost is None else {**_numbers(cost), "by": basis}
            for name, (cost, basis) in expected.items()
        },
        "tokens": sum(tokens) if known else UNKNOWN,
        "usd": _usd(budget, tokens) if known else UNKNOWN,
        "budget": budget.limits,
    }


def _usd(budget: Budget, tokens: Sequence[int]) -> JSON:
    usd = budget.cost(*tokens).usd
    return UNKNOWN if usd is None else round(usd, 4)


def _expected(entry: Entry, experiment: Experiment, outcomes: Sequence[Outcome]) -> tuple[Cost | None, str]:
    """What the rest will cost a program, and by what that is said."""
    left = len(experiment.questions) - len(outcomes)
    answered = [outcome.cost for outcome in outcomes if not outcome.failed]
    if answered or not left:
        return _scaled(answered, left), f"{len(answered)} answers so far"
    rehearsed = _rehearsed(entry, experiment, experiment.questions[:REHEARSED])
    return (_scaled(rehearsed, left), f"a rehearsal of {len(rehearsed)} questions") if rehearsed else (None, "")


def _scaled(costs: Sequence[Cost], left: int) -> Cost:
    names = Cost.__dataclass_fields__
    return Cost(**{n: round(sum(getattr(c, n) for c in costs) / len(costs) * left) if costs else 0 for n in names})


def _numbers(cost: Cost) -> dict[str, JSON]:
    return {name: getattr(cost, name) for name in Cost.__dataclass_fields__}


def _rehearsed(entry: Entry, experiment: Experiment, questions: Sequence[Example]) -> list[Cost]:
    """What these questions would cost; none where the program cannot be answered without a model."""
    found = []
    for question in questions:
        lm = _Rehearsal("text" if experiment.lm is None else experiment.lm.style)
        try:
            with using(lm=lm, retriever=experiment.retriever):
                prediction = ask(entry, question)
        except Exception:  # whatever a program does with answers that it does not expect
            return []
        searches = sum(crossing.door == "retriever" for crossing in prediction.crossings)
        found.append(replace(lm.cost, searches=searches))
    return found


class _Rehearsal:
    """In place of an LM one that writes the question for every output; `cost` is what that LM would have taken."""

    name = "rehearsal"

    def __init__(self, style: Style) -> None:
        self.style = style
        self.cost = Cost()

    @property
    def identity(self) -> Mapping[str, JSON]:
        """Nothing that a record would be kept for."""
        return {"backend": "rehearsal"}

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """Write something, and count."""
        for request in requests:
            prompt, completion = most_tokens(request, self.style)
            self.cost = replace(
                self.cost,
                requests=self.cost.requests + 1,
                completions=self.cost.completions + request.n,
                prompt_tokens=self.cost.prompt_tokens + prompt,
                completion_tokens=self.cost.completion_tokens + completion,
            )
        return [Reply(completions=(Completion(text=_filled(request)),) * request.n) for request in requests]


def _filled(request: Request) -> str:
    """A completion in which every output is the question."""
    outputs = [f for f in request.template.outputs if f.name not in request.begun]
    labels = [f.label for f in request.template.fields]
    text = str(request.example.get("question", "something"))
    lines = [f"{f.label} {f.show(text, labels)}" for f in outputs]
    return "\n".join(lines).removeprefix(outputs[0].label)
