"""An LM that asks only what the journal does not hold."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias

from dsp.engine import bridge, loop
from dsp.errors import Busy, DSPError, IntegrityError, StorageError
from dsp.lm import crossing
from dsp.lm.around import AroundLM
from dsp.lm.protocol import LM, Reply, Request, Usage, completion_of, described, reply_calls
from dsp.record.calls import Call
from dsp.record.journal import Journal

Slot: TypeAlias = tuple[str, int]
_LONGEST_WAIT = 150.0


@dataclass
class CachedLM(AroundLM):
    """Looks each sample up by request and sample index, asks `inner` for the missing ones, merges them in order.

    Only finished completions are looked up, cut ones too where `unfinished`; equal requests of several runs, threads
    and processes are asked once. A journal that cannot be read is no obstacle: `trouble` keeps its first error, and
    the LM is asked. Recording is not its business: the trace appends what crossed the door.
    """

    inner: LM
    journal: Journal
    unfinished: bool = False
    trouble: DSPError | None = field(default=None, init=False)
    gives_way: ClassVar[bool] = True

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request; `cached` where no model was asked for any of its samples."""
        started = time.perf_counter()
        keys = [described(self.inner, request).key for request in requests]
        first = {key: request for key, request in zip(reversed(keys), reversed(requests), strict=True)}
        slots = [
            [(key, request.sample + i) for i in range(request.n)] for key, request in zip(keys, requests, strict=True)
        ]
        wanted = dict.fromkeys(slot for group in slots for slot in group)
        calls: dict[Slot, Call] = {}
        asked: dict[Slot, Reply] = {}
        while missing := [slot for slot in wanted if slot not in calls]:
            waiting = self._fetch(first, missing, calls, asked)
            if waiting:
                self._keep([calls[slot] for slot in missing if slot in asked])
            calls |= _landed(waiting)
        looked = time.perf_counter() - started
        return [_merged(group, calls, asked, looked) for group in slots]

    def _fetch(
        self, first: Mapping[str, Request], slots: Sequence[Slot], calls: dict[Slot, Call], asked: dict[Slot, Reply]
    ) -> dict[Slot, Future[Call | None]]:
        """Put into `calls` what landed, what is recorded, and what the LM says to the rest; gives what others fetch."""
        waiting: dict[Slot, Future[Call | None]] = {}
        mine: list[Slot] = []
        seen = self.journal.seen
        try:
            for slot in slots:
                call, flight = self.journal.flights.take(slot)
                if call is not None:
                    calls[slot] = call
                elif flight is not None:
                    waiting[slot] = flight
                else:
                    mine.append(slot)
            calls |= self._recorded(mine)
            for slot in sorted(slot for slot in mine if slot not in calls):  # one order for all: nobody waits in a ring
                calls |= self._claimed(slot, seen)
            self._ask(first, [slot for slot in mine if slot not in calls], calls, asked)
        finally:
            self.journal.claims.fetched(slot for slot in mine if slot in asked)
            self.journal.claims.release(slot for slot in mine if slot not in asked)
            for slot in mine:
                found = calls.get(slot)
                self.journal.flights.land(slot, found if found is not None and self._usable(found) else None)
        return waiting

    def _keep(self, fetched: Sequence[Call]) -> None:
        """Record what was fetched before waiting for others, of whom one may wait for the claims on it: no rings."""
        try:
            self.journal.keep(fetched)
        except (StorageError, IntegrityError, Busy) as error:
            self.trouble = self.trouble or error
            self.journal.claims.release((call.key, call.sample) for call in fetched)

    def _claimed(self, slot: Slot, seen: tuple[int, int] | None) -> dict[Slot, Call]:
        """Be the one process that asks for this sample, or wait for the one that is; what others recorded meanwhile."""
        until, pause = time.monotonic() + _LONGEST_WAIT, 0.002
        while not self.journal.claims.take(slot) and time.monotonic() < until:
            bridge.sleep(pause)
            pause = min(1.5 * pause, 0.1)
            if found := self._recorded([slot]):
                return found
        return {} if self._unchanged(seen) else self._recorded([slot])

    def _unchanged(self, seen: tuple[int, int] | None) -> bool:
        try:
            return self.journal.unchanged(seen)
        except (StorageError, IntegrityError, Busy):
            return False  # the look-up that follows tells it

    def _recorded(self, slots: Sequence[Slot]) -> dict[Slot, Call]:
        try:
            found = {slot: self.journal.find(*slot, usable=self._usable) for slot in slots}
        except (StorageError, IntegrityError, Busy) as error:
            self.trouble = self.trouble or error
            return {}
        return {slot: call for slot, call in found.items() if call is not None}

    def _ask(
        self, first: Mapping[str, Request], slots: Sequence[Slot], calls: dict[Slot, Call], asked: dict[Slot, Reply]
    ) -> None:
        """Ask for these samples, neighbours in one request; `asked` then holds the reply that brought each."""
        requests = [_part(first[key], sample, n) for key, sample, n in _neighbours(slots)]
        replies = crossing.complete(self.inner, requests) if requests else []
        for request, reply in zip(requests, replies, strict=True):
            for call in reply_calls(self.inner, request, reply):
                slot = (call.key, call.sample)
                calls[slot], asked[slot] = call, reply

    def _usable(self, call: Call) -> bool:
        """Whether a recorded reply is a finished completion; also false for what is no completion at all."""
        try:
            completion, _ = completion_of(call), tuple(_dropped(call))
        except (KeyError, TypeError, ValueError):
            return False
        finished = completion.finish == "stop" or (self.unfinished and completion.finish == "length")
        return finished and isinstance(completion.text, str)


