"""Every program on the shelf, end to end: its answer, its cost as its docstring states it, its parameters."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

import pytest

from dsp.catalog import load_program, names, shelf
from dsp.runner import Prediction, run
from dsp.settings import using
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import Demos
from tests.programs.costs import cost, source, stated
from tests.programs.prompts import GOLDEN, prompts
from tests.programs.speaker import PASSAGES, QUESTION, SCRIPT, Speaker

CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in names("programs") if name not in ("conversational",)),
    ("branching", {"n": 3, "hops": 3}),
    ("conversational", {"history": "Who is Ann?\nAnn is an engineer."}),
    ("conversational", {"history": "Who is Ann?", "n": 4}),
    ("hyde", {"n": 5}),
    ("ircot", {"thoughts": 1}),
    ("iter_retgen", {"rounds": 4}),
    ("multihop", {"hops": 4}),
    ("multihop_demos", {"hops": 3, "n": 2, "votes": 3}),
    ("multiple_choice", {"n": 6, "choices": 2}),
    ("self_ask", {"hops": 2}),
    ("self_ask", {"refined": True}),
    ("self_consistent", {"n": 3}),
]


def ran(name: str, script: Mapping[str, Callable[[int], str]] = SCRIPT, **parameters: Any) -> Prediction:
    with using(lm=ScriptedLM(Speaker(script)), retriever=FixedRetriever(PASSAGES)):
        return run(name, QUESTION, **parameters)


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=lambda value: str(value))
def test_a_run_costs_what_the_docstring_says(name: str, parameters: dict[str, Any]) -> None:
    prediction = ran(name, **parameters)
    wanted = stated(name, parameters)
    if name == "multiple_choice":  # the script gives two different answers
        wanted = (*wanted[:2], 3)
    assert cost(prediction) == wanted


@pytest.mark.parametrize("name", names("programs"))
def test_the_answer_is_there_and_its_source_found(name: str) -> None:
    prediction = ran(name)
    assert prediction.example.answer in ("1858", "1901")
    assert prediction.example.question == QUESTION
    if name != "closed_book":
        (citation,) = prediction.citations
        assert citation.passage.source
        assert citation.quote == citation.passage.text[citation.start : citation.end]


@pytest.mark.parametrize("name", names("programs"))
def test_a_program_states_source_and_cost_and_fits_on_a_page(name: str) -> None:
    text = source(name)
    head = text.split('"""')[1]
    assert "\nSource: " in head
    assert "\nCost: " in head
    assert text.count("\n") < 150
    function = load_program(name).function
    body = inspect.getsource(function).split('"""')[2].strip()
    assert body.count("\n") < 15
    assert inspect.getdoc(function)


def test_the_body_of_multihop_is_at_most_12_lines() -> None:
    body = inspect.getsource(load_program("multihop").function).split('"""')[2].strip()
    assert body.count("\n") + 1 <= 12


@pytest.mark.parametrize("name", names("programs"))
def test_parameters_can_be_set_from_text(name: str) -> None:
    program = load_program(name)
    hints = get_type_hints(program.function)
    kinds = {n: hints[n] for n in program.parameters}
    assert kinds.pop("demos") is Demos
    assert set(kinds.values()) <= {int, float, str, bool}
    assert all(p.default is not inspect.Parameter.empty for p in program.parameters.values())


@pytest.mark.parametrize("name", names("programs"))
def test_the_readme_of_the_shelf_lists_it(name: str) -> None:
    assert f"| `{name}` |" in (shelf("programs") / "README.md").read_text(encoding="utf-8")


def test_every_prompt_is_a_golden_file() -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in GOLDEN.glob("*.txt")}
    found = prompts()
    assert set(kept) == set(found), "write them anew: python -m tests.programs.prompts"
    for name, prompt in found.items():
        assert prompt == kept[name], f"{name} changed; if that is meant: python -m tests.programs.prompts"


def test_multihop_demos_stops_when_nothing_is_missing() -> None:
    script = {**SCRIPT, "query": lambda i: "N/A" if i >= 3 else f"bridge {i}"}
    prediction = ran("multihop_demos", script, n=3, hops=4)
    assert cost(prediction) == (3, 3 + 3 + 20, 4)


def test_multihop_demos_carries_a_summary_and_never_cites_it() -> None:
    script = {**SCRIPT, "summary": lambda i: "The bridge of Odense was built in 1999.", "answer": lambda i: "1999"}
    prediction = ran("multihop_demos", script, n=2, votes=2)
    assert prediction.example.context[0].text == "The bridge of Odense was built in 1999."
    assert len([p for p in prediction.example.context if not p.is_summary]) >= 2
    assert not prediction.citations
    assert not prediction.supported


