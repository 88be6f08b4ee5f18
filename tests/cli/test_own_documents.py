"""From a user's own documents to a cited answer, with the real encoder, FAISS and a real server."""

from pathlib import Path

from tests.cli.shared import Command
from tests.index.pdfs import pdf
from tests.index.servers import Server, in_turn, sends


def mixed(folder: Path) -> None:
    folder.mkdir()
    (folder / "castle.md").write_text("---\nauthor: D. Gregory\n---\n# Kinnairdy Castle\n\nIt stands on a bend.\n")
    pages = ("The castle was built in the 1420s.", "Kinnairdy Castle has five storeys and a tower.")
    (folder / "survey.pdf").write_bytes(pdf(*pages, title="A Survey of Castles"))
    (folder / "visit.html").write_text("<title>Visits</title><script>x()</script><p>The door opens at nine.")
    (folder / "keepers.csv").write_text("keeper,since\nAnna Innes,1647\n")
    (folder / "torn.pdf").write_bytes(pdf("Lost words.")[:150])


def test_a_folder_of_mixed_documents_is_indexed_asked_and_cited_and_the_broken_one_listed(
    dsp: Command, place: Path
) -> None:
    mixed(place / "docs")
    built = dsp("index", "build", "./docs", "--name", "castles", "--json")
    assert built.code == 6
    report = built.json
    assert (report["documents"], report["failed"]) == (4, 1)
    assert [(f["source"], f["line"]) for f in report["failures"]] == [("torn.pdf", None)]
    assert "a broken PDF" in report["failures"][0]["reason"] and "torn.pdf: a broken PDF" in built.err

    asked = dsp("ask", "--lm", "extractive", "--index", "castles", "--json", "How many storeys has Kinnairdy Castle?")
    assert asked.code == 0
    (first, *_) = asked.json["citations"]
    found = (first["source"], first["page"], first["title"], first["verdict"])
    assert found == ("survey.pdf", 2, "A Survey of Castles", "found")
    assert "five storeys" in first["quote"]
    for query, source in (
        ("Who is keeper since 1647?", "keepers.csv:2"),
        ("When does the door open?", "visit.html"),
        ("author", "castle.md"),
    ):
        hits = dsp("search", query, "--index", "castles", "-k", "1", "--json").json["hits"]
        assert hits[0]["source"] == source

    (place / "docs" / "torn.pdf").write_bytes(pdf("Lost words."))
    again = dsp("index", "build", "castles", "--json")
    assert (again.code, again.json["documents"], again.json["encoded"]) == (0, 5, 1)


def test_papers_of_a_recipe_are_fetched_indexed_and_the_failed_one_tried_again(dsp: Command, place: Path) -> None:
    server = Server()
    server.answers["/good"] = sends(pdf("An abstract.", "The retriever is ColBERTv2."))
    server.answers["/bad"] = in_turn(sends(b"gone", 404), sends(pdf("The other paper.")))
    (place / "notes.md").write_text("# Notes\n\nA dossier.\n")
    (place / "index.toml").write_text(
        f'sources = ["notes.md"]\n[[papers]]\nname = "good"\ntitle = "A Good Paper"\nurl = "{server.url}/good"\n'
        f'[[papers]]\nname = "bad"\nurl = "{server.url}/bad"\n'
    )
    try:
        assert dsp("index", "build", "index.toml", "--name", "own", "--json").code == 0
        assert not server.asked
        first = dsp("index", "build", "index.toml", "--name", "own", "--with-papers", "--json")
        second = dsp("index", "build", "index.toml", "--name", "own", "--with-papers", "--json")
    finally:
        server.http.shutdown()
        server.http.server_close()
    assert first.code == 6
    assert [f["source"] for f in first.json["failures"]] == ["fetched/bad.pdf"]
    assert "the server answered 404" in first.json["failures"][0]["reason"]
    assert (second.code, second.json["documents"]) == (0, 3)
    assert server.asked == {"/good": 1, "/bad": 2}
    hits = dsp("search", "which retriever", "--index", "own", "-k", "1", "--json").json["hits"]
    passage = hits[0]
    assert (passage["source"], passage["page"], passage["title"]) == ("fetched/good.pdf", 2, "A Good Paper")
