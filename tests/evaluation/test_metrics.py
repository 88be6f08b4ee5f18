"""The table of metrics, and what each does at its edges."""

import pytest

from dsp.errors import UnknownName, UsageError
from dsp.evaluation import answer, hotpot
from dsp.evaluation.cited import citation_precision, citation_recall
from dsp.evaluation.metrics import ANSWER, AT_K, METRICS, find_metric
from dsp.evaluation.ranking import Gold, all_gold, ndcg, recall, reciprocal_rank, trec_scores
from dsp.types import Citation, Passage, Verdict

NO_GOLD: tuple[Gold, ...] = ([], {}, {"a": 0})


def cited(number: int, verdict: Verdict) -> Citation:
    return Citation(number=number, passage=Passage(id="p", text="t"), quote="", start=0, end=0, verdict=verdict)


def test_every_metric_says_what_it_conforms_to_and_needs() -> None:
    for name, metric in {**METRICS, **AT_K}.items():
        assert metric.name == name
        assert metric.conforms and metric.needs and metric.version >= 1
        assert metric.label == f"{name} v{metric.version}"


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.needs == ANSWER])
def test_answer_metrics_refuse_what_cannot_be_scored(name: str) -> None:
    metric = METRICS[name]
    nothing: list[str] = []
    for wrong in (nothing, "Paris", ()):
        with pytest.raises(UsageError, match="gold answer"):
            metric.score({"prediction": "Paris", "answers": wrong})
    for prediction in (None, 3, ["Paris"]):
        with pytest.raises(UsageError, match="a prediction is a string"):
            metric.score({"prediction": prediction, "answers": ["Paris"]})
    with pytest.raises(UsageError, match=f"{name} needs answers; found prediction"):
        metric.score({"prediction": "Paris"})
    assert metric.score({"prediction": "Paris", "answers": ["Rome", "Paris"]}) == 1.0
    assert metric.score({"prediction": "", "answers": ["Paris"]}) == 0.0
    assert metric.score({"prediction": "Rome", "answers": ["Paris"]}) == 0.0


def test_a_score_that_is_no_number_is_an_error_not_nan() -> None:
    broken = find_metric("f1")
    for value in (float("nan"), float("inf"), 1.5, -0.1):
        changed = type(broken)(name="mine", function=lambda v=value: v, needs=(), conforms="")
        with pytest.raises(UsageError, match="a score is a number from 0 to 1"):
            changed.score({})


def test_where_nothing_is_left_of_both_the_official_scripts_disagree() -> None:
    assert answer.squad_exact_match("The", ["a"]) == 1.0
    assert answer.squad_f1("The", ["a"]) == 0.0
    assert answer.f1("The", ["a"]) == 1.0
    assert METRICS["qrecc_f1"].function("the", ["an"]) == 1.0
    assert hotpot.hotpot_f1("the", ["an"]) == 0.0


def test_the_yes_no_rule_is_hotpots_alone() -> None:
    assert hotpot.hotpot_f1("yes he did", ["yes"]) == 0.0
    assert hotpot.hotpot_f1("yes", ["Yes."]) == 1.0
    assert answer.squad_f1("yes he did", ["yes"]) == 0.5


def test_nq_takes_accents_apart_and_any_target_counts() -> None:
    assert answer.nq_exact_match("Bjo\u0308rn", ["x", "Björn"]) == 1.0
    assert answer.squad_exact_match("Bjo\u0308rn", ["x", "Björn"]) == 0.0


def test_chinese_answers_are_compared_by_character() -> None:
    assert answer.exact_match("北京。", ["北京"]) == 1.0
    assert answer.f1("北京市", ["北京"]) == pytest.approx(0.8)
    assert METRICS["cmrc_f1"].function("北京的大学", ["北京大学"]) == pytest.approx(4 / 9)
    assert METRICS["cmrc_exact_match"].function("《北京》", ["北京"]) == 1.0


def test_nf1_leaves_out_what_was_said_before() -> None:
    nf1 = METRICS["nf1"].function
    assert nf1("Nolan directed Inception", ["Inception"], ["What did Nolan direct?"]) == pytest.approx(2 / 3)
    assert nf1("Nolan directed Inception", ["Inception"], "Nolan directed what") == 1.0
    assert nf1("the film", ["a film"], ["which film"]) == 0.0


