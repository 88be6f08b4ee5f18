"""Fetching papers from a real server on this machine that serves, fails, drips and lies."""

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from dsp.errors import StorageError
from dsp.index.corpus import Report, read_corpus
from dsp.index.download import Limits
from dsp.index.fetch import RECORD, Fetched, fetch_papers
from dsp.index.recipe import Paper, Recipe, Source
from tests.index.pdfs import pdf
from tests.index.servers import Answer, Server, in_turn, sends

QUICK = Limits(total_seconds=5, stall_seconds=1, tries=3, backoff_seconds=0.01, largest=100_000, pause_seconds=0)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


def fetch(server: Server, path: str, folder: Path, limits: Limits = QUICK) -> tuple[Fetched, list[tuple[str, str]]]:
    failures: list[tuple[str, str]] = []
    paper = Paper(name="one", url=server.url + path, title="One")
    return fetch_papers([paper], folder, lambda source, why: failures.append((source, why)), None, limits), failures


def unexpected(source: str, reason: str) -> None:
    raise AssertionError(f"{source}: {reason}")


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_paper_is_kept_with_where_it_came_from_and_not_fetched_twice(server: Server, tmp_path: Path) -> None:
    body = pdf("The retriever is ColBERTv2.")
    server.answers["/a"] = sends(body)
    told: list[tuple[str, int, int | None]] = []
    paper = Paper(name="one", url=server.url + "/a")
    fetched = fetch_papers([paper], tmp_path, unexpected, lambda *step: told.append(step), QUICK)
    assert fetched == Fetched(new=("one",), kept=())
    assert (tmp_path / "one.pdf").read_bytes() == body
    entry = json.loads((tmp_path / RECORD).read_text())["one.pdf"]
    assert entry["sha256"] == hashlib.sha256(body).hexdigest()
    assert entry["size"] == len(body) and entry["url"] == paper.url and entry["fetched"].endswith("+00:00")
    assert told[-1] == ("one", len(body), len(body))
    assert leftovers(tmp_path) == [RECORD, "one.pdf"]
    assert fetch_papers([paper], tmp_path, unexpected, None, QUICK) == Fetched(new=(), kept=("one",))
    assert server.asked["/a"] == 1


