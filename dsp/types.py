"""The records that programs pass along: passages, hits, examples, demonstrations, predictions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeAlias

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None


class _Nothing(Mapping[str, Any]):
    """A mapping without entries; unlike a MappingProxyType it can be copied and pickled."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return False

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"

    def __reduce__(self) -> str:
        return "NOTHING"


NOTHING: Mapping[str, Any] = _Nothing()
SUMMARY = "summary:"


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A piece of a document, about a hundred words: the unit that is retrieved, shown and cited.

    `start` and `end` are character offsets into the text that was read from `source`;
    `page` counts from 1 and is None where the format has no pages.
    """

    id: str
    text: str
    title: str = ""
    source: str = ""
    start: int = 0
    end: int = 0
    page: int | None = None
    lang: str = ""
    metadata: Mapping[str, JSON] = field(default_factory=lambda: NOTHING, hash=False)

    @property
    def is_summary(self) -> bool:
        """Whether a program wrote it to carry between hops: it comes from no document and is never quoted."""
        return not self.source and self.id.startswith(SUMMARY)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A passage as one search found it; `score` compares only within the search, `rank` counts from 1."""

    passage: Passage
    score: float
    rank: int


Verdict: TypeAlias = Literal["found", "near", "elsewhere", "not found"]


@dataclass(frozen=True, kw_only=True)
class Citation:
    """What stands behind a marker `[number]` of an answer: a quote, where it stands, and whether it does.

    `quote` is `passage.text[start:end]`. The verdict says what became of checking the claim against the text: *found*
    there; *near*, with the edit that would make it so; *elsewhere*, in another passage than the one named; *not found*.
    `hop` counts searches from 1 and `query` is the one that found the passage.
    """

    number: int
    passage: Passage
    quote: str
    start: int
    end: int
    verdict: Verdict
    edit: str = ""
    hop: int = 0
    query: str = ""

    def json(self) -> dict[str, JSON]:
        """The citation as `--json` prints it; `text[start:end]` is the quote."""
        return {
            "number": self.number,
            "passage": self.passage.id,
            "source": self.passage.source,
            "title": self.passage.title,
            "page": self.passage.page,
            "quote": self.quote,
            "start": self.start,
            "end": self.end,
            "text": self.passage.text,
            "verdict": self.verdict,
            "edit": self.edit,
            "hop": self.hop,
            "query": self.query,
        }


class Example:
    """An immutable record with named fields: `x.question`, and `x.but(answer="1858")` for a changed copy.

    Gold answers stand in `answers` (a tuple of strings), a predicted one in `answer`; they never share a field.
    """

    __slots__ = ("_fields",)
    _fields: Mapping[str, Any]

    def __init__(self, **fields: Any) -> None:
        """Hold the given fields; lists become tuples, so that a shared value cannot change."""
        frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        object.__setattr__(self, "_fields", MappingProxyType(frozen))

    def but(self, **changes: Any) -> "Example":
        """A copy with some fields changed or added."""
        return Example(**{**self._fields, **changes})

    def without(self, *names: str) -> "Example":
        """A copy that lacks the named fields."""
        return Example(**{name: value for name, value in self._fields.items() if name not in names})

    def get(self, name: str, default: Any = None) -> Any:
        """The field of that name, or the default where there is none."""
        return self._fields.get(name, default)

    def fields(self) -> Mapping[str, Any]:
        """All fields, read-only, in the order in which they were given."""
        return self._fields

    def __getattr__(self, name: str) -> Any:
        try:
            return self._fields[name]
        except KeyError:
            there = ", ".join(self._fields) or "no fields"
            raise AttributeError(f"this example has no field {name!r}; it has: {there}") from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"examples are immutable; write x = x.but({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"examples are immutable; write x = x.without({name!r})")

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Example) and dict(self._fields) == dict(other._fields)

    def __hash__(self) -> int:
        return hash(tuple(sorted((name, repr(value)) for name, value in self._fields.items())))

    def __repr__(self) -> str:
        return f"Example({', '.join(f'{name}={value!r}' for name, value in self._fields.items())})"

    def __copy__(self) -> "Example":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "Example":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _example, (dict(self._fields),)


def _example(fields: dict[str, Any]) -> Example:
    return Example(**fields)


@dataclass(frozen=True, kw_only=True)
class Demos:
    """Demonstrations: raw question-answer pairs, and worked examples for each stage of a program."""

    raw: tuple[Example, ...] = ()
    worked: Mapping[str, tuple[Example, ...]] = field(default_factory=lambda: NOTHING, hash=False)

    def at(self, stage: str) -> tuple[Example, ...]:
        """What a prompt of this stage shows: the raw demonstrations, then the worked ones."""
        return self.raw + self.worked.get(stage, ())

    @property
    def shown(self) -> tuple[Example, ...]:
        """Every demonstration of every stage."""
        return self.raw + tuple(example for examples in self.worked.values() for example in examples)


NO_DEMOS = Demos()


class Program(Protocol):
    """A strategy: one plain function from a question to an Example that holds an `answer`."""

    __name__: str

    def __call__(self, question: str, /, **parameters: Any) -> Example:
        """Answer the question."""
