"""A ColBERTv2-style search server, healthy and not: a checked ranking or a typed error, within the deadline."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dsp.errors import BadResponse, DSPError, ProviderTimeout, Rejected, Unavailable, UsageError
from dsp.index.colbert import ColBERTServer
from dsp.index.open import open_index
from dsp.record.journal import Journal
from dsp.remote.retries import Patience
from dsp.runner import replay, run
from dsp.search import retrieve_fused
from dsp.settings import using
from dsp.testing import ScriptedLM
from dsp.testing.faults import (
    Behaviour,
    FaultServer,
    Seen,
    Wire,
    bomb,
    close_at_once,
    cut,
    drip_headers,
    each,
    no_http,
    ok,
    reset,
    silent,
    status,
)
from tests.endpoints import Time

ROWS: list[dict[str, Any]] = [
    {"text": "Odense | The bridge was built in 1858.", "pid": 7, "rank": 1, "score": 21.5, "prob": 0.8},
    {"text": "A cat sleeps.", "pid": 3, "rank": 2, "score": 20.1, "prob": 0.2},
    {"text": "Tower | The tower was built in 1901.", "pid": 9, "rank": 3, "score": 3.0, "prob": 0.0},
]
QUICK = Patience(deadline=20, tries=3)


def body(rows: object = ROWS, **more: object) -> bytes:
    return json.dumps({"query": "q", "topk": rows, **more}).encode()


def healthy(wire: Wire, seen: Seen) -> None:
    k = int(parse_qs(urlsplit(seen.path).query)["k"][0])
    wire.reply(200, body(ROWS[:k]))


def server_at(behave: Behaviour) -> FaultServer:
    return FaultServer(behave)


def client(server: FaultServer, patience: Patience = QUICK, time_: Time | None = None) -> ColBERTServer:
    time_ = time_ or Time()
    url = f"http://127.0.0.1:{server.port}/api/search"
    return ColBERTServer(url, patience=patience, clock=time_.clock, sleep=time_.sleep, chance=lambda: 0.0)


def test_passages_come_with_title_text_score_and_source() -> None:
    with server_at(each(healthy)) as server:
        (hits,) = client(server).search(["Wann & wo? 桥"], 2)
        (seen,) = server.seen
    assert [(h.rank, h.score, h.passage.id) for h in hits] == [(1, 21.5, "7"), (2, 20.1, "3")]
    assert (hits[0].passage.title, hits[0].passage.text) == ("Odense", "The bridge was built in 1858.")
    assert (hits[1].passage.title, hits[1].passage.text) == ("", "A cat sleeps.")
    assert hits[0].passage.source.endswith("/api/search#7")
    assert seen.method == "GET"
    assert urlsplit(seen.path).path == "/api/search"
    assert parse_qs(urlsplit(seen.path).query) == {"query": ["Wann & wo? 桥"], "k": ["2"]}


def test_every_query_gets_its_ranking() -> None:
    with server_at(each(healthy)) as server:
        rankings = client(server).search(["a", "b", "c"], 1)
    assert [len(hits) for hits in rankings] == [1, 1, 1]
    assert len(server.seen) == 3


def test_a_server_that_gives_too_many_or_unsorted_rows_is_put_right() -> None:
    with server_at(each(ok(body(list(reversed(ROWS)))))) as server:
        (hits,) = client(server).search(["q"], 2)
    assert [(h.rank, h.passage.id) for h in hits] == [(1, "7"), (2, "3")]


def test_nothing_found_is_an_empty_ranking() -> None:
    with server_at(each(ok(body([])))) as server:
        assert client(server).search(["q"], 3) == [[]]


@pytest.mark.parametrize(
    "fault",
    [
        status(500, b"oops"),
        status(503, b"", retry_after="1"),
        status(429, b"slow down"),
        ok(json.dumps({"error": True, "message": "[Errno 2] No such file"}).encode()),
        ok(b"<html>starting up</html>"),
        ok(b""),
        close_at_once,
        reset,
        cut,
        no_http,
    ],
    ids=["500", "503", "429", "error-json", "html", "empty", "closed", "reset", "cut", "no-http"],
)
def test_a_fault_that_passes_is_tried_again(fault: Any) -> None:
    with server_at(each(fault, fault, healthy)) as server:
        (hits,) = client(server).search(["q"], 3)
    assert len(hits) == 3
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("fault", "kind", "said", "requests"),
    [
        (status(500, b"oops"), Unavailable, "answers 500: oops", 3),
        (ok(json.dumps({"error": "index is gone"}).encode()), BadResponse, "without 'topk'.*index is gone", 3),
        (ok(b"[1, 2]"), BadResponse, "without 'topk'", 3),
        (ok(b"\xff\xfe"), BadResponse, "no JSON", 3),
        (ok(b'{"topk": ' + b"[" * 100_000), BadResponse, "no JSON", 3),
        (ok(body({})), BadResponse, "'topk' is dict", 1),
        (ok(body(["text"])), BadResponse, r"topk\[0\] lacks 'everything'", 1),
        (ok(body([{"text": "t", "pid": 1}])), BadResponse, r"topk\[0\] lacks 'score'", 1),
        (ok(body([{"pid": 1, "score": 1.0}])), BadResponse, "lacks 'text'", 1),
        (ok(body([{"text": "t", "score": 1.0}])), BadResponse, "lacks 'pid'", 1),
        (ok(body([{"text": "t", "pid": 1, "score": "1"}])), BadResponse, "no number", 1),
        (ok(body([{"text": "t", "pid": 1, "score": float("nan")}])), BadResponse, "no number", 1),
        (ok(body([{"text": None, "pid": 1, "score": 1.0}])), BadResponse, "holds text 'None'", 1),
        (status(404, b"no such page"), Rejected, "answers 404: no such page", 1),
        (status(302, b"", Location="http://127.0.0.1:9/"), Rejected, "answers 302", 1),
        (bomb(), BadResponse, "larger than", 1),
    ],
)
def test_a_fault_that_stays_is_a_typed_error(fault: Any, kind: type[DSPError], said: str, requests: int) -> None:
    with server_at(each(fault)) as server, pytest.raises(kind, match=said):
        client(server).search(["q"], 3)
    assert len(server.seen) == requests


@pytest.mark.parametrize("fault", [silent, drip_headers])
def test_a_server_that_drips_meets_the_deadline(fault: Any) -> None:
    with server_at(each(fault)) as server:
        url = f"http://127.0.0.1:{server.port}/"
        began = time.monotonic()
        with pytest.raises(ProviderTimeout):
            ColBERTServer(url, patience=Patience(deadline=0.5, tries=3)).search(["q"], 3)
        assert time.monotonic() - began < 3
        assert server.seen


def test_where_nothing_listens_the_error_says_what_to_start() -> None:
    with server_at(each(healthy)) as server:
        url = f"http://127.0.0.1:{server.port}/api"
    with pytest.raises(Unavailable, match="start the search server or mend the address after colbert:"):
        ColBERTServer(url, patience=QUICK).search(["q"], 3)


def test_credentials_are_sent_and_shown_nowhere() -> None:
    with server_at(each(status(500, b"you said ann:geheim1"))) as server:
        time_ = Time()
        retriever = ColBERTServer(
            f"http://ann:geheim1@127.0.0.1:{server.port}/", patience=QUICK, clock=time_.clock, sleep=time_.sleep
        )
        with pytest.raises(Unavailable) as caught:
            retriever.search(["q"], 1)
        assert server.seen[0].headers["authorization"].startswith("Basic ")
    assert "geheim1" not in f"{caught.value} {retriever.name} {retriever.identity}"


@pytest.mark.parametrize("address", ["colbert:", "colbert:ftp://x/", "colbert:localhost", "colbert:http://x/?a=b"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError):
        open_index(address)


def test_a_search_is_for_at_least_one_passage() -> None:
    with server_at(each(healthy)) as server, pytest.raises(UsageError, match="at least 1"):
        client(server).search(["q"], 0)


def test_it_is_opened_by_name_and_replayed_like_any_index(home: Path) -> None:
    journal = Journal(home / "journal.sqlite3")
    with server_at(each(healthy)) as server:
        address = f"colbert:http://127.0.0.1:{server.port}/s"
        with using(retriever=address, lm=ScriptedLM([" It says so.", " 1858"]), journal=journal):
            assert [p.id for p in retrieve_fused(["q", "r"], k=1)] == ["7"]
            first = run("rationale_first", "When was the bridge built?", k=2)
    again = replay(journal.read(first.run))
    assert first.citations[0].passage.id == "7"
    assert first.index == address
    assert again.json() == first.json()
