import re
from pathlib import Path

import pytest

from dsp.lm.protocol import Request
from dsp.record.journal import Journal
from dsp.testing import ScriptedLM
from tests.cli.shared import PASSAGES, QUESTION, Command, Fakes


def test_an_answer_with_its_sources(dsp: Command, fakes: Fakes) -> None:
    done = dsp("ask", QUESTION)
    assert done.code == 0
    assert done.err == ""
    shown = re.sub(r"\d\.\d s · \d+ tokens · run \w{12}", "0.0 s · 9 tokens · run ID", done.out)
    assert shown == (
        "ColBERTv2 [1]\n"
        "\n"
        "Sources:\n"
        "  [1] Demonstrate-Search-Predict — papers/03-dsp.md, p. 3\n"
        "      “ColBERTv2 is the retrieval model of the experiments.”\n"
        "      found\n"
        "\n"
        "./reader.py · fixed · scripted · 0.0 s · 9 tokens · run ID\n"
    )


def test_the_json_document(dsp: Command, fakes: Fakes) -> None:
    done = dsp("ask", "--json", QUESTION)
    assert (done.code, done.err) == (0, "")
    document = done.json
    assert list(document) == [
        "question", "answer", "supported", "verified", "citations", "run", "seconds", "tokens", "program", "index",
        "lm", "stages",
    ]  # fmt: skip
    (citation,) = document["citations"]
    assert {"passage", "source", "title", "page", "quote", "start", "end", "hop", "query", "verdict"} <= set(citation)
    assert PASSAGES[0].text[citation["start"] : citation["end"]] == citation["quote"]
    assert (citation["verdict"], citation["hop"], citation["query"]) == ("found", 1, QUESTION)
    assert (document["program"], document["index"], document["lm"]) == ("./reader.py", "fixed", "scripted")


def test_the_question_comes_from_standard_input(dsp: Command, fakes: Fakes) -> None:
    dsp("ask", "-", stdin=f"\n{QUESTION}\n检索\n".encode())
    assert fakes.retriever.queries == [f"{QUESTION}\n检索"]


def test_an_unsupported_answer_says_so(dsp: Command, fakes: Fakes) -> None:
    fakes.lm = ScriptedLM(["Paris"])
    done = dsp("ask", QUESTION)
    assert done.code == 0
    assert "Unsupported: no quoted passage holds all of this answer" in done.out


def test_strict_needs_a_found_quote(dsp: Command, fakes: Fakes) -> None:
    assert dsp("ask", "--strict", QUESTION).code == 0
    fakes.lm = ScriptedLM(lambda request: "Paris")
    done = dsp("ask", "--strict", "Where is it?")
    assert done.code == 1
    assert done.error.startswith("Error: --strict: a claim of the answer has no quote that was found")
    assert "Paris" in done.out
    document = dsp("ask", "--strict", "--json", "Where is it?")
    assert (document.code, document.json["answer"]) == (1, "Paris")


def test_markers_of_passages_that_were_not_read(dsp: Command, fakes: Fakes) -> None:
    fakes.lm = ScriptedLM(["ColBERTv2 [7]"])
    done = dsp("ask", QUESTION)
    assert "[7] not found: the program read no passage of this number" in done.out


def test_the_trace_shows_each_crossing(dsp: Command, fakes: Fakes) -> None:
    done = dsp("ask", "--trace", QUESTION)
    trace = done.out[done.out.index("1. search") :]
    assert trace.startswith(f"1. search “{QUESTION}” k=4 · 2 hits · ")
    assert "papers/02-watermark.md#1  Watermarks" in trace
    assert "2. LM, stage answer prompt " in trace
    assert "→ ColBERTv2" in trace
    crossings = dsp("ask", "--trace", "--json", QUESTION).json["trace"]
    assert [(c["door"], c["cached"]) for c in crossings] == [("retriever", False), ("lm", True)]
    assert crossings[1]["replies"][0]["text"] == "ColBERTv2"


def test_the_prompt_is_shown(dsp: Command, fakes: Fakes) -> None:
    done = dsp("ask", "--show-prompt", QUESTION)
    assert isinstance(fakes.lm, ScriptedLM)
    assert fakes.lm.requests[0].prompt in done.out
    assert "ColBERTv2 [1]" in done.out


