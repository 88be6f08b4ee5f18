"""Small copies of the hub's data sets, with their columns and files, for `datasets` to load from a folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from dsp.evaluation.benchmark import Benchmark
from dsp.evaluation.layout import RowSource

Rows = Sequence[Mapping[str, Any]]

HOTPOT: Rows = [
    {
        "id": f"5a{n}",
        "question": f"Which castle did heir {n} inherit?",
        "answer": answer,
        "type": kind,
        "level": "hard",
        "supporting_facts": {"title": ["Heir", "Castle"], "sent_id": [0, 1]},
        "context": {
            "title": ["Heir", "Castle", f"Other {n}"],
            "sentences": [["He was rich.", " He had it."], ["It is old.", " It has five storeys."], ["Nothing."]],
        },
    }
    for n, answer, kind in ((1, "Kinnairdy Castle", "bridge"), (2, "yes", "comparison"))
]
TWOWIKI: Rows = [
    {
        **row,
        "context": {"title": ["Heir", "Castle"], "sentences": [["He was rich.", "He had it."], ["It is old."]]},
        "evidences": [["Heir", "owner of", "Castle"]],
    }
    for row in HOTPOT
]
SQUAD: Rows = [
    {
        "id": f"56{n}",
        "title": "Super_Bowl_50",
        "context": context,
        "question": question,
        "answers": {"text": ["308", "308", "about 308"], "answer_start": [4, 4, 0]},
    }
    for n, context, question in ((1, "It was 308.", "How many?"), (2, "It was 308.", "How many points?"))
]
XQUAD: Rows = [{key: value for key, value in row.items() if key != "title"} for row in SQUAD]
CMRC: Rows = [
    {
        "id": f"DEV_0_QUERY_{n}",
        "context": "光荣和ω-force开发。",
        "question": q,
        "answers": {"text": ["光荣"], "answer_start": [0]},
    }
    for n, q in enumerate(["谁开发的？", "开发公司是？"])
]
NQ: Rows = [{"question": f"who won prize {n}", "answer": ["Röntgen", "Wilhelm Röntgen"]} for n in range(3)]
TRIVIA: Rows = [
    {
        "question": "Who sang it?",
        "question_id": "tc_1",
        "question_source": "http://www.triviacountry.com/",
        "entity_pages": {"doc_source": [], "filename": [], "title": [], "wiki_context": []},
        "search_results": {"description": [], "filename": [], "rank": [], "title": [], "url": [], "search_context": []},
        "answer": {
            "aliases": ["David Seville"],
            "normalized_aliases": ["david seville"],
            "matched_wiki_entity_name": "",
            "normalized_matched_wiki_entity_name": "",
            "normalized_value": "seville",
            "type": "WikipediaEntity",
            "value": "Seville",
        },
    }
]
BAMBOOGLE: Rows = [{"Question": "Who was it?", "Answer": "James Madison"}, {"Question": "When?", "Answer": "1999"}]
MUSIQUE: Rows = [
    {
        "id": "2hop__1_2",
        "paragraphs": [
            {"idx": 0, "title": "Van Hook", "paragraph_text": "It is in Mountrail.", "is_supporting": True},
            {"idx": 1, "title": "Other", "paragraph_text": "Nothing.", "is_supporting": False},
            {"idx": 2, "title": "Mountrail", "paragraph_text": "Its seat is Stanley.", "is_supporting": True},
        ],
        "question": "What is the seat of the county of Van Hook?",
        "question_decomposition": [{"id": 1, "question": "#1", "answer": "Stanley", "paragraph_support_idx": 2}],
        "answer": "Stanley",
        "answer_aliases": ["Stanley, ND"],
        "answerable": True,
    }
]
QRECC: Rows = [
    {
        "Context": context,
        "Question": question,
        "Rewrite": rewrite,
        "Answer": answer,
        "Answer_URL": "",
        "Conversation_no": conversation,
        "Turn_no": turn,
        "Conversation_source": "quac",
    }
    for conversation, turn, question, rewrite, answer, context in (
        (1, 1, "What happened?", "What happened to Ice in 1985?", "He raced.", []),
        (1, 2, "And then?", "And what did Ice do then?", "", ["What happened?", "He raced."]),
        (1, 3, "Did he win?", "Did Ice win?", "Yes.", ["What happened?", "He raced.", "And then?", ""]),
        (1, 4, "Anything other interesting?", "Anything else about Ice?", "No.", ["What happened?", "He raced."]),
        (2, 1, "Who?", "Who is it?", "Kidd.", []),
        (2, 2, "Why?", "Why is it?", "Because.", ["Who?", "Kidd."]),
    )
]
SCIFACT: dict[str, Rows] = {
    "queries": [{"_id": str(n), "text": f"Claim {n}"} for n in range(4)],
    "corpus": [{"_id": f"d{n}", "title": f"T{n}", "text": f"Abstract {n}."} for n in range(3)],
    "train": [{"query-id": "0", "corpus-id": "d0", "score": 1.0}],
    "test": [
        {"query-id": "1", "corpus-id": "d1", "score": 1.0},
        {"query-id": "1", "corpus-id": "d2", "score": 2.0},
        {"query-id": "3", "corpus-id": "d0", "score": 1.0},
    ],
}


def parquet(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)


def jsonl(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def configured(folder: Path, configs: Mapping[str, Mapping[str, str]]) -> None:
    """A card that says which files make which split of which configuration, as the hub's cards do."""
    lines = ["---", "configs:"]
    for name, splits in configs.items():
        lines += [f"- config_name: {name}", "  data_files:"]
        for split, path in splits.items():
            lines += [f"  - split: {split}", f"    path: {path}"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")


def parted(rows: Rows, *folders: str) -> dict[str, Rows]:
    """The same rows in a Parquet file for each split, in each folder."""
    return {f"{f}/{split}-00000-of-00001.parquet": rows for f in folders for split in ("train", "validation", "test")}


FILES: dict[str, dict[str, Rows]] = {
    "2wikimultihopqa": parted(TWOWIKI, "data"),
    "bamboogle": parted(BAMBOOGLE, "data"),
    "cmrc2018": parted(CMRC, "data"),
    "hotpotqa": parted(HOTPOT, "distractor", "fullwiki"),
    "hotpotqa_distractor": parted(HOTPOT, "distractor", "fullwiki"),
    "musique": {"musique_ans_v1.0_train.jsonl": MUSIQUE, "musique_ans_v1.0_dev.jsonl": MUSIQUE},
    "nq_open": parted(NQ, "nq_open"),
    "open_squad": parted(SQUAD, "plain_text"),
    "qrecc": {"qrecc-training.json": QRECC, "qrecc-test.json": QRECC},
    "scifact": {f"{'qrels/' if n in ('train', 'test') else ''}{n}.jsonl": rows for n, rows in SCIFACT.items()},
    "triviaqa": parted(TRIVIA, "unfiltered.nocontext"),
    "xquad_en": parted(XQUAD, "xquad.en"),
    "xquad_zh": parted(XQUAD, "xquad.zh"),
}
CONFIGS: dict[str, dict[str, dict[str, str]]] = {
    "scifact": {
        "default": {"train": "qrels/train.jsonl", "test": "qrels/test.jsonl"},
        "corpus": {"corpus": "corpus.jsonl"},
        "queries": {"queries": "queries.jsonl"},
    }
}


def make(name: str, folder: Path) -> None:
    """Write the data set of a benchmark of the shelf into a folder; Parquet folders are its configurations."""
    configs = CONFIGS.get(name, {})
    for file, rows in FILES[name].items():
        path = folder / file
        if path.suffix == ".parquet":
            parquet(path, rows)
            split = path.name.partition("-")[0]
            configs.setdefault(path.parent.name, {})[split] = f"{path.parent.name}/{split}-*"
        elif path.suffix == ".json":
            folder.mkdir(exist_ok=True)
            path.write_text(json.dumps(rows), encoding="utf-8")
        else:
            jsonl(path, rows)
    if configs and "data" not in configs:
        configured(folder, configs)


def from_folder(benchmark: Benchmark, folder: Path) -> Benchmark:
    """The benchmark, with the folder in place of every data set of the hub."""

    def moved(source: RowSource) -> RowSource:
        assert source.is_dataset and len(source.revision) == 40
        return replace(source, path=f"hf:{folder}")

    layout = benchmark.layout
    judgements, corpus = layout.judgements, layout.corpus
    if judgements is not None:
        judgements = replace(judgements, splits={n: moved(s) for n, s in judgements.splits.items()})
    if corpus is not None:
        corpus = replace(corpus, path=f"hf:{folder}")
    splits = {name: moved(source) for name, source in layout.splits.items()}
    return replace(benchmark, layout=replace(layout, splits=splits, judgements=judgements, corpus=corpus))
