"""Templates: declared inputs and outputs, written as a prompt and read back from a completion.

The layout is the paper's (§2.2): instructions, raw demonstrations, guidelines, worked demonstrations, the query.
No value can forge a field: a label counts only at the start of a line, and no line of a value starts there.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from dsp.errors import ReadingError, TemplateError
from dsp.text.kept import kept
from dsp.text.reading import Reading, read_fields
from dsp.text.values import read_value, schema_of, written_value
from dsp.text.wording import PLACEHOLDER, shielded
from dsp.types import JSON, NOTHING, Example, Passage

SEPARATOR = "\n\n---\n\n"
GUIDELINES = "Follow the following format."


@dataclass(frozen=True, kw_only=True)
class Message:
    """One turn of a chat prompt."""

    role: Literal["system", "user", "assistant"]
    content: str

    def json(self) -> dict[str, JSON]:
        """The turn as an OpenAI-compatible endpoint takes it."""
        return {"role": self.role, "content": self.content}


Show: TypeAlias = Callable[[Any, Sequence[str]], str]


def one_value(value: object, labels: Sequence[str]) -> str:
    """A value as text that none of the labels can be read from; of several values, the first."""
    if isinstance(value, tuple | list):
        value = value[0] if value else ""
    return shielded(str(value), labels)


def numbered_passages(passages: object, labels: Sequence[str]) -> str:
    """Passages as lines `[1] «title | text»`; a citation `[1]` refers to this number."""
    return "\n".join(f"[{number}] «{text}»" for number, text in enumerate(_shown(passages), start=1))


def bare_passages(passages: object, labels: Sequence[str]) -> str:
    """Passages as lines `[1] title | text`, without the quotation marks of the paper's layout: fewer tokens."""
    return "\n".join(f"[{number}] {text}" for number, text in enumerate(_shown(passages), start=1))


def _shown(passages: object) -> list[str]:
    if isinstance(passages, str) or not isinstance(passages, Sequence):
        raise TemplateError(f"a context is a sequence of passages, not {type(passages).__name__}; pass (passage,)")
    return [_line(passage_text(passage)) for passage in passages]


_line = kept(shielded)
"""The text of a passage as a prompt shows it."""


def passage_text(passage: Passage | str) -> str:
    """The title and the text of a passage, as a prompt shows them."""
    if isinstance(passage, str):
        return passage
    return f"{passage.title} | {passage.text}" if passage.title else passage.text


@dataclass(frozen=True, kw_only=True)
class Field:
    """One labelled value of a template.

    `label` stands before the value and ends in a colon; `desc` stands for the value in the guidelines;
    `line` says that a value is one line: decoding of a single output then ends at a line break. `type` is what the
    value is read as where that is not text: a pydantic model, `list[str]`, int, a Literal; it is then written as JSON.
    """

    name: str
    label: str
    desc: str = ""
    line: bool = True
    show: Show = one_value
    type: Any = None

    @property
    def placeholder(self) -> str:
        """What stands for the value in the guidelines."""
        said = self.desc or self.name
        return said if self.type is None else f"{said}, as JSON of the schema {json.dumps(schema_of(self.type))}"

    def read(self, text: str) -> Any:
        """The value in what a model wrote for this field. Raises ReadingError where it is not of the type."""
        return text if self.type is None else read_value(self.type, text)

    def write(self, value: object, labels: Sequence[str]) -> str:
        """The label and the value; a value of several lines may start below its label."""
        text = self.show(value, labels) if self.type is None else shielded(written_value(self.type, value), labels)
        return f"{self.label}{' ' if self.line else chr(10)}{text}" if text else self.label


