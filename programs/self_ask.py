"""Self-ask: the LM asks follow-up questions one at a time, a search answers each, and then it answers.

Source: Press et al. 2022 (arXiv 2210.03350) over a retriever, the baseline of Khattab et al. 2022 (arXiv 2212.14024,
§3.4). The original prompt shows four questions asked in this way and takes the best
sentences found for the intermediate answer; the refined one gives instructions, asks for self-contained search
questions and has the LM read a short answer from them.
Cost: at most hops + 1 LM calls, hops + 1 completions, hops retrievals (with refined: 2 * hops + 1 LM calls,
2 * hops + 1 completions, hops retrievals); saying that no question is left, or asking one again, takes one LM call of
those not taken.
"""

import re

from dsp import Demos, Example, Field, Template, distinct, fields, focus, generate, phrase, retrieve

NOTES = Field(name="notes", label="Asked so far:", desc="questions and answers", line=False, show=fields.one_a_line)
STEP = Field(name="step", label="Are follow up questions needed here:", desc="Yes. Follow up: a question, or: No.")
FINAL = fields.answer(label="So the final answer is:")

ASK = Template("", (fields.question(), NOTES), (STEP,), compact=True)
ANSWER = Template("", (fields.question(), NOTES), (FINAL,), compact=True)

REFINED_ASK = Template(
    "Answer a complex question by asking simple ones first, one at a time. A follow up question names everything it "
    "is about, so that it can be searched for by itself. When all is known, say No.",
    (fields.question(), NOTES),
    (STEP,),
    compact=True,
)
REFINED_ANSWER = Template(
    "Answer each question with a short phrase.", (fields.question(), NOTES), (FINAL,), compact=True
)
READ = Template(
    "Answer each follow up question with a few words copied from its context.",
    (fields.context(bare=True), fields.question(label="Follow up:")),
    (fields.answer(label="Intermediate answer:"),),
    compact=True,
)


def shots(question: str, answer: str, *notes: tuple[str, str]) -> tuple[list[Example], Example]:
    """One question asked to its end: what was said at each turn, and the final answer."""
    said: tuple[str, ...] = ()
    turns = []
    for asked, found in notes:
        turns.append(Example(question=question, notes=said, step=f"Yes. Follow up: {asked}"))
        said = (*said, *noted(asked, found))
    turns.append(Example(question=question, notes=said, step="No."))
    return turns, Example(question=question, notes=said, answer=answer)


def noted(asked: str, found: str) -> tuple[str, str]:
    """A follow-up question and its answer, as the prompt goes on with them."""
    return f"Follow up: {asked}", f"Intermediate answer: {found}"


# The intermediate answers are sentences, as a search gives them; the final ones are short all the same.
SHOTS = (
    shots(
        "Which river is longer, the one that flows through Vienna or the one that flows through Paris?",
        "the Danube",
        (
            "Which river flows through Vienna, and how long is it?",
            "The Danube, 2,850 km long, flows through Vienna, Bratislava, Budapest and Belgrade to the Black Sea.",
        ),
        ("Which river flows through Paris, and how long is it?", "Paris lies on the Seine, a river of 777 km."),
    ),
    shots(
        "Who was king of the country in which Hans Christian Andersen was born, when he was born?",
        "Christian VII",
        (
            "When and where was Hans Christian Andersen born?",
            "Hans Christian Andersen, a writer of plays and fairy tales, was born in Odense, Denmark, on 2 April 1805.",
        ),
        ("Who was king of Denmark in April 1805?", "Christian VII was King of Denmark from 1766 to 1808."),
    ),
    shots(
        "What is the capital of the country whose flag shows a cedar?",
        "Beirut",
        (
            "Which country has a flag with a cedar?",
            "The flag of Lebanon shows a green cedar between two red stripes; it was adopted on 7 December 1943.",
        ),
        ("What is the capital of Lebanon?", "Beirut is the capital and largest city of Lebanon."),
    ),
    shots(
        "Did the discoverer of penicillin and the discoverer of radium win a Nobel Prize in the same field?",
        "no",
        (
            "In which field did the discoverer of penicillin win a Nobel Prize?",
            "Alexander Fleming shared the Nobel Prize in Physiology or Medicine of 1945 for penicillin.",
        ),
        (
            "In which fields did the discoverer of radium win a Nobel Prize?",
            "Marie Curie won the Nobel Prizes in Physics in 1903 and in Chemistry in 1911.",
        ),
    ),
)
INVENTED = (  # facts that are not, so that none of them can be an answer
    Example(
        context=["Harbour Lights | Harbour Lights is a film by Mira Olsen. It opened in Bergen in March 1998."],
        question="When and where did the film Harbour Lights open?",
        answer="In March 1998, in Bergen.",
    ),
    Example(
        context=["Otters | Otters close their ears under water.", "Heron | The Heron, sold since 2001, weighs 11 kg."],
        question="How much does the Heron weigh?",
        answer="11 kg.",
    ),
)
FOUR_SHOTS = Demos(
    worked={
        "ask": tuple(turn for turns, _ in SHOTS for turn in turns),
        "read": INVENTED,
        "answer": tuple(last for _, last in SHOTS),
    }
)


def self_ask(
    question: str, *, demos: Demos = FOUR_SHOTS, hops: int = 3, k: int = 16, tokens: int = 200, refined: bool = False
) -> Example:
    """Answer after up to `hops` follow-up questions, each answered by a search."""
    x, said = Example(question=question, context=(), notes=(), demos=demos), set[str]()
    for _ in range(hops):
        asked = follow_up(generate(REFINED_ASK if refined else ASK, x, stage="ask", max_tokens=60).step)
        if not asked or asked in said:
            break
        said.add(asked)
        passages = focus(retrieve(asked, k=k), asked, tokens=tokens if refined else 60)
        if refined:
            read = Example(question=asked, context=passages, demos=demos)
            found = generate(READ, read, stage="read", max_tokens=40).answer
        else:
            found = passages[-1].text if passages else "not found"
        x = x.but(notes=(*x.notes, *noted(asked, found)), context=distinct(x.context + passages))
    x = generate(REFINED_ANSWER if refined else ANSWER, x, stage="answer", max_tokens=40)
    return x.but(answer=phrase(x.answer, question))


def follow_up(step: str) -> str:
    """The question that a step asks; empty where it asks none."""
    asked = re.sub(r"^\s*(yes\b\W*)?(follow[ -]?up( question)?\s*:)?\s*", "", step, flags=re.IGNORECASE)
    return "" if re.match(r"(no|none|n/a)\b(?! \w)", asked, flags=re.IGNORECASE) else asked.strip()
