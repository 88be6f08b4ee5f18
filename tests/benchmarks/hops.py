"""What one search, fused searches and two hops find: `python -m tests.benchmarks.hops --data DIR --set hotpotqa`.

`DIR/hotpotqa` holds the questions of a benchmark (`dev.jsonl`) and the passages that came with all of them
(`corpus.jsonl`). Prints Markdown: for each way to search the mean share of a question's gold passages among five
passages (recall@5) and the share of questions with all of them there (all-gold@5). Each row is five passages: of two
hops the first gives two and the second three that are new, as in the paper's HotPotQA program. With `--lm NAME --n 60`
the second query is the one that this LM writes in `programs/multihop.py`, on some of the questions.
"""

import re
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from dsp import environment
from dsp.catalog import load_program
from dsp.evaluation.benchmark import document_id, load_benchmark
from dsp.evaluation.questions import choose
from dsp.evaluation.ranking import all_gold, recall
from dsp.evidence import focus
from dsp.index.build import build_index
from dsp.index.open import open_index
from dsp.index.protocol import Retriever
from dsp.lm.connect import connect
from dsp.predict import generate
from dsp.queries import feedback
from dsp.record.journal import Journal
from dsp.runner import run
from dsp.search import retrieve, retrieve_fused
from dsp.settings import using
from dsp.types import Example, Passage

K, FIRST = 5, 2
Found: TypeAlias = Sequence[Passage]
_CUTS = re.compile(r"[,;:.?!]\s|\s(?=(?:and|or|but|that|which|who|whom|whose|where|when|than|by|from|in which)\s)")
_PART = 3


def parts(question: str) -> list[str]:
    """A question cut at punctuation and before conjunctions and relative pronouns; parts of one or two words go."""
    found = [part.strip(" ,;:.?!") for part in _CUTS.split(question)]
    return [part for part in found if len(part.split()) >= _PART and part != question]


def hops(first: Found, second: Found) -> list[Passage]:
    """Two passages of the first hop, then new ones of the second until there are five, then the first hop's others."""
    kept = [*first[:FIRST], *second[:K], *first[FIRST:]]
    return list({passage.id: passage for passage in kept}.values())[:K]


def searches(gold: Mapping[str, Passage]) -> dict[str, Callable[[Example], Found]]:
    """The ways to search that need no LM; `gold` has every gold passage by the id of its document."""

    def golden(x: Example) -> list[Passage]:
        return [gold[name] for name in x.gold]

    def missing(x: Example) -> Passage:
        """The first gold passage that the first hop does not show; the last where it shows all."""
        shown = {passage.id for passage in retrieve(x.question, k=FIRST)}
        return next((passage for passage in golden(x) if passage.id not in shown), golden(x)[-1])

    def fused(x: Example, *, weigh: bool) -> Found:
        pieces = parts(x.question)
        weights = [float(max(len(pieces), 1)), *([1.0] * len(pieces))]
        return retrieve_fused([x.question, *pieces], k=K, depth=20, weights=weights if weigh else None)

    def two(x: Example, query: str) -> Found:
        return hops(retrieve(x.question, k=K), retrieve(query, k=K))

    return {
        "one search": lambda x: retrieve(x.question, k=K),
        "fused: the question and its parts, CombSUM": lambda x: fused(x, weigh=False),
        "fused: the same, the question weighing as much as its parts": lambda x: fused(x, weigh=True),
        "feedback: the question and five words of its first three passages": lambda x: retrieve(
            feedback(x.question, retrieve(x.question, k=3)), k=K
        ),
        "two hops, query: the question and the first gold passage": lambda x: two(
            x, f"{x.question} {golden(x)[0].title} {golden(x)[0].text}"
        ),
        "two hops, query: the title of a gold passage not yet shown": lambda x: two(x, missing(x).title),
    }


def measured(questions: Sequence[Example], search: Callable[[Example], Found]) -> tuple[float, float]:
    """Recall@5 and all-gold@5, as means over the questions."""
    scores = []
    for x in questions:
        ids = [document_id(passage) for passage in search(x)]
        scores.append((recall(ids, x.gold, K), all_gold(ids, x.gold, K)))
    some, every = zip(*scores, strict=True)
    return sum(some) / len(scores), sum(every) / len(scores)


def hopping(question: str) -> Example:
    """What `multihop` does as far as its second search: its prompt, its demonstrations, its parameters."""
    program: Any = load_program("multihop").function
    given: Mapping[str, Any] = program.__kwdefaults__
    first = retrieve_fused([question], k=given["k"])
    x = Example(question=question, demos=given["demos"], context=focus(first, question, tokens=given["tokens"]))
    x = generate(program.__globals__["HOP"], x, stage="hop", max_tokens=80)
    return x.but(answer=x.query, hops=(first, retrieve(x.query, k=given["k"])))


def by_lm(x: Example) -> Example:
    """The hops of a question, recorded; an LM is asked once for each."""
    return run(hopping, x.question).example


def by(lm: str) -> dict[str, Callable[[Example], Found]]:
    """The ways to search with the queries of an LM, and one search of the same questions."""
    return {
        "one search": lambda x: retrieve(x.question, k=K),
        f"two hops, query: by {lm} in `multihop`": lambda x: hops(*by_lm(x).hops),
        "the same queries fused, as `multihop` does": lambda x: retrieve_fused(
            [x.question, by_lm(x).query], k=K, depth=48
        ),
    }


def opened(data: Path, name: str, home: Path, mode: str) -> tuple[Retriever, list[Example]]:
    """The index over the pooled passages, built where it was not, and the development questions."""
    benchmark = load_benchmark(name)
    recipe = benchmark.recipe(home / "pools" / name, "dev", data=data / name)
    assert recipe is not None
    build_index(recipe, home=home, name=recipe.name)
    questions = [x for x in benchmark.questions("dev", data=data / name) if x.get("gold")]
    return open_index(recipe.name, home=home, mode=mode), questions


def table(retriever: Retriever, questions: Sequence[Example]) -> Iterator[str]:
    """The rows that need no LM."""
    gold = {document_id(passage): passage for passage in retriever.passages}  # type: ignore[attr-defined]
    with using(retriever=retriever):
        for label, search in searches(gold).items():
            yield row(label, questions, search)


def row(label: str, questions: Sequence[Example], search: Callable[[Example], Found]) -> str:
    """One row of the table."""
    began = time.perf_counter()
    some, every = measured(questions, search)
    seconds = (time.perf_counter() - began) / len(questions)
    return f"| {label} | {len(questions)} | {some:.3f} | {every:.3f} | {seconds:.2f} |"


def main(arguments: Sequence[str]) -> None:
    """Print the table of one set."""
    parser = ArgumentParser(prog="python -m tests.benchmarks.hops")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", default="hotpotqa")
    parser.add_argument("--mode", default="hybrid")
    parser.add_argument("--home", type=Path, default=environment.home())
    parser.add_argument("--lm")
    parser.add_argument("--n", type=int, default=60)
    given = parser.parse_args(arguments)
    retriever, questions = opened(given.data, given.set, given.home, given.mode)
    print(f"| {given.set}, {given.mode} | questions | recall@5 | all-gold@5 | seconds each |\n|---|---|---|---|---|")
    if not given.lm:
        for line in table(retriever, questions):
            print(line, flush=True)
        return
    some = choose(questions, given.n, seed=0)
    journal = Journal(given.home / "hops.sqlite3")
    with using(lm=connect(given.lm), retriever=retriever, journal=journal):
        for label, search in by(given.lm).items():
            print(row(label, some, search), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
