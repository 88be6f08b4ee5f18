"""generate: outputs filled, missing ones asked for again, demonstrations by stage."""

from collections.abc import Sequence

import pytest

from dsp import fields
from dsp.errors import ReadingError, UsageError
from dsp.lm.protocol import LM, Completion, Reply, Request, TokenLogprob
from dsp.predict import branch, ensemble, generate, generate_many
from dsp.runner import run
from dsp.settings import using
from dsp.template import Template
from dsp.testing import ScriptedLM
from dsp.types import Demos, Example

COT = Template("Answer.", (fields.question(),), (fields.rationale(), fields.answer()))
TWO_HOPS = Template("Search.", (fields.question(),), (fields.rationale(), fields.query(), fields.answer()))


def test_the_outputs_are_filled_in() -> None:
    with using(lm=ScriptedLM([" It says so.\nAnswer: 42"])):
        x = generate(COT, Example(question="q"), stage="answer")
    assert (x.question, x.rationale, x.answer) == ("q", "It says so.", "42")


def test_a_missing_output_is_asked_for_behind_what_is_there() -> None:
    lm = ScriptedLM([" It says so.", " 42"])
    with using(lm=lm):
        x = generate(COT, Example(question="q"), stage="answer")
    assert (x.rationale, x.answer) == ("It says so.", "42")
    assert lm.requests[1].prompt.endswith("Question: q\nRationale: It says so.\nAnswer:")


def test_a_missing_middle_output_does_not_swallow_its_neighbour() -> None:
    lm = ScriptedLM([" why\nAnswer: 42", " what to ask"])
    with using(lm=lm):
        x = generate(TWO_HOPS, Example(question="q"), stage="hop")
    assert (x.rationale, x.query, x.answer) == ("why", "what to ask", "42")


def test_silence_is_a_typed_error_that_names_stage_and_field() -> None:
    with using(lm=ScriptedLM(["", ""])), pytest.raises(ReadingError, match=r"stage 'answer': no 'Rationale:'"):
        generate(COT, Example(question="q"), stage="answer")


def test_demonstrations_are_those_of_the_stage() -> None:
    demo = Example(question="old", rationale="so", answer="7")
    lm = ScriptedLM([" so\nAnswer: 42"] * 2)
    x = Example(question="q", demos=Demos(worked={"answer": (demo,)}))
    with using(lm=lm):
        generate(COT, x, stage="answer")
        generate(COT, x, stage="hop")
    assert "Question: old" in lm.requests[0].prompt
    assert "Question: old" not in lm.requests[1].prompt


def test_without_an_lm_the_error_shows_what_to_write() -> None:
    with pytest.raises(UsageError, match=r'with dsp\.using\(lm="embedded"\)'):
        generate(COT, Example(question="q"), stage="answer")


def test_many_completions_are_read_in_the_plural() -> None:
    with using(lm=ScriptedLM([" a\nAnswer: 1", " b\nAnswer: 2"])):
        completions = generate_many(COT, Example(question="q"), stage="answer", n=2)
    assert completions.answers == ("1", "2")
    assert completions.rationales == ("a", "b")
    assert (completions.asked, completions.unusable, len(completions)) == (2, 0, 2)


def test_only_the_incomplete_completion_is_continued() -> None:
    lm = ScriptedLM([" a\nAnswer: 1", " b", " 2"])
    with using(lm=lm):
        completions = generate_many(COT, Example(question="q"), stage="answer", n=2)
    assert completions.answers == ("1", "2")
    assert lm.requests[2].begun == {"rationale": "b"}
    assert lm.requests[2].sample == 1


def test_unusable_completions_are_drawn_again_and_counted() -> None:
    lm = ScriptedLM([" a\nAnswer: 1", "", " c\nAnswer: 3"])
    with using(lm=lm):
        completions = generate_many(COT, Example(question="q"), stage="answer", n=2)
    assert completions.answers == ("1", "3")
    assert completions.unusable == 1
    assert lm.requests[2].sample == 2


def test_no_usable_completion_is_a_typed_error() -> None:
    with using(lm=ScriptedLM(lambda request: "")), pytest.raises(ReadingError):
        generate_many(COT, Example(question="q"), stage="answer", n=3)


class Scored:
    """An LM that gives log-probabilities and forgets the last field; what continues it is less likely."""

    name, style, identity = "scored", "text", {"backend": "scored"}

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        text, logprob, finish = (" 42", -3.0, "length") if request.begun else (" so", -1.0, "stop")
        tokens = (TokenLogprob(token=text, logprob=logprob),)
        return Reply(completions=(Completion(text=text, finish=finish, logprobs=tokens),) * request.n)  # type: ignore[arg-type]


def test_the_score_is_over_all_that_was_written() -> None:
    lm: LM = Scored()  # type: ignore[assignment]
    with using(lm=lm):
        completions = generate_many(COT, Example(question="q"), stage="answer", n=2)
    assert completions.scores == (-2.0, -2.0)
    assert completions.finishes == ("length", "length")
    assert completions.answers == ("42", "42")


def test_a_placeholder_is_no_answer() -> None:
    echo = "${a short factoid answer, often between 1 and 5 words}"
    lm = ScriptedLM([f" so\nAnswer: {echo}", f" {echo} 42"])
    with using(lm=lm):
        assert generate(COT, Example(question="q"), stage="answer").answer == "42"
    assert lm.requests[1].begun == {"rationale": "so"}
    lm = ScriptedLM([f" {echo}", " 42"])
    with using(lm=lm):
        assert generate(Template("A.", COT.inputs, (fields.answer(),)), Example(question="q"), stage="s").answer == "42"
    assert [request.temperature for request in lm.requests] == [0.0, 0.7]
    assert [request.seed for request in lm.requests] == [0, 1]


def test_what_was_doubtful_stands_in_the_record_of_the_run() -> None:
    def program(question: str) -> Example:
        return generate(COT, Example(question=question), stage="answer")

    with using(lm=ScriptedLM(["", " so\nAnswer: 42\nAnswer: 43"])):
        prediction = run(program, "q")
    assert prediction.answer == "42"
    again, twice = prediction.remarks
    assert again.startswith("drawn again: stage 'answer': no 'Rationale:' in the completion ''")
    assert twice == "stage 'answer': Answer: stands twice; the first one counts"
    assert prediction.json()["remarks"] == [again, twice]


def one_step(question: str, *, suffix: str = "") -> Example:
    return generate(COT, Example(question=question + suffix), stage="answer")


def test_branches_sample_where_the_program_asks_greedily() -> None:
    lm = ScriptedLM(lambda request: f" so\nAnswer: {request.sample}")
    with using(lm=lm):
        runs = branch(one_step, "q", n=3, temperature=0.9, suffix="!")
    assert runs.answers == ("0", "1", "2")
    assert {request.temperature for request in lm.requests} == {0.9}
    assert all(request.example.question == "q!" for request in lm.requests)


def test_an_ensemble_runs_each_program() -> None:
    def other(question: str) -> Example:
        return Example(question=question, answer="other")

    with using(lm=ScriptedLM([" so\nAnswer: one"])):
        assert ensemble([one_step, other], "q").answers == ("one", "other")
