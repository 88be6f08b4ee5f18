"""What an evaluation may spend, what it has spent, and the LM that asks nothing beyond."""

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dsp.errors import BudgetReached, UsageError
from dsp.lm.around import AroundLM
from dsp.lm.protocol import LM, Reply, Request, Style
from dsp.types import JSON

BYTES_A_TOKEN = 3
"""UTF-8 bytes of a prompt that are taken for one token before the model has counted: more tokens than there are."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a model charges: US dollars for a million tokens of prompt, and of completion."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The price of so many tokens."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


FREE = Price(prompt=0.0, completion=0.0)


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What was asked of a model and processed there; `usd` is None where the price is not known."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Spent") -> "Spent":
        unknown = self.usd is None or other.usd is None
        return Spent(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            usd=None if unknown else (self.usd or 0.0) + (other.usd or 0.0),
        )

    def json(self) -> dict[str, JSON]:
        """The spending as a line of a run folder."""
        return dict(vars(self))


def spent_from(record: Mapping[str, Any]) -> Spent:
    """The spending that `json` wrote."""
    return Spent(**record)


def parsed_price(text: str) -> Price:
    """`0.25/2` as a price; UsageError for what is no two numbers of 0 or more."""
    parts = text.split("/")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != 2 or not all(0 <= number < math.inf for number in numbers):
        raise UsageError(
            f"--price takes PROMPT/COMPLETION, US dollars for a million tokens of each, such as 0.25/2; found {text!r}"
        )
    return Price(prompt=numbers[0], completion=numbers[1])


def price_of(lms: Iterable[LM], given: Price | None = None) -> Price | None:
    """The price that was given; 0 for models on this machine; None, unknown, where one is behind an endpoint."""
    if given is not None:
        return given
    return None if any("endpoint" in lm.identity for lm in lms) else FREE


class Budget:
    """What may still be spent: `tokens`, `usd`, or both; None is no limit. For any number of threads.

    A request is let through only where what it may cost at most fits beside what is being asked; what it did cost is
    then handed to `keep`. Raises UsageError for a limit in money without a price.
    """

    def __init__(self, *, tokens: int | None = None, usd: float | None = None, price: Price | None = FREE) -> None:
        """Set the limits; nothing is spent yet."""
        self.spent = Spent()
        self.exhausted = False
        self._tokens, self._usd, self.price = tokens, usd, price
        self._keep: Callable[[Spent], None] = lambda spent: None
        self._held: list[Spent] = []
        self._lock = threading.Lock()
        if usd is not None and price is None:
            raise UsageError(
                "--max-usd needs a price, and that of this model is not known to dsp; give it with --price "
                "PROMPT/COMPLETION, US dollars for a million tokens, or limit the tokens with --max-tokens"
            )

    def begin(self, spent: Spent, keep: Callable[[Spent], None]) -> None:
        """Go on from what was spent in earlier sessions; `keep` gets what every further request costs.

        Tokens that were spent when their price was not known are charged now.
        """
        if self.price is not None and spent.usd is None:
            spent = replace(spent, usd=self.price.of(spent.prompt_tokens, spent.completion_tokens))
        self.spent, self._keep = spent, keep

    def cost(self, prompt_tokens: int, completion_tokens: int) -> Spent:
        """One request with so many tokens."""
        usd = None if self.price is None else self.price.of(prompt_tokens, completion_tokens)
        return Spent(requests=1, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, usd=usd)

    def hold(self, most: Spent) -> None:
        """Set aside what a request may cost.

        Raises BudgetReached where that does not fit beside what others hold; `exhausted` where it would not fit alone.
        """
        with self._lock:
            if self._exceeds(sum(self._held, start=self.spent + most)):
                self.exhausted = self.exhausted or self._exceeds(self.spent + most)
                raise BudgetReached(f"the budget of {self.limits} does not allow another request")
            self._held.append(most)

    def settle(self, held: Spent | None, spent: Spent | None) -> None:
        """Give back what was set aside, if anything, and count what the request did cost; None where it failed."""
        with self._lock:
            if held is not None and held in self._held:
                self._held.remove(held)
            if spent is not None:
                self.spent += spent
        if spent is not None:
            self._keep(spent)

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self._tokens is not None or self._usd is not None

    @property
    def limits(self) -> str:
        """The limits, as they are said to a person."""
        said = [f"{self._tokens:,} tokens"] if self._tokens is not None else []
        return " and ".join([*said, *([f"{self._usd:g} USD"] if self._usd is not None else [])]) or "any size"

    def _exceeds(self, spent: Spent) -> bool:
        tokens = self._tokens is not None and spent.tokens > self._tokens
        return tokens or (self._usd is not None and (spent.usd or 0.0) > self._usd * (1 + 1e-12))


@dataclass
class MeteredLM(AroundLM):
    """An LM that counts what it asks, and asks nothing beyond a budget; `refused` says that it was asked to.

    A model that does not count tokens is charged what the request could have cost at most.
    """

    inner: LM
    budget: Budget
    refused: bool = field(default=False, init=False)

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """Ask the LM behind it; raises BudgetReached where that could cost more than is left."""
        held = self._held(requests) if self.budget.limited else None
        spent = None
        try:
            replies = self.inner.complete(requests)
            spent = sum(map(self._spent, requests, replies), start=Spent())
        finally:
            self.budget.settle(held, spent)
        return replies

    def _held(self, requests: Sequence[Request]) -> Spent:
        """What the budget has set aside for these requests."""
        most = sum(map(self._most, requests), start=Spent())
        try:
            self.budget.hold(most)
        except BudgetReached:
            self.refused = True
            raise
        return most

    def _most(self, request: Request) -> Spent:
        return self.budget.cost(*most_tokens(request, self.style))

    def _spent(self, request: Request, reply: Reply) -> Spent:
        usage = reply.usage
        counted = usage.prompt_tokens or usage.completion_tokens
        return self.budget.cost(usage.prompt_tokens, usage.completion_tokens) if counted else self._most(request)


def most_tokens(request: Request, style: Style) -> tuple[int, int]:
    """Tokens of prompt and completions that a request takes at most, before any model has counted them."""
    said = request.prompt if style == "text" else "".join(message.content for message in request.messages)
    return math.ceil(len(said.encode()) / BYTES_A_TOKEN), request.n * request.max_tokens
