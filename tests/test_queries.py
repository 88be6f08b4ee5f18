"""Small steps that make queries: rewriting a conversation, imagined passages, feedback from what was found."""

from pathlib import Path

import pytest

from dsp.catalog import function_program
from dsp.errors import UsageError
from dsp.queries import IMAGINE, REWRITE, feedback, imagine, rewrite
from dsp.reranking import HELPS, SHOWN
from dsp.runner import run
from dsp.search import retrieve
from dsp.settings import using
from dsp.template import Template
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import Example, Passage

GOLDEN = Path(__file__).parent / "golden" / "steps"
HISTORY = ("Who directed Harbour Lights?", "Mira Olsen.")
TURN = Example(question="When was she born?", history=HISTORY)
PASSAGES = (
    Passage(id="1", title="Olsen", text="Olsen was born in Ribe. Ribe lies in Jutland.", source="a"),
    Passage(id="2", text="The harbour of Ribe is old, and the harbours of Jutland are many.", source="b"),
)


def test_a_question_that_follows_is_written_so_that_it_stands_alone() -> None:
    lm = ScriptedLM(["When was Mira Olsen born?"])
    with using(lm=lm):
        assert rewrite(TURN) == ("When was Mira Olsen born?",)
        assert rewrite(Example(question="Who?")) == rewrite(Example(question="Who?", history=())) == ("Who?",)
    assert [(r.stage, r.temperature, r.n) for r in lm.requests] == [("rewrite", 0.0, 1)]


def test_several_rewrites_are_sampled_and_each_kept_once() -> None:
    lm = ScriptedLM(["Olsen born?", "Born when?", "Olsen born?"])
    with using(lm=lm):
        assert rewrite(TURN, n=3, temperature=0.5) == ("Olsen born?", "Born when?")
    assert {r.temperature for r in lm.requests} == {0.5}


def test_imagined_passages_are_searched_with() -> None:
    def looking(question: str) -> Example:
        (draft,) = imagine(Example(question=question))
        return Example(answer=retrieve(draft, k=1)[0].id)

    lm = ScriptedLM(["The harbour is old."])
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)):
        found = run(function_program(looking), "How old?")
    assert found.answer == "2"
    assert [(c.door, c.stage) for c in found.crossings] == [("lm", "draft"), ("retriever", "")]


def test_a_program_may_use_words_of_its_own() -> None:
    own = Template("Ask again.", inputs=REWRITE.inputs, outputs=REWRITE.outputs)
    lm = ScriptedLM(["again"])
    with using(lm=lm):
        assert rewrite(TURN, template=own) == ("again",)
    assert lm.requests[0].prompt.startswith("Ask again.")


@pytest.mark.parametrize("n", [0, -1])
def test_less_than_one_text_cannot_be_asked_for(n: int) -> None:
    for step in (rewrite, imagine):
        with using(lm=ScriptedLM([])), pytest.raises(UsageError, match=f"n is {n}"):
            step(TURN, n=n)


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("rewrite", REWRITE.write(TURN)),
        ("imagine", IMAGINE.write(Example(question="When was Mira Olsen born?"))),
        ("rerank", HELPS.write(Example(question="Where was Mira Olsen born?", passage="Ribe | Ribe is old."), SHOWN)),
    ],
)
def test_every_prompt_is_a_golden_file(name: str, prompt: str) -> None:
    assert prompt == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_feedback_adds_the_words_that_tell_most_of_what_was_found() -> None:
    assert feedback("Olsen birthplace", PASSAGES, n=2) == "Olsen birthplace ribe jutland"
    assert feedback("Olsen birthplace", PASSAGES, n=0) == "Olsen birthplace"
    assert feedback("Olsen", (), n=5) == "Olsen"
    every = feedback("Olsen", PASSAGES, n=99).split()[1:]
    assert "harbour" in every and "harbours" not in every and not {"the", "of", "olsen"} & set(every)


def test_feedback_is_the_same_every_time_and_reads_chinese() -> None:
    tea = (Passage(id="1", text="绿茶在春天采摘，绿茶用水冲泡。"), Passage(id="2", text="春天的绿茶。"))
    assert feedback("采摘", tea, n=2) == feedback("采摘", tea, n=2) == "采摘 绿茶 春天"
    with pytest.raises(UsageError, match="n is -1"):
        feedback("q", PASSAGES, n=-1)
