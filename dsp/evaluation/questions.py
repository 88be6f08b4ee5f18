"""From rows to questions: which column is what, and what a question must have."""

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dsp.errors import UsageError
from dsp.rows import Row, column
from dsp.types import Example


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where a row keeps what, by dotted name; an empty name means that the set has no such thing.

    Of several columns for the answers all count. `gold` holds the ids of the passages that support the answer, `facts`
    pairs of title (or passage id) and sentence number, as a list or as a record of the two lists. `opening` is the
    question of a conversation's first turn, where that is another column.
    """

    question: str = "question"
    answers: tuple[str, ...] = ("answers",)
    id: tuple[str, ...] = ()
    gold: str = ""
    facts: str = ""
    type: str = ""
    history: str = ""
    conversation: str = ""
    turn: str = ""
    opening: str = ""


# What a file of the user's own may look like; `gold` and the others are taken where they are there.
PLAIN = (
    Columns(id=("id",), gold="gold_ids", facts="supporting_facts", type="type", history="history"),
    Columns(id=("id",), gold="supporting", facts="supporting_facts", type="type", history="history"),
)


@dataclass(frozen=True, kw_only=True)
class Keep:
    """Which questions are left out, or let through, as the authors of a set do it.

    `answered`: only those with an answer; `duplicates`: repeated ones too; `without`: none that holds one of these
    texts; `turns`: only conversations of at least so many turns.
    """

    answered: bool = False
    duplicates: bool = False
    without: tuple[str, ...] = ()
    turns: int = 0


def read_questions(
    rows: Iterable[Row],
    columns: Columns,
    keep: Keep,
    where: str,
    prefix: str,
    more: Callable[[Row], Mapping[str, Any]] = lambda row: {},
) -> list[Example]:
    """The questions of the rows, in order, each with an `id`, and with `answers`, `gold` and the like where given.

    Rows without an id get one from the prefix and their number; `more` gives further fields of a row.

    Raises UsageError, naming the row or the id, for a missing column, a question that is empty or comes twice, an id
    that comes twice, and a question without any answer.
    """
    found = _kept([_example(row, columns, where, prefix, more(row)) for row in rows], keep)
    if not found:
        raise UsageError(f"{where} holds no questions")
    _check(found, keep, where, answers=bool(columns.answers))
    return _with_history(found) if columns.conversation and not columns.history else found


def choose(questions: Sequence[Example], n: int, seed: int) -> list[Example]:
    """n questions drawn by seed, in their own order; of a larger n with the same seed they are a part.

    Conversations are drawn whole, up to the last, of which the first turns are taken.
    """
    if n < 1:
        raise UsageError(f"the number of questions must be at least 1; found {n}")
    if n > len(questions):
        raise UsageError(f"there are {len(questions)} questions; {n} cannot be drawn. Ask for at most {len(questions)}")
    groups: dict[str, list[int]] = {}
    for place, question in enumerate(questions):
        groups.setdefault(str(question.get("conversation", f"\0{place}")), []).append(place)
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    drawn = [place for name in names for place in groups[name]][:n]
    return [questions[place] for place in sorted(drawn)]


def fingerprint(questions: Iterable[Example]) -> str:
    """Sixteen hex digits of all that the questions hold: what tells one experiment from another."""
    digest = hashlib.sha256()
    for question in questions:
        digest.update(json.dumps(question.fields(), sort_keys=True, ensure_ascii=False, default=dict).encode())
        digest.update(b"\n")
    return digest.hexdigest()[:16]


def texts(value: object) -> tuple[str, ...]:
    """The texts in a value: a string, a number, or any nesting of lists of them; null and blanks are none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (str(value),)
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes):
        return tuple(dict.fromkeys(text for item in value for text in texts(item)))
    raise TypeError(f"expected text or a list of texts; found {type(value).__name__}")