def test_multihop_demos_shows_what_was_found_at_every_hop() -> None:
    script = {**SCRIPT, "query": lambda i: "tower 1901" if i < 2 else "cat sleeps"}
    with using(lm=ScriptedLM(Speaker(script)), retriever=FixedRetriever(PASSAGES)):
        x = run("multihop_demos", "Why?", k=1, n=2, votes=2).example
    assert {p.id for p in x.context if not p.is_summary} == {"tower", "cat"}


def test_ircot_ends_with_the_thought_that_states_the_answer() -> None:
    script = {**SCRIPT, "thought": lambda i: "So the answer is 1858." if i else "Ann designed the bridge of Odense."}
    assert cost(ran("ircot", script, thoughts=5)) == (3, 3, 2)


def test_ircot_ends_where_the_reasoning_goes_round_in_circles() -> None:
    script = {**SCRIPT, "thought": lambda i: ("Ann built it.", "In Odense.", "Ann built it.")[i]}
    assert cost(ran("ircot", script, thoughts=5)) == (4, 4, 3)


@pytest.mark.parametrize("step", ["No.", "no", "None", "N/A", "Yes.", "Yes"])
def test_self_ask_ends_when_no_question_is_left(step: str) -> None:
    script = {**SCRIPT, "step": lambda i: step if i else "Yes. Follow up: Which bridge did Ann design?"}
    assert cost(ran("self_ask", script)) == (3, 3, 1)


def test_self_ask_ends_where_it_asks_the_same_again() -> None:
    script = {**SCRIPT, "step": lambda i: "Yes. Follow up: Which bridge did Ann design?"}
    assert cost(ran("self_ask", script)) == (3, 3, 1)


def test_self_ask_takes_a_snippet_and_the_refined_one_an_answer() -> None:
    assert "Intermediate answer: The bridge of Odense was built in 1858." in ran("self_ask").example.notes
    assert ran("self_ask", refined=True).example.notes[1] == "Intermediate answer: 1858"


@pytest.mark.parametrize("step", ["Yes. Follow up: Who is Ann?", "Follow-up question: Who is Ann?", "Who is Ann?"])
def test_self_ask_finds_the_question_in_a_step(step: str) -> None:
    retriever = FixedRetriever(PASSAGES)
    with using(lm=ScriptedLM(Speaker({**SCRIPT, "step": lambda i: step})), retriever=retriever):
        run("self_ask", QUESTION, hops=1)
    assert retriever.queries == ["Who is Ann?"]


def test_a_conversation_searches_with_rewrites_and_shows_its_turns() -> None:
    lm, retriever = ScriptedLM(Speaker()), FixedRetriever(PASSAGES)
    with using(lm=lm, retriever=retriever):
        run("conversational", "When was it built?", history="Who is Ann?\nAn engineer.", n=2)
    assert retriever.queries == ["bridge of Odense 0", "bridge of Odense 1", "When was it built?"]
    assert "Conversation:\nWho is Ann?\nAn engineer.\nQuestion: When was it built?" in lm.requests[-1].prompt


def test_a_first_question_is_not_rewritten() -> None:
    assert cost(ran("conversational")) == (1, 1, 1)


def test_equal_queries_are_searched_once() -> None:
    script = {**SCRIPT, "draft": lambda i: "The bridge was built in 1858."}
    assert cost(ran("hyde", script, n=4)) == (2, 5, 2)


def test_candidates_that_agree_are_not_compared() -> None:
    assert cost(ran("multiple_choice", {**SCRIPT, "answer": lambda i: "1858"}, n=4)) == (1, 4, 1)


@pytest.mark.parametrize(
    ("choice", "answer"),
    [("(B)", "1901"), ("b", "1901"), ("B) 1901", "1901"), ("A", "1858"), ("1901, I think", "1901"), ("Z", "1858")],
)
def test_a_choice_is_read_by_letter_or_in_words(choice: str, answer: str) -> None:
    prediction = ran("multiple_choice", {**SCRIPT, "choice": lambda i: choice})
    assert prediction.example.answer == answer
    assert prediction.example.choices == ("(A) 1858", "(B) 1901") if "choices" in prediction.example else True


def test_each_branch_goes_down_its_own_path() -> None:
    prediction = ran("branching", n=3)
    queries = [c.calls[0].request["query"] for c in prediction.crossings if c.door == "retriever"]
    assert len(set(map(str, queries))) == 4  # the question, and a query of its own for each branch
    assert prediction.example.votes == 2
