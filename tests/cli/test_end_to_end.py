"""The real doors behind the commands: a folder of mixed documents, its index, questions, damage, repair."""

import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shared import Command
from tests.index.pdfs import pdf

MOON = "The survey vessel Halcyon mapped the Orrin trench in 1987."
QUESTION = "Which vessel mapped the Orrin trench?"


@pytest.fixture
def corpus(place: Path) -> Path:
    """Markdown, a PDF of two pages, HTML, CSV, and a PDF that is broken."""
    folder = place / "notes"
    folder.mkdir()
    (folder / "tea.md").write_text("# Tea\n\nThe tea house in Varn serves smoked tea. It opened in 1921.\n", "utf-8")
    (folder / "trench.pdf").write_bytes(pdf("This page is about the weather.", MOON, title="Trenches"))
    (folder / "bridge.html").write_text("<title>Bridges</title><p>The Alder bridge is 48 metres long.</p>", "utf-8")
    (folder / "rows.csv").write_text("title,text\nKites,The red kite nests in oak trees.\n", encoding="utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 and no more")
    return folder


@pytest.fixture
def built(dsp: Command, corpus: Path) -> Path:
    """The folder, indexed as `mine`."""
    assert dsp("index", "build", "./notes", "--name", "mine").code == 6
    return corpus


def test_a_folder_is_indexed_and_what_failed_is_listed(dsp: Command, corpus: Path) -> None:
    done = dsp("index", "build", "./notes", "--name", "mine")
    assert done.code == 6
    assert done.out == "The index mine holds 4 documents, 5 passages (5 newly encoded).\n"
    assert "  broken.pdf: " in done.err
    assert done.error.startswith("Error: 1 of the documents or lines could not be read")
    (corpus / "broken.pdf").write_bytes(pdf("Mended at last."))
    again = dsp("index", "build", "./notes", "--name", "mine", "--json")
    assert again.code == 0
    assert (again.json["documents"], again.json["encoded"], again.json["failures"]) == (5, 1, [])
    assert "is as its documents are" in dsp("index", "build", "./notes", "--name", "mine").out


def test_questions_are_answered_with_pages(dsp: Command, built: Path) -> None:
    done = dsp("ask", "--index", "mine", "--lm", "extractive", "--strict", QUESTION)
    assert done.code == 0, done.err
    assert MOON.rstrip(".") in done.out
    assert "Trenches — trench.pdf, p. 2\n" in done.out
    document = dsp("ask", "--index", "mine", "--lm", "extractive", "--json", QUESTION)
    subprocess.run([sys.executable, "-m", "json.tool"], input=document.out.encode(), check=True, capture_output=True)
    (citation, *_) = document.json["citations"]
    assert (citation["source"], citation["page"], citation["verdict"]) == ("trench.pdf", 2, "found")
    replayed = dsp("replay", document.json["run"], "--json")
    assert replayed.out == document.out


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_search_in_every_mode(mode: str, dsp: Command, built: Path) -> None:
    hits = dsp("search", "--index", "mine", "--mode", mode, "-k", "2", "--json", "the smoked tea in Varn").json["hits"]
    assert (hits[0]["rank"], hits[0]["source"]) == (1, "tea.md")
    assert len(hits) <= 2
    assert "1. Tea — tea.md" in dsp("search", "--index", "mine", "--mode", mode, "smoked tea in Varn").out


def test_a_damaged_index_is_refused_and_mended(dsp: Command, built: Path, home: Path) -> None:
    assert dsp("index", "verify", "mine").code == 0
    (vectors,) = (home / "indexes" / "mine").glob("gen-*/vectors.faiss")
    data = bytearray(vectors.read_bytes())
    data[len(data) // 2] ^= 1
    vectors.chmod(0o600)
    vectors.write_bytes(data)
    for command in (
        ("index", "verify", "mine"),
        ("search", "--index", "mine", "tea"),
        ("ask", "--index", "mine", "--lm", "extractive", "tea?"),
    ):
        done = dsp(*command)
        assert done.code == 3, done.err
        assert "vectors.faiss" in done.error
        assert done.out == ""
    assert "PROBLEM  indexes" in dsp("doctor").out
    assert dsp("index", "build", "./notes", "--name", "mine").code == 6
    assert dsp("index", "verify", "mine").code == 0


def test_info_and_removal(dsp: Command, built: Path) -> None:
    info = dsp("index", "info", "mine").out
    assert "documents     4" in info
    assert "broken.pdf" in info
    assert dsp("index", "info", "mine", "--json").json["passages"] == 5
    assert re.search(r"^mine +built ", dsp("index", "list").out, re.MULTILINE)
    assert dsp("index", "remove", "mine").code == 0
    assert dsp("index", "info", "mine").code == 2


def test_a_folder_is_searched_by_its_path(dsp: Command, corpus: Path) -> None:
    (corpus / "broken.pdf").unlink()
    assert dsp("index", "build", "./notes").code == 0
    found = dsp("search", "--index", "./notes", "kites nest where", "-k", "1")
    assert "Kites — rows.csv" in found.out
    assert found.err == "", "the index was built again"


@pytest.fixture
def papers() -> Iterator[str]:
    """A server with one paper, and one that it does not have."""

    class Shelf(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/moon.pdf"
            body = pdf("Nothing here.", MOON) if found else b"gone"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shelf)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_papers_are_fetched_when_asked_for(dsp: Command, corpus: Path, papers: str) -> None:
    (corpus / "broken.pdf").unlink()
    recipe = "\n".join(
        ['sources = ["."]']
        + [f'[[papers]]\nname = "{n}"\ntitle = "T {n}"\nurl = "{papers}/{n}.pdf"' for n in ("moon", "gone")]
    )
    (corpus / "index.toml").write_text(recipe, encoding="utf-8")
    assert dsp("index", "build", "./notes/index.toml", "--name", "lit").code == 0
    assert "T moon" not in dsp("search", "--index", "lit", QUESTION).out
    done = dsp("index", "build", "./notes/index.toml", "--name", "lit", "--with-papers", "--json")
    assert done.code == 6
    assert done.json["documents"] == 5
    (failure,) = done.json["failures"]
    assert "gone.pdf" in failure["source"]
    assert "404" in failure["reason"]
    assert "T moon — fetched/moon.pdf, p. 2" in dsp("search", "--index", "lit", QUESTION).out


@pytest.mark.model
def test_the_embedded_model_answers(
    dsp: Command, corpus: Path, home: Path, model_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (model_home / "models").is_dir():
        pytest.skip("no model is pulled: dsp models pull")
    home.mkdir(mode=0o700)
    (home / "models").symlink_to(model_home / "models")
    dsp("index", "build", "./notes", "--name", "mine")
    done = dsp("ask", "--index", "mine", "--json", QUESTION)
    assert done.code == 0, done.err
    assert "Halcyon" in done.json["answer"]
    assert done.json["lm"].startswith("embedded:")
    assert done.json["tokens"] > 0
    (citation, *_) = done.json["citations"]
    assert (citation["page"], citation["verdict"]) == (2, "found")
    assert json.loads(dsp("replay", "last", "--json").out) == done.json
    no_call = dsp("ask", "--index", "mine", "--no-call", "--show-prompt", QUESTION)
    assert MOON in no_call.out
