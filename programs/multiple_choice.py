"""Compare the top candidates: sample answers, search for each of the most common ones, then choose among them.

Source: the comparison of top-k predictions in Khattab et al. 2022 (arXiv 2212.14024, §2.4).
Cost: 2 LM calls, n + 1 completions, at most choices + 1 retrievals; 1, n and 1 where all samples agree.
"""

from dsp import (
    NO_DEMOS,
    Demos,
    Example,
    Field,
    Template,
    fields,
    generate,
    generate_many,
    most_common,
    retrieve,
    retrieve_fused,
)

LETTERS = "ABCDEFGHIJ"

QA = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.rationale(), fields.answer()),
)

CHOOSE = Template(
    "Choose the answer that the context supports best.",
    inputs=(
        fields.context(),
        fields.question(),
        Field(name="choices", label="Choices:", desc="possible answers", line=False, show=fields.one_a_line),
    ),
    outputs=(Field(name="choice", label="Best choice:", desc="the letter of one choice"),),
)


def multiple_choice(
    question: str, *, demos: Demos = NO_DEMOS, k: int = 5, n: int = 20, choices: int = 4, temperature: float = 0.7
) -> Example:
    """Answer with the best of the most common of n sampled answers, seen beside the passages found for each."""
    x = Example(question=question, context=retrieve(question, k=k), demos=demos)
    top = most_common(generate_many(QA, x, stage="answer", n=n, temperature=temperature), min(choices, len(LETTERS)))
    if len(top) == 1:
        return top[0]
    found = retrieve_fused([f"{question} {candidate.answer}" for candidate in top], k=k)
    listed = tuple(f"({letter}) {candidate.answer}" for letter, candidate in zip(LETTERS, top, strict=False))
    choice = generate(CHOOSE, x.but(context=found, choices=listed), stage="choose").choice
    return chosen(choice, top).but(context=found, choice=choice)


def chosen(choice: str, top: tuple[Example, ...]) -> Example:
    """The candidate that a choice names by its letter or in words; the most common one where it names none."""
    letter = choice.strip(" (").upper()[:2].rstrip(").: ")
    if letter in tuple(LETTERS[: len(top)]):
        return top[LETTERS.index(letter)]
    named = [candidate for candidate in top if candidate.answer.casefold() in choice.casefold()]
    return max(named, key=lambda candidate: len(candidate.answer)) if named else top[0]
