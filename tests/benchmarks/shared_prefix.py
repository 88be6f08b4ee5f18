"""Tokens of the programs' own prompt beginnings that the embedded LM evaluates again in an evaluation: one JSON line.

python -m tests.benchmarks.shared_prefix [QUESTIONS [MODEL [AT_ONCE]]]

Programs of one and two stages take turns, question by question, so that six beginnings (instructions and
demonstrations) alternate. How long each is in tokens is counted by the model's tokenizer, how many tokens of a prompt
were evaluated already stands in the usage of its reply. A beginning is new once; whatever of it is evaluated after
that counts as again.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dsp.catalog import load_program
from dsp.evaluation.benchmark import load_benchmark
from dsp.evaluation.experiment import Entry, Experiment, fitting
from dsp.evaluation.folder import RunFolder
from dsp.evaluation.run import evaluate
from dsp.index.open import open_index
from dsp.lm.around import AroundLM
from dsp.lm.connect import connect
from dsp.lm.embedded import EmbeddedLM
from dsp.lm.loopback import post
from dsp.lm.protocol import LM, Reply, Request
from dsp.record.journal import Journal
from dsp.types import JSON

PROGRAMS = {"retrieve_then_read": {"tokens": 60}, "multihop": {"tokens": 60}, "hyde": {"k": 1}, "closed_book": {}}


class Watched(AroundLM):
    """An LM whose requests are noted with the tokens that it did not evaluate for them."""

    def __init__(self, inner: LM) -> None:
        self.inner = inner
        self.seen: list[tuple[Request, int]] = []

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """The replies of the LM behind it."""
        replies = self.inner.complete(requests)
        self.seen += [(request, reply.usage.cached_tokens) for request, reply in zip(requests, replies, strict=True)]
        return replies


def run(lm: LM, n: int, at_once: int) -> None:
    """Evaluate the programs on so many questions of the default benchmark."""
    questions = tuple(load_benchmark("digest").questions(n=n))
    experiment = Experiment(
        benchmark="digest",
        split="dev",
        seed=0,
        questions=questions,
        entries=tuple(Entry(program=load_program(name), parameters=given) for name, given in PROGRAMS.items()),
        metrics=fitting(["exact_match"], questions, demanded=True),
        lm=lm,
        retriever=open_index("digest"),
    )
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "record" / "journal.sqlite3")
        evaluate(experiment, RunFolder(Path(folder) / "run"), journal=journal, at_once=at_once)
        journal.close()


def tokens(lm: EmbeddedLM, text: str) -> list[int]:
    """A text in the model's tokens."""
    running = lm._loaded()
    body: dict[str, JSON] = {"content": text, "add_special": True, "parse_special": True}
    _, answer = post(running.server.listening_address, running.api_key, "/tokenize", body)
    found: list[int] = json.loads(answer)["tokens"]
    return found


def shared(lm: EmbeddedLM, request: Request) -> int:
    """Of how many tokens of a prompt no query can change one: those that its beginning has by itself, too."""
    alone, whole = tokens(lm, request.template.lead(request.demos)), tokens(lm, request.prompt)
    return next((i for i, (a, b) in enumerate(zip(alone, whole, strict=False)) if a != b), len(alone))


def counted(lm: EmbeddedLM, seen: Sequence[tuple[Request, int]]) -> dict[str, float]:
    """Tokens of the beginnings: in all prompts, evaluated as they had to be, and evaluated again."""
    known: set[str] = set()
    said = new = again = 0
    for request, cached in seen:
        lead, length = request.template.lead(request.demos), shared(lm, request)
        said += length
        missed = max(0, length - cached)
        new, again = (new, again + missed) if lead in known else (new + missed, again)
        known.add(lead)
    share = again / said
    return {"requests": len(seen), "beginnings": len(known), "tokens": said, "new": new, "again": again, "share": share}


def measured(n: int, model: str, at_once: int) -> dict[str, float]:
    """One evaluation by a model whose evaluated beginnings are kept nowhere yet."""
    found = connect(model)
    assert isinstance(found, EmbeddedLM)
    with tempfile.TemporaryDirectory() as folder:
        lm = EmbeddedLM(found.path, found.sha256, name=found.name, prefixes=Path(folder) / "prefixes")
        watched = Watched(lm)
        run(watched, n, at_once)
        return counted(lm, watched.seen)


if __name__ == "__main__":
    given = (*sys.argv[1:4], *("24", "embedded:qwen2.5-coder-0.5b", "1")[len(sys.argv) - 1 :])
    print(json.dumps(measured(int(given[0]), given[1], int(given[2]))))