@pytest.mark.parametrize("style", ["text", "chat"])
def test_no_call_renders_and_stops(style: str, dsp: Command, fakes: Fakes, home: Path) -> None:
    def never(request: Request) -> str:
        raise AssertionError("the LM was asked")

    fakes.lm = ScriptedLM(never, style="chat" if style == "chat" else "text")
    done = dsp("ask", "--show-prompt", "--no-call", QUESTION)
    assert (done.code, done.err) == (0, "")
    assert "ColBERTv2 is the retrieval model" in done.out
    assert ("[system]" in done.out) == (style == "chat")
    document = dsp("ask", "--no-call", "--json", QUESTION).json
    assert document["stage"] == "answer"
    assert ("messages" in document) == (style == "chat")
    assert not Journal(home / "journal.sqlite3").path.exists()


def test_no_call_of_a_program_that_asks_nobody(dsp: Command, fakes: Fakes, place: Path) -> None:
    (place / "mute.py").write_text(
        "from dsp import Example\ndef mute(question: str) -> Example:\n    return Example(answer='42')\n", "utf-8"
    )
    done = dsp("ask", "--no-call", "--program", "./mute.py", QUESTION)
    assert (done.code, done.out) == (0, "")
    assert done.err == "The program ./mute.py asked no language model.\n"


def test_parameters_reach_the_program(dsp: Command, fakes: Fakes) -> None:
    dsp("ask", "-p", "multihop", "--set", "hops=1", "--k", "1", QUESTION)
    one_hop = len(fakes.retriever.queries)
    dsp("ask", "-p", "multihop", "--set", "hops=3", "--k", "1", QUESTION)
    assert len(fakes.retriever.queries) - one_hop > one_hop
    (search, *_) = dsp("ask", "--k", "1", "--trace", "--json", QUESTION).json["trace"]
    assert search["request"]["k"] == 1


def test_a_k_of_a_file_is_no_demand(dsp: Command, fakes: Fakes, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DSP_PROGRAM")
    (place / "dsp.toml").write_text('k = 1\nprogram = "closed_book"', encoding="utf-8")
    assert dsp("ask", QUESTION).code == 0
    (search, *_) = dsp("ask", "-p", "./reader.py", "--trace", "--json", QUESTION).json["trace"]
    assert search["request"]["k"] == 1
    refused = dsp("ask", "--k", "2", QUESTION)
    assert refused.code == 2
    assert "no parameter of closed_book is called 'k'" in refused.error


def test_a_program_that_a_project_file_names_is_announced(
    dsp: Command, fakes: Fakes, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DSP_PROGRAM")
    (place / "mute.py").write_text(
        "from dsp import Example\ndef mute(question: str) -> Example:\n    return Example(answer='42')\n", "utf-8"
    )
    (place / "dsp.toml").write_text('program = "./mute.py"', encoding="utf-8")
    assert "Note: running ./mute.py, which dsp.toml names." in dsp("ask", QUESTION).err
    assert dsp("ask", "-p", "./mute.py", QUESTION).err == ""


def test_what_a_program_prints_stays_out_of_the_document(dsp: Command, fakes: Fakes, place: Path) -> None:
    (place / "loud.py").write_text(
        "from dsp import Example\n"
        "def loud(question: str) -> Example:\n    print('noise')\n    return Example(answer='x')\n",
        "utf-8",
    )
    done = dsp("ask", "--json", "-p", "./loud.py", QUESTION)
    assert done.json["answer"] == "x"
    assert "noise" in done.err


def test_a_question_is_answered_from_the_record(dsp: Command, fakes: Fakes) -> None:
    dsp("ask", QUESTION)
    again = dsp("ask", "--json", QUESTION)
    assert isinstance(fakes.lm, ScriptedLM)
    assert len(fakes.lm.requests) == 1
    assert again.json["tokens"] == 0


def test_extracts_are_labelled(dsp: Command, fakes: Fakes) -> None:
    fakes.lm = ScriptedLM(["ColBERTv2 is the retrieval model of the experiments."], name="extractive")
    assert dsp("ask", QUESTION).out.startswith("Extract (sentences of the passages; no language model was asked):\n")
