"""Evaluated prompt beginnings on disk, against a server that only keeps what it is told to."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from dsp.lm import prefixes as module
from dsp.lm.prefixes import Prefixes

HEAD = "Answer.\n\nFollow the format.\n\n"


@dataclass
class Slot:
    """The server's one slot: what was evaluated into it, saved to and restored from files."""

    folder: Path
    address: str = ""
    holds: str = ""
    read: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    refuses: bool = False

    def evaluate(self, text: str) -> None:
        self.read.append(text)
        self.holds = text

    def do(self, action: str, name: str, key: str) -> int:
        self.asked.append(action)
        if key != "Bearer key" or self.refuses:
            return 401
        path = self.folder / name
        if action == "save":
            path.write_text(self.holds)
        else:
            self.holds = path.read_text()
        return 200


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[Slot]:
    kept = Slot(tmp_path / "prefixes")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (action,) = parse_qs(urlsplit(self.path).query)["action"]
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(kept.do(action, body["filename"], self.headers["Authorization"]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield kept
    server.shutdown()
    server.server_close()
    thread.join()


def process(slot: Slot, settings: str = "{}") -> Prefixes:
    """What a new process starts with."""
    slot.read.clear()
    slot.asked.clear()
    return Prefixes(slot.folder, settings, slot.address, "key")


def test_evaluated_once_then_restored_in_the_next_process(slot: Slot) -> None:
    first = process(slot)
    assert first.prepare(HEAD, slot.evaluate) is True
    assert first.prepare(HEAD, slot.evaluate) is False
    assert slot.read == [HEAD] and slot.asked == ["save"]
    second = process(slot)
    slot.holds = ""
    assert second.prepare(HEAD, slot.evaluate) is False
    assert slot.read == [] and slot.asked == ["restore"] and slot.holds == HEAD


def test_beginnings_that_take_turns_are_evaluated_once(slot: Slot) -> None:
    running, heads = process(slot), [f"Stage {i}." for i in range(module.MOST_SAVED)]
    for head in heads * 3:
        running.prepare(head, slot.evaluate)
        assert slot.holds == head
        slot.holds += " and what was asked behind it"
    assert slot.read == heads and slot.asked.count("restore") == 2 * len(heads)


def test_what_the_slot_begins_with_is_left_there_until_a_prompt_begins_otherwise(slot: Slot) -> None:
    running = process(slot)
    for head in (HEAD, HEAD, "", HEAD):
        running.prepare(head, slot.evaluate)
    assert slot.read == [HEAD] and slot.asked == ["save", "restore"]


def test_other_settings_share_nothing(slot: Slot) -> None:
    process(slot).prepare(HEAD, slot.evaluate)
    assert process(slot, '{"context": 2048}').prepare(HEAD, slot.evaluate) is True
    assert len(list(slot.folder.glob("*.state"))) == 2


def test_a_damaged_state_is_thrown_away_unread(slot: Slot) -> None:
    process(slot).prepare(HEAD, slot.evaluate)
    (state,) = slot.folder.glob("*.state")
    state.write_text("something else")
    assert process(slot).prepare(HEAD, slot.evaluate) is True
    assert slot.asked == ["save"] and slot.read == [HEAD]


def test_a_state_that_the_runtime_refuses_is_thrown_away(slot: Slot) -> None:
    process(slot).prepare(HEAD, slot.evaluate)
    running = process(slot)
    slot.refuses = True
    assert running.prepare(HEAD, slot.evaluate) is True
    assert slot.asked == ["restore", "save"] and not list(slot.folder.glob("*.state"))


def test_after_a_few_only_what_comes_again_is_saved(slot: Slot) -> None:
    running = process(slot)
    for i in range(module.MOST_SAVED + 4):
        running.prepare(f"Demonstration {i}.", slot.evaluate)
    assert len(list(slot.folder.glob("*.state"))) == module.MOST_SAVED == slot.asked.count("save")
    late = f"Demonstration {module.MOST_SAVED}."
    for head in (late, HEAD, late):
        running.prepare(head, slot.evaluate)
    assert slot.asked[-2:] == ["save", "restore"] and slot.holds == late


def test_the_longest_unused_states_go_first(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    process(slot).prepare(HEAD, slot.evaluate)
    (old,) = slot.folder.glob("*.state")
    os.utime(old, ns=(1, 1))
    monkeypatch.setattr(module, "MOST_BYTES", old.stat().st_size + 3)
    process(slot).prepare("Other.", slot.evaluate)
    (left,) = slot.folder.glob("*.state")
    assert left != old


@pytest.mark.parametrize("fault", ["refuses", "closed port", "no folder"])
def test_what_fails_costs_only_time(slot: Slot, fault: str, tmp_path: Path) -> None:
    running = process(slot)
    slot.refuses = fault == "refuses"
    if fault == "closed port":
        running = Prefixes(slot.folder, "{}", "http://127.0.0.1:1", "key")
    if fault == "no folder":
        (tmp_path / "prefixes").write_text("a file")
    running.prepare(HEAD, slot.evaluate)
    assert slot.read == [HEAD]
    assert not list(tmp_path.rglob("*.state")) and not list(tmp_path.rglob("*.new"))