def _example(row: Row, columns: Columns, where: str, prefix: str, more: Mapping[str, Any]) -> Example:
    try:
        given = [part for name in columns.id for part in texts(column(row.values, name))]
        fields: dict[str, Any] = {"id": "-".join(given) or f"{prefix}-{row.number:05d}"}
        fields["question"] = " ".join(texts(column(row.values, _question_column(row, columns))))
        fields["answers"] = tuple(dict.fromkeys(a for name in columns.answers for a in texts(column(row.values, name))))
        fields.update(_optional(row.values, columns))
        fields.update(more)
    except (KeyError, TypeError) as error:
        raise UsageError(f"{where}, row {row.number}: {error.args[0]}") from None
    return Example(**{name: value for name, value in fields.items() if value not in ((), "") or name == "question"})


def _question_column(row: Row, columns: Columns) -> str:
    first = columns.opening and texts(column(row.values, columns.turn)) == ("1",)
    return columns.opening if first else columns.question


def _optional(values: Mapping[str, Any], columns: Columns) -> Iterator[tuple[str, Any]]:
    for name in ("gold", "type", "history", "conversation", "turn"):
        theirs = getattr(columns, name)
        if theirs:
            found = texts(column(values, theirs)) if name != "history" else _turns(column(values, theirs))
            yield name, found if name in ("gold", "history") else " ".join(found)
    if columns.facts:
        yield "facts", _facts(column(values, columns.facts))


def _turns(value: object) -> tuple[str, ...]:
    """The turns of a history, kept where one is empty or repeated, since questions and answers alternate."""
    if value is None or isinstance(value, str):
        return tuple(value.splitlines()) if value else ()
    if not isinstance(value, Sequence) or not all(isinstance(turn, str) for turn in value):
        raise TypeError("a history is a list of texts, or one text with a turn on each line")
    return tuple(value)


def _facts(value: object) -> tuple[tuple[str, int], ...]:
    """Pairs of title and sentence number, from a list of pairs or from a record of two lists."""
    pairs: Any = zip(*list(value.values())[:2], strict=True) if isinstance(value, Mapping) else value or ()
    try:
        return tuple((str(title), int(sentence)) for title, sentence in pairs)
    except (TypeError, ValueError):
        raise TypeError(f"supporting facts are pairs of title and sentence number; found {value!r:.80}") from None


def _kept(questions: list[Example], keep: Keep) -> list[Example]:
    turns: dict[str, int] = {}
    for question in questions:
        name = str(question.get("conversation", ""))
        turns[name] = turns.get(name, 0) + 1
    return [
        question
        for question in questions
        if (question.get("answers") or not keep.answered)
        and turns[str(question.get("conversation", ""))] >= keep.turns
        and not any(text in question.question for text in keep.without)
    ]


def _check(questions: Sequence[Example], keep: Keep, where: str, answers: bool) -> None:
    ids: set[str] = set()
    asked: dict[object, str] = {}
    for question in questions:
        if not question.question.strip():
            raise UsageError(f"{where}: question {question.id} is empty")
        if question.id in ids:
            raise UsageError(f"{where}: the id {question.id} comes twice; every question needs its own")
        if answers and not question.get("answers"):
            raise UsageError(f"{where}: question {question.id} has no gold answer; leave it out or set keep.answered")
        same = (" ".join(question.question.casefold().split()), question.get("history"), question.get("conversation"))
        if not keep.duplicates and same in asked:
            raise UsageError(f"{where}: {asked[same]} and {question.id} ask the same; leave one out")
        ids.add(question.id)
        asked[same] = question.id


def _with_history(questions: Sequence[Example]) -> list[Example]:
    """Each turn with the questions and gold answers before it, alternating."""
    told: dict[str, tuple[str, ...]] = {}
    made = []
    for question in questions:
        before = told.get(question.conversation, ())
        made.append(question.but(history=before) if before else question)
        told[question.conversation] = (*before, question.question, *question.get("answers", ())[:1])
    return made
