"""Sixty doubtful completions, each with its verdict: what is read, what is missing, what is remarked."""

import pytest

from dsp import fields
from dsp.template import Field, Template

Q = fields.question()
COT = Template("Answer.", (fields.context(), Q), (fields.rationale(), fields.answer()))
HOP = Template("Search.", (Q,), (fields.rationale(), fields.query(), fields.answer()))
ONE = Template("Answer.", (Q,), (fields.answer(),))
ESSAY = Template("Write.", (Q,), (fields.answer(), Field(name="essay", label="Essay:", line=False)))
ZH = Template(
    "回答。", (fields.question(label="问题："),), (Field(name="why", label="理由："), fields.answer(label="答案："))
)
TWICE, LOOSE, ORDER, ECHO = "stands twice", "was read tolerantly", "the order was", "a placeholder"

# template, completion, the values in the order of the outputs (None: missing), what the remarks hold
VERDICTS: list[tuple[Template, str, tuple[str | None, ...], tuple[str, ...]]] = [
    # as asked
    (COT, " So.\nAnswer: 42", ("So.", "42"), ()),
    (COT, " So.\n\nAnswer: 42\n", ("So.", "42"), ()),
    (COT, "So.\nAnswer:42", ("So.", "42"), ()),
    (COT, "Rationale: So.\nAnswer: 42", ("So.", "42"), ()),
    (COT, "\n\nRationale: So.\n\nAnswer: 42", ("So.", "42"), ()),
    (ONE, " 42", ("42",), ()),
    (ONE, "42", ("42",), ()),
    (ONE, "Answer: 42", ("42",), ()),
    (ONE, "**Answer:** 42", ("42",), ()),
    (ONE, "- answer: 42", ("42",), ()),
    (HOP, " a\nSearch Query: b\nAnswer: c", ("a", "b", "c"), ()),
    (ZH, "因为。\n答案：四十二", ("因为。", "四十二"), ()),
    (ZH, "理由：因为。\n答案：四十二", ("因为。", "四十二"), ()),
    # other dress
    (COT, " So.\nanswer: 42", ("So.", "42"), (LOOSE,)),
    (COT, " So.\nANSWER: 42", ("So.", "42"), (LOOSE,)),
    (COT, " So.\n**Answer:** 42", ("So.", "42"), (LOOSE,)),
    (COT, " So.\n**Answer**: 42", ("So.", "42"), (LOOSE,)),
    (COT, " So.\n__Answer__: 42", ("So.", "42"), (LOOSE,)),
    (COT, " So.\n## Answer: 42", ("So.", "42"), (LOOSE,)),
    (COT, " So.\n> Answer: 42", ("So.", "42"), (LOOSE,)),
    (COT, " So.\n- Answer: 42", ("So.", "42"), (LOOSE,)),
    (COT, " So.\n\tAnswer: 42", ("So.", "42"), (LOOSE,)),
    (COT, " So.\nAnswer： 42", ("So.", "42"), (LOOSE,)),
    (COT, " So. Answer: 42", ("So.", "42"), (LOOSE,)),
    (COT, " So.\nAnswer : 42", ("So.", "42"), (LOOSE,)),
    (ZH, "因为。答案: 四十二", ("因为。", "四十二"), (LOOSE,)),
    # twice, and in another order
    (COT, " So.\nAnswer: 42\nAnswer: 43", ("So.", "42"), (TWICE,)),
    (COT, " So.\nAnswer: 42\nRationale: No.\nAnswer: 43", ("So.", "42"), (TWICE,)),
    (HOP, " a\nAnswer: c\nSearch Query: b", ("a", "b", "c"), (ORDER,)),
    (HOP, " a\nanswer: c\nsearch query: b", ("a", "b", "c"), (LOOSE, LOOSE, ORDER)),
    (HOP, " a\nAnswer: c\nSearch Query: b\nAnswer: d", ("a", "b", "c"), (ORDER, TWICE)),
    # overrun
    (COT, " So.\nAnswer: 42\nQuestion: next?\nAnswer: 7", ("So.", "42"), ()),
    (COT, " So.\nAnswer: 42\n\n---\n\nContext: x", ("So.", "42"), ()),
    (COT, " So.\nAnswer: 42\n\nI hope this helps!", ("So.", "42"), ()),
    (COT, " So.\nAnswer: 42\nContext:\n[1] «x»", ("So.", "42"), ()),
    (COT, " So.\nQuestion: next?\nAnswer: 7", ("So.", None), ()),
    (COT, " So.\n---\nAnswer: 7", ("So.", None), ()),
    (ONE, " 42\nQuestion: next?", ("42",), ()),
    (ONE, " 42\nor so", ("42",), ()),
    (ONE, " 42\n---", ("42",), ()),
    (ESSAY, " 42\nEssay:\nOne.\n\nTwo.\nThree.", ("42", "One.\n\nTwo.\nThree."), ()),
    (ESSAY, " 42\nEssay: One.\nQuestion: next?", ("42", "One."), ()),
    # missing
    (COT, "", ("", None), ()),
    (COT, "   \n ", ("", None), ()),
    (COT, " I do not know.", ("I do not know.", None), ()),
    (COT, "\nAnswer: 42", ("", "42"), ()),
    (COT, " So.\nAnswer:", ("So.", ""), ()),
    (COT, " So.\nThe answer is 42", ("So.\nThe answer is 42", None), ()),
    (COT, " So.\nMyAnswer: 42", ("So.\nMyAnswer: 42", None), ()),
    (HOP, " a\nAnswer: c", ("a", None, "c"), ()),
    (HOP, " a\nSearch Query: b", ("a", "b", None), ()),
    (ONE, "Answer:", ("",), ()),
    (ONE, "\n", ("",), ()),
    # placeholders
    (ONE, " ${a short factoid answer, often between 1 and 5 words}", ("",), (ECHO,)),
    (ONE, " ${a short factoid answer, often between 1 and 5 words} 42", ("42",), (ECHO,)),
    (ONE, " ${a short factoid answer, often betw", ("",), (ECHO,)),
    (ONE, " ${42}", ("42",), (ECHO,)),
    (ONE, " ${HOME}/bin", ("${HOME}/bin",), ()),
    (COT, " ${a step-by-step deduction that identifies the correct answer}\nAnswer: 42", ("", "42"), (ECHO,)),
    (COT, " So.\nAnswer: ${A short  factoid answer}", ("So.", ""), (ECHO,)),
]  # fmt: skip


def test_there_are_sixty() -> None:
    assert len(VERDICTS) >= 60
    assert len({(id(template), text) for template, text, *_ in VERDICTS}) == len(VERDICTS)


@pytest.mark.parametrize(("template", "text", "values", "remarks"), VERDICTS, ids=[repr(row[1]) for row in VERDICTS])
def test_the_verdict(template: Template, text: str, values: tuple[str | None, ...], remarks: tuple[str, ...]) -> None:
    reading = template.read(text)
    assert tuple(reading.values.get(f.name) for f in template.outputs) == values
    assert reading.missing == tuple(f.name for f, value in zip(template.outputs, values, strict=True) if value is None)
    assert len(reading.remarks) == len(remarks)
    assert all(any(said in remark for remark in reading.remarks) for said in remarks)
