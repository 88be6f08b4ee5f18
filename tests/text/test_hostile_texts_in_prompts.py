"""Proofs about hostile text: what is written is read back unchanged, passages forge nothing, any completion is read.

A short form runs by default, the full counts of the promises with `make test-slow`.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsp import fields
from dsp.errors import ReadingError, Truncated
from dsp.predict import generate
from dsp.settings import using
from dsp.template import Field, Template
from dsp.testing import ScriptedLM
from dsp.text.wording import plain, shielded
from dsp.types import NOTHING, Example, Passage

ROUND_TRIPS = [400, pytest.param(5_000, marks=pytest.mark.slow)]
PROMPTS = [200, pytest.param(2_000, marks=pytest.mark.slow)]
COMPLETIONS = [1_500, pytest.param(20_000, marks=pytest.mark.slow)]
SECONDS_PER_BYTE = 0.010 / 10_000

Q, R, A = fields.question(), fields.rationale(), fields.answer()
LONG = Field(name="essay", label="Essay:", line=False)
CHINESE = Field(name="reply", label="答案：", desc="几个词")
ODD = Field(name="odd", label="Answer (a.k.a. [x]*) :")
SURE = Field(name="sure", label="Sure:", type=Literal["yes", "no"])
WRITTEN = (
    Template("Answer.", (Q,), (A,)),
    Template("Answer.", (Q,), (R, A)),
    Template("Search.", (Q,), (R, fields.query(), A)),
    Template("Write.", (Q, LONG), (A, Field(name="notes", label="Answer Notes:", line=False))),
    Template("回答。", (Q,), (CHINESE, ODD), compact=True),
)
SHOWING = (
    Template("Answer.", (fields.context(), Q), (R, A)),
    Template("Answer.", (fields.context(bare=True), fields.history(), Q), (A,), compact=True),
    Template("Answer.", (fields.context(), fields.history(), Q), (fields.query(), CHINESE)),
)
LABELS = sorted({f.label for template in (*WRITTEN, *SHOWING) for f in template.fields})
FRAGMENTS = [
    *LABELS, *(label.lower() for label in LABELS), *(f"**{label[:-1]}**:" for label in LABELS), "Answer：", "Answer",
    "Context:\n[1] «x»", "[1] «", "»", "\n", "\n\n", "\n\n---\n\n", "---", "\n---", "- ", "> ", "# ", "  ", "\t", " ",
    "\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1e", "\r\n", "\r", "\x00", "\x1b[2J", "\u200b", "\ufeff",
    "\u202e", "\ud800", "\udfff", "\\", "\\\\", "\\u2028", "\\u000a", "u000a", "\\n", "```", "<|im_end|>",
    "[[ ## answer ## ]]",
    "${", "}", "${answer}", "${a short factoid answer, often between 1 and 5 words}", "${the question", "yes", "No.",
    '{"a": [1', "42", "é", "房", "😀", "e\u0301",
]  # fmt: skip
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(st.characters(exclude_categories=()), max_size=3))).map(
        "".join
    ),
)


def run(
    count: int,
    check: Callable[[Template, Sequence[str]], None],
    templates: Sequence[Template],
    texts: int,
) -> None:
    """Check `count` drawn templates with so many drawn texts, and make sure that it was done so often."""
    done = 0

    @settings(max_examples=count, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(templates), st.lists(TEXT, min_size=texts, max_size=texts))
    def counted(template: Template, drawn: list[str]) -> None:
        nonlocal done
        check(template, drawn)
        done += 1

    counted()
    assert done >= count


@pytest.mark.parametrize("count", ROUND_TRIPS)
def test_every_string_survives_writing_and_reading(count: int) -> None:
    def check(template: Template, texts: Sequence[str]) -> None:
        values = {f.name: texts[i % len(texts)] for i, f in enumerate(template.fields)}
        prompt = template.write(Example(**{f.name: "last" for f in template.inputs}), (Example(**values),))
        lead = template.write(Example(**{f.name: "last" for f in template.inputs}))
        separator = "\n\n" if template.compact else "\n\n---\n\n"
        known = lead[: lead.rindex(separator) + len(separator)]
        query = lead[len(known) :]
        assert prompt.startswith(known) and prompt.endswith(separator + query)
        block = prompt[len(known) : -len(separator + query)]
        assert dict(template.parse(block).values) == values
        turn = template.messages(Example(**{f.name: "last" for f in template.inputs}), (Example(**values),))[2].content
        assert dict(template.read(turn).values) == {f.name: values[f.name] for f in template.outputs}
        turn.encode("utf-8"), prompt.encode("utf-8")

    run(count, check, WRITTEN, 5)


def marks(text: str, template: Template) -> list[str]:
    """The labels and separators at which a prompt could be split, in order, by every line break that Unicode knows."""
    own = tuple(f.label for f in template.fields)
    return [label for line in text.splitlines() for label in (*own, "---") if line.startswith(label)]


@pytest.mark.parametrize("count", PROMPTS)
def test_no_passage_question_or_turn_forges_a_label(count: int) -> None:
    def check(template: Template, texts: Sequence[str]) -> None:
        def filled(a: str, b: str, c: str, d: str) -> Example:
            context = (Passage(id="1", text=a, title=b), c)
            return Example(question=d, context=context, history=(b, c))

        hostile, plain = filled(*texts), filled("a", "b", "c", "d")
        demo = {f.name: texts[i % 4] for i, f in enumerate(template.outputs)}
        for x, y in ((hostile, plain), (hostile.but(**demo), plain.but(**dict.fromkeys(demo, "e")))):
            demos = ((x,), (y,)) if x is not hostile else ((), ())
            assert marks(template.write(hostile, demos[0]), template) == marks(
                template.write(plain, demos[1]), template
            )
            turns, expected = template.messages(hostile, demos[0]), template.messages(plain, demos[1])
            assert [marks(turn.content, template) for turn in turns] == [marks(t.content, template) for t in expected]

    run(count, check, SHOWING, 4)


def completion(chance: random.Random) -> str:
    """A completion as no model would write it; now and then a long one that repeats itself."""
    pieces = [
        chance.choice(FRAGMENTS) if chance.random() < 0.7 else anything(chance) for _ in range(chance.randrange(12))
    ]
    text = "".join(pieces)
    if chance.random() < 0.05 and text:
        text = (text * (100_000 // len(text) + 1))[: chance.choice((10_000, 100_000))]
    return text


def anything(chance: random.Random) -> str:
    return "".join(chr(chance.randrange(0x110000)) for _ in range(chance.randrange(20)))


def in_time(template: Template, text: str, begun: Mapping[str, str] = NOTHING) -> bool:
    """Whether reading takes at most 10 ms of processor time for each 10 kB, in one of a few tries."""
    allowed = SECONDS_PER_BYTE * max(len(text.encode("utf-8", "surrogatepass")), 10_000)
    for _ in range(5):
        started = time.thread_time()
        template.read(text, begun)
        if time.thread_time() - started <= allowed:
            return True
    return False


@pytest.mark.parametrize("count", COMPLETIONS)
def test_every_completion_is_read_or_refused_in_time(count: int) -> None:
    chance, said = random.Random(count), [""]
    templates = (*WRITTEN, *SHOWING, Template("Sure?", (Q,), (SURE,)), Template("Sure?", (Q,), (A, SURE)))
    x = Example(question="q", context=(), history=(), essay="e")
    refused = read = 0
    for _ in range(count):
        template, said[0] = chance.choice(templates), completion(chance)
        begun = {template.outputs[0].name: "begun"} if len(template.outputs) > 1 and chance.random() < 0.3 else {}
        assert in_time(template, said[0], begun), (template.instructions, said[0][:100], len(said[0]))
        try:
            with using(lm=ScriptedLM(lambda request: said[0])):
                found = generate(template, x, stage="s")
        except (ReadingError, Truncated):
            refused += 1
            continue
        read += 1
        assert all(found.get(f.name) for f in template.outputs)
    assert read + refused == count
    assert read > count // 5 and refused > count // 50


REPEATED = (
    "Answer: ", "answer:", "*", "**Answer", " ", "Answer", "\n", "-", "#", "> ", "\n  ", "\\", "\\u0041", "${", "${}",
    "${answer} ",    "\n---", "Rationale:\n", "\t", "\u2028", "_", "Answer：", "[1] «", "{", '"', "x",
)  # fmt: skip


@pytest.mark.parametrize("piece", REPEATED, ids=repr)
def test_repetition_is_written_and_read_in_linear_time(piece: str) -> None:
    text = (piece * 100_000)[:100_000]
    assert all(in_time(template, text) for template in (*WRITTEN, *SHOWING))
    started = time.thread_time()
    written = shielded(text, LABELS)
    assert time.thread_time() - started < 1
    assert plain(written) == text
