"""Benchmarks: what is on the shelf, what the hub's sets look like when loaded, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from dsp.catalog import names
from dsp.errors import UnknownName, UsageError
from dsp.evaluation.benchmark import Benchmark, check_gold, document_id, load_benchmark
from dsp.evaluation.metrics import find_metric
from dsp.evaluation.questions import choose, fingerprint
from dsp.index.corpus import Report, read_corpus
from dsp.types import Example, Passage
from tests.evaluation import hub

SHELF = (
    "2wikimultihopqa bamboogle cmrc2018 digest digest_conversations hotpotqa hotpotqa_distractor musique nq_open "
    "open_squad qrecc scifact triviaqa xquad_en xquad_zh"
).split()
HUB = [name for name in SHELF if not name.startswith("digest")]


def test_the_shelf_holds_what_the_table_says() -> None:
    assert names("eval") == SHELF
    page = (Path(__file__).parents[2] / "eval" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in SHELF)


@pytest.mark.parametrize("name", SHELF)
def test_every_benchmark_has_metrics_that_its_questions_can_feed(name: str) -> None:
    layout = load_benchmark(name).layout
    offered = {"prediction", "ranking", "passages", "citations", "cited_answer"}
    offered |= {"answers"} if layout.columns.answers else set()
    offered |= {"gold"} if layout.columns.gold or layout.pool or layout.judgements else set()
    offered |= {"history"} if layout.columns.history or layout.columns.conversation else set()
    for metric in layout.metrics:
        assert set(find_metric(metric).needs) <= offered, metric


@pytest.fixture
def hub_set(request: pytest.FixtureRequest, tmp_path: Path) -> Benchmark:
    """The benchmark that the test is named for, loaded by `datasets` from a small copy of its set."""
    folder = tmp_path / "hub"
    hub.make(request.param, folder)
    return hub.from_folder(load_benchmark(request.param), folder)


@pytest.mark.parametrize("hub_set", HUB, indirect=True)
def test_hub_sets_load(hub_set: Benchmark) -> None:
    found = hub_set.questions()
    assert found
    for question in found:
        assert question.id and question.question
        assert question.get("answers") or question.get("gold")
    assert len({q.id for q in found}) == len(found)


@pytest.mark.parametrize("hub_set", ["hotpotqa_distractor"], indirect=True)
def test_hotpotqa_distractor(hub_set: Benchmark, tmp_path: Path) -> None:
    one, two = hub_set.questions("dev")
    assert (one.id, one.answers, one.type) == ("5a1", ("Kinnairdy Castle",), "bridge")
    assert one.facts == (("Heir", 0), ("Castle", 1))
    pool = {p.id: p for p in hub_set.corpus("dev")}
    assert len(pool) == 4  # two paragraphs are shared
    assert [pool[name].title for name in one.gold] == ["Heir", "Castle"]
    castle = pool[one.gold[1]]
    assert castle.text == "It is old. It has five storeys."
    assert [castle.text[at:][:3] for at in castle.sentences] == ["It ", "It "]
    recipe = hub_set.recipe(tmp_path / "corpus", "dev")
    assert recipe is not None
    passages = list(read_corpus(recipe, Report()))
    assert {document_id(p) for p in passages} == set(pool)
    check_gold([one, two], {document_id(p) for p in passages})


@pytest.mark.parametrize("hub_set", ["hotpotqa"], indirect=True)
def test_hotpotqa_fullwiki_asks_a_named_index_by_title(hub_set: Benchmark, tmp_path: Path) -> None:
    one, _ = hub_set.questions()
    assert one.gold == ("Heir", "Castle")
    assert hub_set.recipe(tmp_path) is None
    with pytest.raises(UsageError, match="asked over the index wiki_abstracts_2017"):
        next(hub_set.corpus())


@pytest.mark.parametrize("hub_set", ["2wikimultihopqa"], indirect=True)
def test_sentences_without_blanks_are_joined_with_one(hub_set: Benchmark) -> None:
    texts = {p.title: p.text for p in hub_set.corpus()}
    assert texts["Heir"] == "He was rich. He had it."


@pytest.mark.parametrize("hub_set", ["musique"], indirect=True)
def test_musique_counts_aliases_and_flags_support(hub_set: Benchmark) -> None:
    (question,) = hub_set.questions("dev")
    assert question.answers == ("Stanley", "Stanley, ND")
    pool = {p.id: p.title for p in hub_set.corpus("dev")}
    assert [pool[name] for name in question.gold] == ["Van Hook", "Mountrail"]


@pytest.mark.parametrize("hub_set", ["xquad_en"], indirect=True)
def test_questions_beside_a_paragraph_have_it_as_gold(hub_set: Benchmark) -> None:
    one, two = hub_set.questions()
    assert one.answers == ("308", "about 308")
    assert one.gold == two.gold and len(one.gold) == 1
    assert {p.id for p in hub_set.corpus()} == set(one.gold)


@pytest.mark.parametrize("hub_set", ["nq_open"], indirect=True)
def test_rows_without_an_id_are_numbered(hub_set: Benchmark) -> None:
    assert [q.id for q in hub_set.questions("dev")] == [f"nq_open-dev-0000{n}" for n in (1, 2, 3)]
    assert hub_set.questions()[0].answers == ("Röntgen", "Wilhelm Röntgen")


@pytest.mark.parametrize("hub_set", ["triviaqa"], indirect=True)
def test_trivia_answers_are_the_aliases(hub_set: Benchmark) -> None:
    assert hub_set.questions()[0].answers == ("Seville", "David Seville")


@pytest.mark.parametrize("hub_set", ["qrecc"], indirect=True)
def test_qrecc_is_cut_as_in_the_paper(hub_set: Benchmark) -> None:
    first, third = hub_set.questions()
    assert (first.id, first.question, "history" in first) == ("1-1", "What happened to Ice in 1985?", False)
    assert (third.id, third.question) == ("1-3", "Did he win?")
    assert third.history == ("What happened?", "He raced.", "And then?", "")


@pytest.mark.parametrize("hub_set", ["scifact"], indirect=True)
def test_judgements_choose_the_questions_and_grade_the_passages(hub_set: Benchmark, tmp_path: Path) -> None:
    assert [(q.id, dict(q.gold)) for q in hub_set.questions("test")] == [("1", {"d1": 1, "d2": 2}), ("3", {"d0": 1})]
    assert [q.id for q in hub_set.questions("train")] == ["0"]
    recipe = hub_set.recipe(tmp_path)
    assert recipe is not None
    assert {document_id(p) for p in read_corpus(recipe, Report())} == {"d0", "d1", "d2"}


def written(folder: Path, toml: str, **files: list[dict[str, Any]]) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "benchmark.toml").write_text(toml, encoding="utf-8")
    for name, rows in files.items():
        hub.jsonl(folder / f"{name}.jsonl", rows)
    return str(folder)


MINE = """
description = "mine"
index = "digest"
metrics = ["f1"]
splits.dev.source = "dev.jsonl"
questions.id = "id"
"""
GOOD = [{"id": str(n), "question": f"q{n}?", "answers": [f"a{n}"]} for n in range(50)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "1"}, "the id 1 comes twice"),
        ({"question": "Q1 ?  "}, None),
        ({"question": "Q1?"}, "1 and x ask the same"),
        ({"question": "  "}, "question x is empty"),
        ({"answers": []}, "question x has no gold answer"),
        ({"answers": ["", " "]}, "question x has no gold answer"),
        ({"answers": None}, "question x has no gold answer"),
        ({"answers": "one"}, None),
        ({"answers": [3, "three"]}, None),
        ({"answers": {"text": "a"}}, "expected text or a list of texts; found dict"),
    ],
)
def test_bad_questions_are_named(tmp_path: Path, change: dict[str, Any], message: str | None) -> None:
    row = {"id": "x", "question": "another?", "answers": ["a"], **change}
    benchmark = load_benchmark(written(tmp_path / "mine", MINE, dev=[*GOOD, row]))
    if message is None:
        assert len(benchmark.questions()) == 51
        return
    with pytest.raises(UsageError, match=message):
        benchmark.questions()


def test_missing_columns_name_the_row(tmp_path: Path) -> None:
    benchmark = load_benchmark(
        written(tmp_path / "mine", MINE, dev=[*GOOD, {"id": "x", "question": "?", "answer": "a"}])
    )
    with pytest.raises(UsageError, match=r"row 51: there is no column 'answers'. Did you mean 'answer'"):
        benchmark.questions()


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (MINE.replace('["f1"]', '["f2"]'), "no metric is called 'f2'"),
        (MINE.replace('["f1"]', "[]"), "metrics is missing or empty"),
        (MINE.replace('index = "digest"', ""), "exactly one of index"),
        (MINE + '[pool]\ntext = "text"', "exactly one of index"),
        (MINE.replace("splits.dev", "splits.validation"), "one of the splits train, dev, test"),
        (MINE.replace("splits.dev.source", "split"), "splits is missing|unknown key"),
        (MINE.replace('"dev.jsonl"', '"hf:some/set"'), "splits.dev.revision must be the 40 hex digits"),
        (MINE + "questions.answers = []", "neither answers nor gold"),
        (MINE + 'questions.opening = "r"', "needs questions.turn"),
        (MINE + 'questions.answer = "a"', "unknown key questions.answer. Did you mean questions.answers"),
        (MINE + 'keep.duplicates = "maybe"', "one of yes, no"),
        ("description = 3", "metrics is missing"),
    ],
)
def test_a_wrong_layout_names_the_key(tmp_path: Path, toml: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_benchmark(written(tmp_path / "mine", toml, dev=GOOD))


def test_names_and_paths() -> None:
    with pytest.raises(UnknownName, match=r"no benchmark is called 'hotpot'\. Did you mean 'hotpotqa'"):
        load_benchmark("hotpot")
    with pytest.raises(UsageError, match=r"there is no benchmark \./nothing"):
        load_benchmark("./nothing")
    with pytest.raises(UsageError, match="digest has no split 'dev'; there are: train, test"):
        load_benchmark("digest").questions("dev")


def test_drawing_is_seeded_nested_and_in_order(tmp_path: Path) -> None:
    found = load_benchmark(written(tmp_path / "mine", MINE, dev=GOOD)).questions()
    ten, twenty = choose(found, 10, 1), choose(found, 20, 1)
    assert choose(found, 10, 1) == ten != choose(found, 10, 2)
    assert {q.id for q in ten} < {q.id for q in twenty}
    assert [int(q.id) for q in twenty] == sorted(int(q.id) for q in twenty)
    assert choose(found, 50, 7) == found
    for n, message in ((51, "there are 50 questions; 51 cannot be drawn"), (0, "at least 1")):
        with pytest.raises(UsageError, match=message):
            choose(found, n, 0)


def test_the_fingerprint_knows_every_change() -> None:
    one, two = Example(id="1", question="q", answers=("a",)), Example(id="2", question="r", gold={"d": 1})
    assert fingerprint([one, two]) == fingerprint([one, two]) != fingerprint([two, one])
    assert fingerprint([one.but(answers=("b",)), two]) != fingerprint([one, two])


@pytest.mark.parametrize("name", ["digest", "hotpotqa_distractor", "qrecc", "scifact", "nq_open"])
def test_a_file_of_ones_own_replaces_the_set(tmp_path: Path, name: str) -> None:
    rows = [{"id": "a", "question": "q?", "answers": ["x"], "gold_ids": ["d1"], "type": "t"}]
    hub.jsonl(tmp_path / "dev.jsonl", rows)
    for data in (tmp_path, tmp_path / "dev.jsonl"):
        (question,) = load_benchmark(name).questions(data=data)
        assert question == Example(id="a", question="q?", answers=("x",), gold=("d1",), type="t")
    (tmp_path / "dev.jsonl").unlink()
    (tmp_path / "train.csv").write_text("question;answers\nq?;x\n", encoding="utf-8")
    (question,) = load_benchmark(name).questions("train", data=tmp_path)
    assert question == Example(id=f"{name}-train-00002", question="q?", answers=("x",))
    with pytest.raises(UsageError, match=r"has no file test or dev .*; files of rows there: train.csv"):
        load_benchmark(name).questions(data=tmp_path)
    with pytest.raises(UsageError, match="no file or folder"):
        load_benchmark(name).questions(data=tmp_path / "nothing")


def test_a_file_of_ones_own_may_have_the_columns_of_the_set(tmp_path: Path) -> None:
    hub.parquet(tmp_path / "dev.parquet", hub.HOTPOT)
    benchmark = load_benchmark("hotpotqa_distractor")
    one, _ = benchmark.questions(data=tmp_path)
    assert one.answers == ("Kinnairdy Castle",) and len(one.gold) == 2
    assert len({p.id for p in benchmark.corpus(data=tmp_path)}) == 4


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    hub.jsonl(tmp_path / "dev.jsonl", [{"prompt": "q", "target": "a"}])
    with pytest.raises(
        UsageError, match="columns question and answer or question and answers are needed; found prompt"
    ):
        load_benchmark("hotpotqa").questions(data=tmp_path)


def test_gold_that_the_index_lacks_is_named() -> None:
    questions = [Example(id="1", question="q", gold=("a", "b")), Example(id="2", question="r", gold={"z": 1})]
    check_gold(questions, ["a", "b", "z"])
    with pytest.raises(UsageError, match=r"2 of 2 questions have gold .* 1 lacks b; 2 lacks z"):
        check_gold(questions, ["a"])


def test_what_gold_names_is_the_row_or_the_document() -> None:
    assert document_id(Passage(id="7#0", text="t", source="c.jsonl:7", metadata={"id": "hp-7"})) == "hp-7"
    assert document_id(Passage(id="x#1", text="t", source="papers/01.md")) == "papers/01.md"


def test_the_default_index_holds_the_gold_of_its_benchmarks() -> None:
    from dsp.index.recipe import load_recipe

    recipe = load_recipe(Path(__file__).parents[2] / "indexes" / "digest")
    documents = {document_id(p) for p in read_corpus(recipe, Report())}
    for name, split in (("digest", "test"), ("digest", "train"), ("digest_conversations", "test")):
        check_gold(load_benchmark(name).questions(split), documents)


BENCH = Path(__file__).parents[3] / "shared" / "bench"
BESIDE = {
    "hotpotqa": ("hotpotqa", 353),
    "hotpotqa_distractor": ("hotpotqa", 353),
    "2wikimultihopqa": ("2wikimultihopqa", 251),
    "musique": ("musique", 277),
    "xquad_en": ("xquad_en", 429),
    "xquad_zh": ("xquad_zh", 429),
    "cmrc2018": ("cmrc2018_zh", 1466),
    "nq_open": ("nq_open", 937),
    "bamboogle": ("bamboogle", 44),
    "scifact": ("scifact_beir", 393),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", BESIDE)
def test_the_data_beside_the_checkout_load(name: str, tmp_path: Path) -> None:
    folder, count = BESIDE[name]
    data = BENCH / folder
    if not data.is_dir():
        pytest.skip(f"{data} is not here")
    benchmark = load_benchmark(name)
    questions = benchmark.questions("dev", data=data)
    lines = [json.loads(line) for line in (data / "dev.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(questions) == count
    assert [(q.id, list(q.answers), list(q.get("gold", ()))) for q in questions] == [
        (line["id"], list(dict.fromkeys(line["answers"])), line["gold_ids"]) for line in lines
    ]
    assert len(benchmark.questions("dev", data=data, n=40, seed=1)) == 40
    recipe = benchmark.recipe(tmp_path, "dev", data=data)
    assert recipe is not None and recipe.sources[0].path == "corpus.jsonl"
    with (data / "corpus.jsonl").open(encoding="utf-8") as file:
        check_gold(questions, (json.loads(line)["id"] for line in file))
