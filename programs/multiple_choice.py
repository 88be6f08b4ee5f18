"""Compare the top candidates: sample answers, search for each of the most common ones, then choose among them.

Source: the comparison of top-k predictions in Khattab et al. 2022 (arXiv 2212.14024, §2.4).
Cost: 2 LM calls, n + 1 completions, at most choices + 1 retrievals; 1, n and 1 where all samples agree.
"""

from dsp import (
    Demos,
    Example,
    Field,
    Template,
    fields,
    focus,
    generate,
    generate_many,
    most_common,
    retrieve,
    retrieve_fused,
)

LETTERS = "ABCDEFGHIJ"

QA = Template(
    "Answer each question with a short phrase copied from its context.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(fields.answer(),),
    compact=True,
)

CHOOSE = Template(
    "Choose the answer that the context supports best.",
    inputs=(
        fields.context(bare=True),
        fields.question(),
        Field(name="choices", label="Choices:", desc="possible answers", line=False, show=fields.one_a_line),
    ),
    outputs=(Field(name="choice", label="Best choice:", desc="the letter of one choice"),),
    compact=True,
)

# Shown where the user gives no demonstrations of their own: invented facts, so that none of them can be an answer.
FILM = Example(
    context=["Harbour Lights | Harbour Lights is a film by Mira Olsen. It opened in Bergen in March 1998."],
    question="In which year did the film by Mira Olsen open?",
)
BIRDS = Example(
    context=["Kestrel | The Kestrel weighs 9.2 kg.", "Heron | The Heron, sold since 2001, weighs 11 kg."],
    question="Which is heavier, the Kestrel or the Heron?",
)
BRIDGE = Example(
    context=["青石桥 | 青石桥建于 1632 年，全长 48 米，由石匠林远主持修建。"], question="主持修建青石桥的是谁？"
)
INVENTED = Demos(
    worked={
        "answer": (FILM.but(answer="1998"), BIRDS.but(answer="Heron"), BRIDGE.but(answer="林远")),
        "choose": (
            BIRDS.but(choices=["(A) Kestrel", "(B) Heron"], choice="(B)"),
            FILM.but(choices=["(A) 1998", "(B) Bergen", "(C) March"], choice="(A)"),
            BRIDGE.but(choices=["(A) 1632 年", "(B) 48 米", "(C) 林远"], choice="(C)"),
        ),
    }
)


def multiple_choice(
    question: str,
    *,
    demos: Demos = INVENTED,
    k: int = 16,
    tokens: int = 300,
    n: int = 20,
    choices: int = 4,
    temperature: float = 0.7,
) -> Example:
    """Answer with the best of the most common of n sampled answers, seen beside what is found for each."""
    x = Example(question=question, demos=demos, context=focus(retrieve(question, k=k), question, tokens=tokens))
    top = most_common(generate_many(QA, x, stage="answer", n=n, temperature=temperature), min(choices, len(LETTERS)))
    if len(top) == 1:
        return top[0]
    asked = [f"{question} {candidate.answer}" for candidate in top]
    context = focus(retrieve_fused(asked, k=k), " ".join(asked), tokens=tokens)
    listed = tuple(f"({letter}) {candidate.answer}" for letter, candidate in zip(LETTERS, top, strict=False))
    choice = generate(CHOOSE, x.but(context=context, choices=listed), stage="choose", max_tokens=20).choice
    return chosen(choice, top).but(context=context, choice=choice)


def chosen(choice: str, top: tuple[Example, ...]) -> Example:
    """The candidate that a choice names by its letter or in words; the most common one where it names none."""
    letter = choice.strip(" (").upper()[:2].rstrip(").: ")
    if letter in tuple(LETTERS[: len(top)]):
        return top[LETTERS.index(letter)]
    named = [candidate for candidate in top if candidate.answer.casefold() in choice.casefold()]
    return max(named, key=lambda candidate: len(candidate.answer)) if named else top[0]