@dataclass(frozen=True)
class Template:
    """Instructions, input fields and output fields: written as a prompt, read back from a completion.

    `compact` leaves out guidelines, rules and blank lines between fields: fewer tokens, once demonstrations show it.
    Raises TemplateError where names or labels are used twice or nothing is to be written.
    """

    instructions: str
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    compact: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Check that every field can be told from the others."""
        names = [f.name for f in self.fields]
        labels = [f.label.casefold() for f in self.fields]
        if not self.outputs:
            raise TemplateError("a template without outputs asks the LM for nothing; add an output field")
        for kind, values in (("name", names), ("label", labels)):
            twice = sorted({v for v in values if values.count(v) > 1})
            if twice:
                raise TemplateError(f"two fields share the {kind} {twice[0]!r}; give each its own")
        if any(not f.label.rstrip().endswith((":", "：")) for f in self.fields):
            raise TemplateError(f"a label ends in a colon; found {labels}")

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Inputs, then outputs."""
        return tuple(self.inputs) + tuple(self.outputs)

    @property
    def stops(self) -> tuple[str, ...]:
        """Where decoding ends: at the next example, and at a line break after a single one-line output.

        JSON may have line breaks; where the last of several outputs is one line, reading ends there instead.
        """
        line = ("\n",) if len(self.outputs) == 1 and self.outputs[0].line and self.schema is None else ()
        return (*line, "\n---", *(f"\n{f.label}" for f in self.inputs))

    def write(self, x: Example, demos: Sequence[Example] = (), begun: Mapping[str, str] = NOTHING) -> str:
        """The prompt: it ends with the label of the first output; `begun` holds outputs that are there already."""
        return self.lead(demos) + self._query(x, begun)

    def lead(self, demos: Sequence[Example] = ()) -> str:
        """What a prompt says before the query: instructions, guidelines, demonstrations; the same for every example."""
        raw, worked = self.shown(demos)
        guide = [] if self.compact else [self.guide]
        raw_block = ["\n\n".join(self._block(demo) for demo in raw)] if raw else []
        parts = [self.instructions, *raw_block, *guide, *(self._block(demo) for demo in worked)]
        separator = "\n\n" if self.compact else SEPARATOR
        return "".join(part + separator for part in parts if part)

    def messages(
        self, x: Example, demos: Sequence[Example] = (), begun: Mapping[str, str] = NOTHING
    ) -> tuple[Message, ...]:
        """The prompt as chat turns: instructions and guidelines, each demonstration as a turn, the query."""
        raw, worked = self.shown(demos)
        system = SEPARATOR.join(
            part for part in (self.instructions, "\n\n".join(self._block(demo) for demo in raw), self.guide) if part
        )
        turns = [Message(role="system", content=system)]
        for demo in worked:
            turns.append(Message(role="user", content=self._written(demo, self.inputs)))
            turns.append(Message(role="assistant", content=self._written(demo, self.outputs)))
        asked = self._query(x, begun) if begun else self._inputs(x)
        turns.append(Message(role="user", content=asked))
        return tuple(turns)

    @cached_property
    def schema(self) -> Mapping[str, JSON] | None:
        """The JSON schema of what is to be written, where that is one output with a type; else None."""
        (*others, last) = self.outputs
        return None if others or last.type is None else schema_of(last.type)

    @cached_property
    def guide(self) -> str:
        """The format that the LM is asked to follow."""
        lines = [f"{f.label} {PLACEHOLDER}{f.placeholder}}}" for f in self.fields]
        return f"{GUIDELINES}\n\n{self._joiner.join(lines)}"

    def parse(self, block: str) -> Reading:
        """The fields of a block that `write` wrote: the inverse of writing."""
        return read_fields(block, {f.name: f.label for f in self.fields}, cue=None)

    def read(self, completion: str, begun: Mapping[str, str] = NOTHING) -> Reading:
        """The outputs that a completion holds; it may begin after the label it was given as a cue, or repeat it."""
        asked = [f for f in self.outputs if f.name not in begun]
        return read_fields(
            completion,
            {f.name: f.label for f in asked},
            cue=asked[0].name,
            foreign=tuple(f.label for f in self.inputs),
            placeholders=tuple(f.desc or f.name for f in self.fields),
            line=next((f.name for f in self.outputs[-1:] if f.line and f.type is None), ""),
        )

    def holds(self, values: Mapping[str, str]) -> bool:
        """Whether what was read has a value of the right type for every output."""
        if not all(values.get(f.name) for f in self.outputs):
            return False
        with suppress(ReadingError):
            return bool([f.read(values[f.name]) for f in self.outputs])
        return False

    @cached_property
    def _joiner(self) -> str:
        long = len(self.fields) > 3 or any(not f.line for f in self.fields)
        return "\n\n" if long and not self.compact else "\n"

    def shown(self, demos: Sequence[Example]) -> tuple[list[Example], list[Example]]:
        """The demonstrations that prompts show: raw ones (a question and its answer) and worked ones (every field)."""
        last = self.outputs[-1]
        usable = [demo for demo in demos if _value(demo, last) is not None]
        worked = [demo for demo in usable if all(_value(demo, f) is not None for f in self.fields)]
        return [demo for demo in usable if demo not in worked], worked

    def _inputs(self, x: Example) -> str:
        missing = [f.name for f in self.inputs if x.get(f.name) is None]
        if missing:
            there = ", ".join(x) or "nothing"
            raise TemplateError(
                f"the template needs the input {missing[0]!r} and the example holds {there}; "
                f"write x = x.but({missing[0]}=...)"
            )
        return self._written(x, self.inputs)

    def _query(self, x: Example, begun: Mapping[str, str]) -> str:
        there = [f for f in self.outputs if f.name in begun]
        cue = next((f.label for f in self.outputs if f.name not in begun), None)
        if cue is None:
            raise TemplateError(f"every output is there already ({', '.join(begun)}); nothing is left to ask for")
        written = self._written(Example(**begun), there)
        return self._joiner.join(part for part in (self._inputs(x), written, cue) if part)

    def _block(self, demo: Example) -> str:
        return self._written(demo, self.fields)

    def _written(self, x: Example, fields: Sequence[Field]) -> str:
        values = [(f, _value(x, f)) for f in fields]
        labels = [f.label for f in self.fields]
        return self._joiner.join(f.write(value, labels) for f, value in values if value is not None)

    def json(self) -> Mapping[str, JSON]:
        """What the template consists of, for a record or a hash."""
        rows: list[JSON] = [
            {"name": f.name, "label": f.label, "desc": f.desc}
            | ({} if f.type is None else {"schema": schema_of(f.type)})
            for f in self.fields
        ]
        return {"instructions": self.instructions, "fields": rows, "inputs": len(self.inputs)}


def _value(x: Example, f: Field) -> object | None:
    """The value of a field; a demonstration's `answer` is its first gold answer where it was not predicted."""
    value: object | None = x.get(f.name)
    if value is None:
        gold = x.get(f"{f.name}s")
        value = gold[0] if isinstance(gold, tuple) and gold else None
    return value