@pytest.mark.parametrize(
    "text",
    ["", "  ", "N/A", "I don't know.", "I do not know who that is.", "Unknown", "不知道", "我不知道。", "无法回答",
     "The context does not say.", "It is not mentioned in the passages.", "I cannot answer", "没有提到作者"],
)  # fmt: skip
def test_refusals_are_recognised(text: str) -> None:
    assert answer.refusal(text) == 1.0


@pytest.mark.parametrize(
    "text", ["no", "The Unknown Soldier", "Nothing Compares 2 U", "not Paris but Rome", "None of us", "知道"]
)
def test_answers_are_no_refusals(text: str) -> None:
    assert answer.refusal(text) == 0.0


def test_passage_match_wants_the_words_of_an_answer() -> None:
    passages: list[Passage | str] = [
        Passage(id="1", text="It is in Kinnairdy Castle.", title="Gregory"),
        "five storeys",
    ]
    assert answer.passage_match(passages, ["kinnairdy castle"]) == 1.0
    assert answer.passage_match(passages, ["Gregory"]) == 1.0
    assert answer.passage_match(passages, ["storey"]) == 0.0
    assert answer.passage_match(passages, ["..."]) == 0.0
    with pytest.raises(UsageError):
        answer.passage_match(passages, [])


def test_rankings() -> None:
    ranking = ["x", "a", "a", "y", "b"]
    assert recall(ranking, ["a", "b"], 2) == 0.5
    assert recall(ranking, ["a", "b"], 4) == 1.0
    assert all_gold(ranking, ["a", "b"], 3) == 0.0
    assert all_gold(ranking, ["a", "b"], 4) == 1.0
    assert reciprocal_rank(ranking, ["b", "y"], 10) == pytest.approx(1 / 3)
    assert reciprocal_rank(ranking, ["b"], 3) == 0.0
    assert ndcg(ranking, {"a": 1, "b": 2, "x": 0}, 10) == pytest.approx(
        (1 / 1.584962500721156 + 2 / 2.321928094887362) / (2 + 1 / 1.584962500721156)
    )
    for function in (recall, all_gold, reciprocal_rank, ndcg):
        assert function([], ["a"], 5) == 0.0
        for none in NO_GOLD:
            with pytest.raises(UsageError, match="no relevant passage"):
                function(ranking, none, 5)
        with pytest.raises(UsageError, match="list of ids"):
            function(ranking, "a", 5)
        with pytest.raises(UsageError, match="list of ids"):
            function("abc", ["a"], 5)
        with pytest.raises(UsageError, match="at least 1"):
            function(ranking, ["a"], 0)


def test_a_question_without_a_run_scores_zero() -> None:
    scores = trec_scores({"q1": {"a": 1.0}}, {"q1": {"a": 1}, "q2": {"a": 1}}, ["nDCG@10", "RR"])
    assert scores == {"q1": {"nDCG@10": 1.0, "RR": 1.0}, "q2": {"nDCG@10": 0.0, "RR": 0.0}}
    with pytest.raises(UsageError, match="no ranking measure"):
        trec_scores({}, {}, ["BLEU@4"])


def test_metrics_with_a_depth_are_found_by_name() -> None:
    metric = find_metric("recall@2")
    assert metric.name == "recall@2" and metric.label == "recall@2 v1"
    assert metric.score({"ranking": ["x", "a", "b"], "gold": ["a", "b"]}) == 0.5
    for wrong in ("recall@0", "recall", "recall@", "recall@05", "reccall@5", "em", "f1@3"):
        with pytest.raises(UnknownName, match="no metric is called"):
            find_metric(wrong)
    with pytest.raises(UnknownName, match="Did you mean 'exact_match'"):
        find_metric("exact_mach")


def test_citations() -> None:
    held = [cited(1, "found"), cited(2, "near"), cited(3, "not found"), cited(4, "elsewhere")]
    assert citation_precision(held) == 0.5
    assert citation_precision([]) is None
    text = "Paris is in France [1]. Rome is in Italy [3]. Oslo is far. Bern is near.[2] Ulm too [3][1]."
    assert citation_recall(text, held) == pytest.approx(3 / 5)
    assert citation_recall("Paris", []) == 0.0
    assert citation_recall("", held) is None


def test_supporting_facts_must_be_pairs() -> None:
    assert hotpot.supporting_f1([], [["A", 0]]) == 0.0
    with pytest.raises(UsageError, match="no gold supporting facts"):
        hotpot.supporting_f1([["A", 0]], [])
    with pytest.raises(UsageError, match="pair of title and sentence number"):
        hotpot.supporting_f1(["A0"], [["A", 0]])
