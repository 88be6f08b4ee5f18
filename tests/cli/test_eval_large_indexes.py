import json
from pathlib import Path

from tests.cli.shared import READER, Command

PASSAGES = """id	text	title
1	"Aaron is a prophet, the ""brother"" of Moses."	Aaron
2	Paris is the capital of France.	Paris
"""


def questions(place: Path) -> None:
    (place / "reader.py").write_text(READER, encoding="utf-8")
    row = {"id": "a", "question": "What is the capital of France?", "answers": ["Paris"]}
    (place / "dev.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")


def test_a_large_index_is_not_built_by_surprise(dsp: Command, place: Path, home: Path) -> None:
    questions(place)
    done = dsp("eval", "hotpotqa", "--data", "dev.jsonl", "-p", "./reader.py", "--lm", "extractive")
    assert done.code == 2
    assert "5,233,329 passages (1.6 GB of text, licence CC BY-SA 4.0): about 13." in done.error
    assert "dsp index build wiki_abstracts_2017" in done.error
    assert not (home / "indexes" / "wiki_abstracts_2017").exists()
    assert dsp("search", "Paris", "--index", "wiki_abstracts_2017").code == 2
    assert "dsp index build wiki_abstracts_2017" in dsp("list").out


def test_passages_of_100_words_are_indexed_under_the_name_that_the_benchmark_wants(
    dsp: Command, place: Path, home: Path
) -> None:
    """A file as DPR publishes it: tab-separated id, text, title; each row stays one passage."""
    questions(place)
    asked = ("eval", "open_squad", "--data", "dev.jsonl", "-p", "./reader.py", "--lm", "extractive", "--json")
    missing = dsp(*asked)
    assert missing.code == 2
    assert "dsp index build FILE --name wiki_passages_2016" in missing.error
    (place / "psgs_w100.tsv").write_text(PASSAGES, encoding="utf-8")
    assert dsp("index", "build", "psgs_w100.tsv", "--name", "wiki_passages_2016").code == 0
    done = dsp(*asked)
    assert done.code == 0, done.err
    assert done.json["retriever"]["name"] == "wiki_passages_2016"
    assert done.json["programs"][0]["scores"]["passage_match"]["mean"] == 1.0
    found = dsp("search", "prophet brother of Moses", "--index", "wiki_passages_2016", "--json")
    assert found.code == 0
    assert 'Aaron is a prophet, the \\"brother\\" of Moses.' in found.out