def _part(request: Request, sample: int, n: int) -> Request:
    """The request for some of its samples; itself, with what it holds rendered, where those are all."""
    return request if (request.sample, request.n) == (sample, n) else replace(request, sample=sample, n=n)


def _neighbours(slots: Sequence[Slot]) -> Iterator[tuple[str, int, int]]:
    """Runs of consecutive samples of one request: its key, the first sample, how many."""
    run: list[int] = []
    key = ""
    for slot in sorted(slots):
        if run and slot != (key, run[-1] + 1):
            yield key, run[0], len(run)
            run = []
        key = slot[0]
        run.append(slot[1])
    if run:
        yield key, run[0], len(run)


def _landed(waiting: Mapping[Slot, Future[Call | None]]) -> dict[Slot, Call]:
    """Wait for what others fetch; what failed there is left out."""
    landed = {}
    for slot, flight in waiting.items():
        call = loop.landed(flight)
        if call is not None:
            landed[slot] = call
    return landed


def _merged(slots: Sequence[Slot], calls: Mapping[Slot, Call], asked: Mapping[Slot, Reply], looked: float) -> Reply:
    """One reply from its samples; what it cost is what was asked for, or what the record says it cost once."""
    mine = [calls[slot] for slot in slots]
    fresh = list({id(asked[slot]): asked[slot] for slot in slots if slot in asked}.values())
    usage = Usage()
    if fresh:
        usage = sum((reply.usage for reply in fresh), start=usage)
    else:
        for call in mine:
            usage += Usage(prompt_tokens=call.prompt_tokens, completion_tokens=call.completion_tokens)
    dropped: dict[str, None] = {}
    for call in mine:
        dropped |= dict.fromkeys(_dropped(call))
    return Reply(
        completions=tuple(map(completion_of, mine)),
        usage=usage,
        seconds=sum(reply.seconds for reply in fresh) if fresh else looked,
        cached=not fresh,
        dropped=tuple(dropped),
    )


def _dropped(call: Call) -> Sequence[str]:
    reply: Mapping[str, Any] = call.reply
    dropped: Sequence[str] = reply["dropped"]
    return dropped
