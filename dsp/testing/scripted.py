"""Scripted doors for tests, of this project and of its users: no model, no index, no network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dsp.errors import UsageError
from dsp.index.filters import Facets, Where
from dsp.lm.protocol import Completion, Reply, Request, Style, Usage
from dsp.text.words import words
from dsp.types import JSON, NOTHING, Hit, Passage


@dataclass
class ScriptedLM:
    """An LM that says what it is told to: texts in order, or whatever a function makes of the request.

    Keeps the requests it got in `requests`. Raises UsageError where the script is used up.
    """

    script: Sequence[str] | Callable[[Request], str]
    style: Style = "text"
    name: str = "scripted"
    requests: list[Request] = field(default_factory=list)

    @property
    def identity(self) -> Mapping[str, JSON]:
        """The name."""
        return {"backend": "scripted", "model": self.name}

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request, n completions in each."""
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        texts = [self._next(request) for _ in range(request.n)]
        usage = Usage(prompt_tokens=len(request.prompt.split()), completion_tokens=sum(len(t.split()) for t in texts))
        return Reply(completions=tuple(Completion(text=text) for text in texts), usage=usage)

    def _next(self, request: Request) -> str:
        self.requests.append(request)
        if callable(self.script):
            return self.script(request)
        spoken = len(self.requests)
        if spoken > len(self.script):
            raise UsageError(f"the script holds {len(self.script)} texts and was asked for one more; add a text")
        return self.script[spoken - 1]


@dataclass
class FixedRetriever:
    """A retriever over a few given passages, ranked by the words they share with the query."""

    passages: Sequence[Passage]
    name: str = "fixed"
    queries: list[str] = field(default_factory=list)

    @property
    def identity(self) -> Mapping[str, JSON]:
        """The name and the passages' ids."""
        return {"backend": "fixed", "passages": [p.id for p in self.passages]}

    def search(self, queries: Sequence[str], k: int, *, where: Where = NOTHING) -> list[list[Hit]]:
        """The k passages that share most words with each query; ties in the given order. UsageError for k < 1."""
        if k < 1:
            raise UsageError(f"k is {k}; ask for at least one passage")
        self.queries.extend(queries)
        there = list(self.passages)
        if where:
            mask = Facets(there).matching(where)
            there = [passage for passage, let in zip(there, mask, strict=True) if let]
        return [_ranking(there, query, k) for query in queries]


def _ranking(passages: Sequence[Passage], query: str, k: int) -> list[Hit]:
    wanted = set(words(query))
    scored = [(float(len(wanted & set(words(f"{p.title} {p.text}")))), p) for p in passages]
    scored.sort(key=lambda pair: -pair[0])
    return [Hit(passage=p, score=score, rank=rank) for rank, (score, p) in enumerate(scored[:k], start=1)]
