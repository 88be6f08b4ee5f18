"""A small benchmark for the tests of `dsp eval`: three questions, two programs, an LM that needs passages."""

from dsp.lm.protocol import Request
from tests.cli.shared import PASSAGES

GUESSER = '''"""No search."""

from dsp import Example, Template, fields, generate

QA = Template("Answer.", inputs=(fields.question(),), outputs=(fields.answer(),))


def guesser(question: str) -> Example:
    return generate(QA, Example(question=question), stage="answer")
'''
ROWS = [
    {
        "id": "a",
        "question": "Which retrieval model is used?",
        "answers": ["ColBERTv2"],
        "gold_ids": [PASSAGES[0].source],
    },
    {"id": "b", "question": "What is the threshold?", "answers": ["z = 4"], "gold_ids": [PASSAGES[1].source]},
    {"id": "c", "question": "Which language model is used?", "answers": ["GPT-3.5"], "gold_ids": [PASSAGES[0].source]},
]
ANSWERS = {"retrieval": "ColBERTv2", "threshold": "z = 4", "language": "GPT-3.5"}


def says(request: Request) -> str:
    """Right where passages are shown."""
    text = str(request.example.question)
    right = next(answer for word, answer in ANSWERS.items() if word in text)
    return right if request.example.get("context") else "Atlantis"


EVAL = ("eval", "digest", "--data", "test.jsonl", "-p", "./guesser.py", "-p", "./reader.py", "--name", "mine")