def test_a_paper_that_changed_on_disk_or_in_the_recipe_is_fetched_again(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = server.answers["/b"] = sends(pdf("Text."))
    fetch(server, "/a", tmp_path)
    damaged = bytearray((tmp_path / "one.pdf").read_bytes())
    damaged[20] ^= 1
    (tmp_path / "one.pdf").write_bytes(damaged)
    assert fetch(server, "/a", tmp_path)[0].new == ("one",)
    assert fetch(server, "/b", tmp_path)[0].new == ("one",)
    (tmp_path / RECORD).write_text("{ torn")
    assert fetch(server, "/b", tmp_path)[0].new == ("one",)
    assert server.asked == {"/a": 2, "/b": 2}


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_passing_fault_is_tried_again(server: Server, tmp_path: Path, status: int) -> None:
    server.answers["/a"] = in_turn(sends(b"busy", status, Retry_After="0"), sends(b"busy", status), sends(pdf("Text.")))
    assert fetch(server, "/a", tmp_path) == (Fetched(new=("one",), kept=()), [])
    assert server.asked["/a"] == 3


def test_a_connection_that_breaks_is_tried_again_from_the_start(server: Server, tmp_path: Path) -> None:
    body = pdf("Text.")
    server.answers["/a"] = in_turn(sends(body[:100], length=len(body)), sends(body))
    assert fetch(server, "/a", tmp_path)[0].new == ("one",)
    assert (tmp_path / "one.pdf").read_bytes() == body
    assert server.asked["/a"] == 2


@pytest.mark.parametrize(
    ("answer", "reason", "requests"),
    [
        (sends(b"oops", 500), "the server answered 500 (tried 3 times)", 3),
        (sends(b"gone", 404), "the server answered 404", 1),
        (sends(b"<html>captcha</html>"), "it is no PDF; it begins with b'<htm", 1),
        (sends(b""), "it is empty", 1),
        (sends(b"%P"), "it is no PDF; it is only b'%P'", 1),
        (sends(b"%PDF-" + bytes(100_000)), "the most that is fetched is 100000", 1),
        (sends(b"%PDF-", length=10**9), "it has 1000000000 bytes", 1),
        (sends(pdf("Text."), Content_Encoding="gzip"), "compressed", 1),
        (sends(b"", 302, Location="ftp://127.0.0.1/x"), "it leads to another host, 'ftp://", 1),
        (sends(b"", 302, Location="https://example.org/x"), "it leads to another host", 1),
        (sends(b"", 302, Location="http://169.254.169.254/x"), "it leads to another host", 1),
        (sends(b"", 302, Location="/a"), "more than 5 redirects", 5),
    ],
)
def test_a_paper_that_cannot_be_had_is_listed_and_leaves_nothing(
    server: Server, tmp_path: Path, answer: Answer, reason: str, requests: int
) -> None:
    server.answers["/a"] = answer
    fetched, failures = fetch(server, "/a", tmp_path)
    assert fetched == Fetched(new=(), kept=())
    assert [source for source, _ in failures] == ["fetched/one.pdf"]
    assert reason in failures[0][1]
    assert server.asked["/a"] == requests
    assert leftovers(tmp_path) == []


def test_a_body_of_unknown_length_is_cut_off_at_the_cap(server: Server, tmp_path: Path) -> None:
    sent = 0

    def endless(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"%PDF-")
        try:
            while sent < 50_000_000:
                sent += handler.wfile.write(bytes(10_000))
        except OSError:
            pass

    server.answers["/a"] = endless
    _, failures = fetch(server, "/a", tmp_path)
    assert "more than 100000 bytes" in failures[0][1]
    assert sent < 50_000_000


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", b""])
def test_a_slow_drip_of_body_or_head_ends_at_the_deadline(server: Server, tmp_path: Path, head: bytes) -> None:
    drops = 0

    def drip(handler: BaseHTTPRequestHandler) -> None:
        nonlocal drops
        handler.wfile.write(head)
        try:
            for byte in b"%PDF-" + bytes(200) if head else b"HTTP/1.0 200 OK\r\nX: " + b"y" * 200:
                handler.wfile.write(bytes([byte]))
                drops += 1
                time.sleep(0.05)
        except OSError:
            pass

    server.answers["/a"] = drip
    begun = time.monotonic()
    limits = Limits(total_seconds=1, stall_seconds=5, tries=3, backoff_seconds=0.01, largest=100_000)
    _, failures = fetch(server, "/a", tmp_path, limits)
    assert time.monotonic() - begun < 4
    assert "within 1 s" in failures[0][1]
    assert drops > 5
    assert leftovers(tmp_path) == []


def test_a_server_that_never_answers_is_given_up(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = lambda handler: time.sleep(1.5)
    limits = Limits(total_seconds=5, stall_seconds=0.2, tries=2, backoff_seconds=0.01)
    _, failures = fetch(server, "/a", tmp_path, limits)
    assert "no answer in time (tried 2 times)" in failures[0][1]
    until = time.monotonic() + 10
    while server.asked["/a"] < 2 and time.monotonic() < until:  # the client may be done before the server has read
        time.sleep(0.01)
    assert server.asked["/a"] == 2


def test_a_closed_port_is_listed(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a"
    failures: list[str] = []
    fetch_papers([Paper(name="one", url=url)], tmp_path, lambda _, why: failures.append(why), None, QUICK)
    assert "refused" in failures[0] and "(tried 3 times)" in failures[0]


def test_a_redirect_to_another_origin_on_this_machine_is_refused(server: Server, tmp_path: Path) -> None:
    other = Server()
    other.answers["/x"] = sends(pdf("Text."))
    server.answers["/a"] = sends(b"", 302, Location=other.url + "/x")
    _, failures = fetch(server, "/a", tmp_path)
    other.http.shutdown()
    other.http.server_close()
    assert "it leads to another host" in failures[0][1]
    assert not other.asked


def test_a_redirect_within_the_origin_is_followed(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = sends(b"", 301, Location="/b?v=2")
    server.answers["/b?v=2"] = sends(pdf("Text."))
    assert fetch(server, "/a", tmp_path)[0].new == ("one",)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.pdf",
        "ftp://example.org/a.pdf",
        "file:///etc/passwd",
        "https:///a.pdf",
        "https://user:secret@example.org/a.pdf",
        "https://example.org:port/a.pdf",
        "https://example.org/a b.pdf",
        "https://example.org/a\r\nHost: x",
        "no address at all",
    ],
)
def test_addresses_that_are_not_fetched(tmp_path: Path, url: str) -> None:
    failures: list[str] = []
    fetch_papers([Paper(name="one", url=url)], tmp_path, lambda _, why: failures.append(why), None, QUICK)
    assert len(failures) == 1 and "tried" not in failures[0]


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "127.0.0.1", "::ffff:192.168.0.1", "fd00::1"])
def test_a_host_in_a_private_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    asked: list[str] = []

    def resolve(host: str, *rest: object, **more: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        asked.append(host)
        return [(0, 0, 0, "", (address, 443))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    failures: list[str] = []
    paper = Paper(name="one", url="https://inside.example/a.pdf")
    fetch_papers([paper], tmp_path, lambda _, why: failures.append(why), None, QUICK)
    assert asked == ["inside.example"]
    assert "not a public address" in failures[0]


def test_a_folder_that_cannot_be_written_is_a_storage_error(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = sends(pdf("Text."))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        fetch(server, "/a", tmp_path / "file")


def test_fetched_papers_are_read_beside_the_dossiers_and_a_failed_one_next_time(server: Server, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n\nA dossier of the paper.\n")
    server.answers["/good"] = sends(pdf("First page.", "The retriever is ColBERTv2."))
    server.answers["/bad"] = in_turn(*[sends(b"", 500)] * 3, sends(pdf("The other paper.")))
    recipe = Recipe(
        name="small",
        folder=tmp_path,
        sources=(Source(path="notes.md"),),
        papers=(
            Paper(name="good", url=server.url + "/good", title="A Good Paper"),
            Paper(name="bad", url=server.url + "/bad"),
        ),
    )
    folder = tmp_path / "home" / "fetched"
    report = Report()
    fetch_papers(recipe.papers, folder, report.fail, None, QUICK)
    first = recipe.with_papers(folder)
    found = {passage.id: passage for passage in read_corpus(first, report)}
    assert [failure.source for failure in report.failures] == ["fetched/bad.pdf"]
    passage = found["fetched/good.pdf#2"]
    assert (passage.title, passage.page) == ("A Good Paper", 2)
    assert passage.text == "The retriever is ColBERTv2."
    again = Report()
    fetch_papers(recipe.papers, folder, again.fail, None, QUICK)
    second = recipe.with_papers(folder)
    assert not again.failures
    assert len({recipe.fingerprint, first.fingerprint, second.fingerprint}) == 3
    assert "fetched/bad.pdf#1" in {passage.id for passage in read_corpus(second, again)}
    assert server.asked == {"/good": 1, "/bad": 4}
