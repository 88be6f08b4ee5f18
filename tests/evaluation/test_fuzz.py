"""Each answer metric against its official rule stated again, on pairs that no one chose."""

import math
import random

import pytest

from dsp.evaluation.hotpot import answer_scores, fact_scores
from dsp.evaluation.metrics import METRICS, find_metric
from tests.evaluation import official

FULL = pytest.param(10_000, marks=pytest.mark.slow)
RULES: dict[str, tuple[official.Score, list[str]]] = {
    "squad_exact_match": (official.best(lambda p, a: official.squad(p) == official.squad(a)), official.ENGLISH),
    "squad_f1": (official.best(lambda p, a: official.prf(official.squad(p), official.squad(a))[2]), official.ENGLISH),
    "exact_match": (official.best(lambda p, a: official.squad(p) == official.squad(a)), official.ENGLISH),
    "f1": (official.best(official.squad_2), official.ENGLISH),
    "qrecc_f1": (official.best(official.squad_2), official.ENGLISH),
    "nq_exact_match": (
        official.best(lambda p, a: official.squad(p, nfd=True) == official.squad(a, nfd=True)),
        official.ENGLISH,
    ),
    "trivia_exact_match": (official.best(lambda p, a: official.trivia(p) == official.trivia(a)), official.ENGLISH),
    "trivia_f1": (
        official.best(lambda p, a: official.prf(official.trivia(p), official.trivia(a))[2]),
        official.ENGLISH,
    ),
    "hotpot_exact_match": (official.best(lambda p, a: official.squad(p) == official.squad(a)), official.ENGLISH),
    "hotpot_f1": (official.best(lambda p, a: official.hotpot(p, a)[2]), official.ENGLISH),
    "cmrc_exact_match": (official.best(lambda p, a: official.cmrc_bare(p) == official.cmrc_bare(a)), official.CHINESE),
    "cmrc_f1": (official.best(official.cmrc), official.CHINESE),
}


@pytest.mark.parametrize("count", [300, FULL])
@pytest.mark.parametrize("name", RULES)
def test_scores_equal_the_official_rule(name: str, count: int) -> None:
    rule, words = RULES[name]
    random_ = random.Random(f"{name} {count}")
    seen = set()
    for _ in range(count):
        prediction, answers = official.pair(random_, words)
        score = METRICS[name].function(prediction, answers)
        assert score == rule(prediction, answers), (prediction, answers)
        seen.add(score)
    assert {0.0, 1.0} <= seen
    assert METRICS[name].binary or len(seen) > 10


@pytest.mark.parametrize("count", [300, FULL])
def test_nf1_equals_the_rule(count: int) -> None:
    random_ = random.Random(count)
    between = 0
    for _ in range(count):
        prediction, answers = official.pair(random_, official.ENGLISH)
        history = official.text(random_, official.ENGLISH)
        expected = max(official.novel(prediction, answer, history) for answer in answers)
        score = METRICS["nf1"].function(prediction, answers, history)
        assert score == expected, (prediction, answers, history)
        between += 0 < expected < 1
    assert between > count / 50


@pytest.mark.parametrize("count", [300, FULL])
def test_hotpot_precision_recall_and_facts_equal_the_rule(count: int) -> None:
    random_ = random.Random(count)
    titles = ["A", "B", "C (film)"]
    for _ in range(count):
        prediction, answers = official.pair(random_, official.ENGLISH)
        scores = answer_scores(prediction, answers[:1])
        assert (scores.precision, scores.recall, scores.f1) == official.hotpot(prediction, answers[0])
        said: list[list[str | int]] = [
            [random_.choice(titles), random_.randrange(3)] for _ in range(random_.randrange(5))
        ]
        wanted: list[list[str | int]] = [
            [random_.choice(titles), random_.randrange(3)] for _ in range(random_.randrange(1, 4))
        ]
        unique_said, unique_wanted = ([list(x) for x in {(t, n) for t, n in pairs}] for pairs in (said, wanted))
        hits = sum(pair in unique_wanted for pair in unique_said)
        p = hits / len(unique_said) if unique_said else 0.0
        r = hits / len(unique_wanted)
        f1 = 2 * p * r / (p + r) if p + r else 0.0
        exact = float(sorted(unique_said, key=str) == sorted(unique_wanted, key=str))
        assert tuple(fact_scores(said, wanted)) == (exact, f1, p, r)


@pytest.mark.parametrize("count", [300, FULL])
def test_precision_equals_the_rule(count: int) -> None:
    random_ = random.Random(count)
    for _ in range(count):
        prediction, answers = official.pair(random_, official.ENGLISH)
        expected = []
        for answer in answers:
            said, wanted = official.squad(prediction), official.squad(answer)
            expected.append(float(said == wanted) if not said or not wanted else official.prf(said, wanted)[0])
        assert METRICS["precision"].function(prediction, answers) == max(expected), (prediction, answers)


@pytest.mark.parametrize("count", [300, FULL])
def test_rankings_equal_the_rules(count: int) -> None:
    random_ = random.Random(count)
    names = [f"d{n}" for n in range(12)]
    for _ in range(count):
        ranking = [random_.choice(names) for _ in range(random_.randrange(10))]
        grades = {name: random_.randrange(4) for name in random_.sample(names, random_.randrange(1, 6))}
        grades[random_.choice(names)] = random_.randrange(1, 4)
        k = random_.randrange(1, 12)
        top = [name for place, name in enumerate(ranking) if name not in ranking[:place]][:k]
        relevant = {name for name, grade in grades.items() if grade}
        gains = [grades.get(name, 0) / math.log2(place + 2) for place, name in enumerate(top)]
        best = [grade / math.log2(place + 2) for place, grade in enumerate(sorted(grades.values(), reverse=True)[:k])]
        first = next((place + 1 for place, name in enumerate(top) if name in relevant), 0)
        expected = {
            "recall": len(relevant & set(top)) / len(relevant),
            "all_gold": float(relevant <= set(top)),
            "mrr": 1 / first if first else 0.0,
            "ndcg": sum(gains) / sum(best),
        }
        for name, value in expected.items():
            score = find_metric(f"{name}@{k}").score({"ranking": ranking, "gold": grades})
            assert score == pytest.approx(value, abs=1e-12), (name, k, ranking, grades)
