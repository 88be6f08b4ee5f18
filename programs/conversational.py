"""A conversation: the question is rewritten several times so that it stands alone, and all rewrites search together.

Source: the QReCC program of Khattab et al. 2022 (arXiv 2212.14024, §3.1).
Cost: 2 LM calls, n + 1 completions, at most n + 1 retrievals (one for equal queries); 1, 1 and 1 without a history.
"""

from dsp import Demos, Example, Template, fields, focus, generate, generate_many, retrieve_fused

REWRITE = Template(
    "Rewrite the last question of each conversation so that it can be understood without the conversation.",
    inputs=(fields.history(), fields.question()),
    outputs=(fields.query(label="Rewritten question:", desc="the question with everything it refers to"),),
    compact=True,
)

QA = Template(
    "Answer the last question of each conversation from the context, in a few words or one sentence.",
    inputs=(fields.context(bare=True), fields.history(), fields.question()),
    outputs=(fields.answer(),),
    compact=True,
)

# Shown where the user gives no demonstrations of their own: invented facts, so that none of them can be an answer.
OLSEN = Example(
    history=["Who directed Harbour Lights?", "Harbour Lights was directed by Mira Olsen."],
    question="When was she born?",
)
LIN = Example(history=["青石桥是谁主持修建的？", "石匠林远。"], question="全长多少米？")
INVENTED = Demos(
    worked={
        "rewrite": (
            OLSEN.but(query="When was Mira Olsen, the director of Harbour Lights, born?"),
            LIN.but(query="石匠林远主持修建的青石桥全长多少米？"),
            Example(
                history=["How much does the Kestrel weigh?", "9.2 kg.", "Is that more than the Heron?", "No."],
                question="And which was sold first?",
                query="Which was sold first, the Kestrel or the Heron?",
            ),
        ),
        "answer": (
            OLSEN.but(context=["Mira Olsen | Mira Olsen, born in Ribe in 1957, is a director."], answer="In 1957."),
            LIN.but(context=["青石桥 | 青石桥建于 1632 年，全长 48 米。"], answer="48 米"),
        ),
    }
)


def conversational(
    question: str,
    *,
    demos: Demos = INVENTED,
    history: str = "",
    k: int = 16,
    tokens: int = 300,
    n: int = 10,
    temperature: float = 0.7,
) -> Example:
    """Answer a question that follows on `history`, the turns so far, one a line."""
    x = Example(question=question, history=tuple(filter(None, history.splitlines())), demos=demos)
    queries = generate_many(REWRITE, x, stage="rewrite", n=n, temperature=temperature).queries if x.history else ()
    found = retrieve_fused((*queries, question), k=k)
    x = x.but(context=focus(found, " ".join((*queries[:1], question)), tokens=tokens))
    return generate(QA, x, stage="answer", max_tokens=60)
