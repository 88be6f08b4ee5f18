"""Every case of the official scripts' results, exactly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsp.evaluation.answer import squad_exact_match, squad_f1
from dsp.evaluation.chinese import cmrc_exact_match, cmrc_f1
from dsp.evaluation.hotpot import answer_scores, fact_scores, hotpot_exact_match, hotpot_f1, joint_scores
from dsp.evaluation.ranking import all_gold, trec_scores

CHECKS = Path(__file__).parents[3] / "shared" / "bench" / "metric_checks"
pytestmark = pytest.mark.shared


def checks(name: str) -> Any:
    path = CHECKS / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("file", "exact", "overlap", "count"),
    [("squad_v1_1.json", squad_exact_match, squad_f1, 240), ("cmrc2018.json", cmrc_exact_match, cmrc_f1, 200)],
)
def test_answers_score_as_the_official_scripts_score_them(
    file: str, exact: Callable[..., float], overlap: Callable[..., float], count: int
) -> None:
    found = checks(file)
    cases = found["cases"]
    assert len(cases) == count
    scores = [(exact(c["prediction"], c["answers"]), overlap(c["prediction"], c["answers"])) for c in cases]
    assert scores == [(c["exact_match"], c["f1"]) for c in cases]
    assert sum(em for em, _ in scores) / count == found["mean_exact_match"]
    assert sum(f1 for _, f1 in scores) / count == found["mean_f1"]


def test_hotpot_answers_facts_and_joint_scores_equal_the_official_ones() -> None:
    found = checks("hotpot_v1.json")
    sums = dict.fromkeys(found["official"], 0.0)
    for case in found["cases"]:
        answer = answer_scores(case["prediction"], [case["answer"]])
        facts = fact_scores(case["sp_prediction"], case["supporting_facts"])
        assert tuple(answer) == (case["em"], case["f1"], case["prec"], case["recall"])
        assert tuple(facts) == (case["sp_em"], case["sp_f1"], case["sp_prec"], case["sp_recall"])
        assert hotpot_exact_match(case["prediction"], [case["answer"]]) == case["em"]
        assert hotpot_f1(case["prediction"], [case["answer"]]) == case["f1"]
        for prefix, scores in (("", answer), ("sp_", facts), ("joint_", joint_scores(answer, facts))):
            for name, value in zip(("em", "f1", "prec", "recall"), scores, strict=True):
                sums[prefix + name] += value
    assert len(found["cases"]) == 120
    assert {name: total / 120 for name, total in sums.items()} == found["official"]


TREC = {"P_10": "P@10", "P_5": "P@5", "map": "AP", "ndcg": "nDCG", "recip_rank": "RR"} | {
    f"{theirs}_{k}": f"{ours}@{k}" for theirs, ours in (("ndcg_cut", "nDCG"), ("recall", "R")) for k in (5, 10, 20)
}


@pytest.mark.parametrize("folder", ["trec_eval_scifact_bm25", "trec_eval_cast2021_bm25"])
def test_rankings_score_as_trec_eval_scores_them(folder: str) -> None:
    found = checks(f"{folder}/trec_eval.json")
    run: dict[str, dict[str, float]] = {}
    for line in (CHECKS / folder / "run.trec").read_text(encoding="utf-8").splitlines():
        question, _, name, _, score, _ = line.split()
        run.setdefault(question, {})[name] = float(score)
    qrels: dict[str, dict[str, int]] = {}
    for line in (CHECKS / folder / "qrels.txt").read_text(encoding="utf-8").splitlines():
        question, _, name, grade = line.split()
        qrels.setdefault(question, {})[name] = int(grade)
    scores = trec_scores(run, qrels, list(TREC.values()))
    assert len(scores) == found["num_q"]
    for theirs, ours in TREC.items():
        mean = sum(scores[question][ours] for question in sorted(scores)) / len(scores)
        assert mean == pytest.approx(found["all"][theirs], abs=1e-12), theirs
    for question, values in found["per_query"].items():
        assert {name: round(scores[question][TREC[name]], 6) for name in values} == values


def test_published_runs_are_reproduced_by_all_gold() -> None:
    published = checks("fast_graphrag_2wiki/published.json")["runs"]
    assert len(published) == 8
    for name, figures in published.items():
        cases = checks(f"fast_graphrag_2wiki/{name}.json")
        hits = [all_gold(case["evidence"], case["ground_truth"], k=1000) for case in cases]
        mean = sum(hits) / len(hits)
        assert mean == figures["recomputed_all"]
        assert round(mean, 2) == figures["published_all"]
