"""Several completions of one prompt, or several runs of one program, and how one of them is chosen."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from dsp.errors import UsageError
from dsp.lm.protocol import Finish
from dsp.text.words import normal_answer
from dsp.types import Example


@dataclass(frozen=True, kw_only=True)
class Completions(Sequence[Example]):
    """Examples that differ in what the LM wrote; `c.answers` gives one field of all of them.

    `field` is the one that choices are made by, the template's last output. `scores` are mean log-probabilities, None
    where the backend gives none, `finishes` say how each ended (`length`: cut at its limit). Of `asked` completions,
    `unusable` lacked a field and were drawn again where possible.
    """

    examples: tuple[Example, ...]
    field: str = "answer"
    scores: tuple[float | None, ...] = ()
    finishes: tuple[Finish, ...] = ()
    asked: int = 0
    unusable: int = 0

    @property
    def scored(self) -> bool:
        """Whether the LM gave log-probabilities, so that `likeliest` can choose."""
        return any(score is not None for score in self.scores)

    def __getattr__(self, name: str) -> tuple[Any, ...]:
        singular = f"{name[:-3]}y" if name.endswith("ies") else name.removesuffix("s")
        if name.startswith("_") or singular == name:
            raise AttributeError(f"completions have no {name!r}; fields are asked for in the plural: answers, queries")
        if not any(singular in example for example in self.examples) and any(name in x for x in self.examples):
            singular = name  # a field that is called in the plural itself
        return tuple(getattr(example, singular) for example in self.examples)

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        return self.examples[index]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A value that some completions agree on: the first example that holds it, its votes, its best score."""

    example: Example
    votes: int
    score: float | None


def candidates(
    completions: Completions, *, field: str | None = None, normalize: Callable[[str], str] = normal_answer
) -> list[Candidate]:
    """The values of a field, most votes first; ties go to the higher score, then to the one that came first."""
    name = field or completions.field
    if not completions.examples:
        raise UsageError("there are no completions to choose from; ask for n ≥ 1")
    keys = [normalize(str(getattr(example, name))) for example in completions]
    votes = Counter(key for key in keys if key) or Counter(keys)
    scores = completions.scores or (None,) * len(keys)
    found = []
    for key in dict.fromkeys(key for key in keys if key in votes):
        members = [i for i, k in enumerate(keys) if k == key]
        best = max((score for i in members if (score := scores[i]) is not None), default=None)
        found.append(Candidate(example=completions[members[0]], votes=votes[key], score=best))
    lowest = float("-inf")
    return sorted(found, key=lambda c: (-c.votes, -(c.score if c.score is not None else lowest)))


def majority(
    completions: Completions,
    *,
    field: str | None = None,
    normalize: Callable[[str], str] = normal_answer,
    abstain_below: float = 0.0,
) -> Example:
    """The example whose value most completions agree on (self-consistency), with `votes` and `confidence` added.

    `confidence` is the winner's share of the votes; below `abstain_below` the field is empty. Paper §2.4.
    """
    winner, *_ = ranked = candidates(completions, field=field, normalize=normalize)
    confidence = winner.votes / sum(candidate.votes for candidate in ranked)
    example = winner.example.but(votes=winner.votes, confidence=confidence)
    return example if confidence >= abstain_below else example.but(**{field or completions.field: ""})


def most_common(completions: Completions, k: int = 4, *, field: str | None = None) -> tuple[Example, ...]:
    """One example for each of the k values with most votes. Paper §2.4, the choice among top candidates."""
    return tuple(candidate.example for candidate in candidates(completions, field=field)[:k])


def likeliest(completions: Completions) -> Example:
    """The example with the largest mean log-probability; UsageError where the backend gives none. Paper §3.3."""
    scored = [(score, -i) for i, score in enumerate(completions.scores) if score is not None]
    if not scored:
        raise UsageError("this LM gives no log-probabilities; choose by majority(), or use one that does")
    return completions[-max(scored)[1]]
