"""`dsp ask --trace` says what was cut from a prompt that was too long."""

from dataclasses import dataclass

from dsp.lm.protocol import Request
from dsp.lm.window import cut_to
from dsp.testing import ScriptedLM
from tests.cli.shared import QUESTION, Command, Fakes


def test_the_trace_says_what_was_doubtful(dsp: Command, fakes: Fakes) -> None:
    fakes.lm = ScriptedLM(["${a short factoid answer, often between 1 and 5 words}", "ColBERTv2"])
    done = dsp("ask", "--trace", QUESTION)
    assert "Remark: stage 'answer': Answer: was followed by a placeholder\n" in done.out
    assert "Remark: drawn again: stage 'answer': no 'Answer:' in the completion" in done.out
    assert "Remark" not in dsp("ask", QUESTION).out


@dataclass
class Narrow(ScriptedLM):
    def fitted(self, request: Request) -> Request:
        return cut_to(300, request, lambda one: len(one.prompt.split()), self.name)


def test_the_trace_and_the_document_say_what_was_cut(dsp: Command, fakes: Fakes) -> None:
    fakes.lm = Narrow(lambda request: "ColBERTv2")
    whole = dsp("ask", "--trace", QUESTION).out
    assert "cut:" not in whole
    question = QUESTION + " why" * 80
    done = dsp("ask", "--trace", question).out
    assert "\n     cut: passage 2\n" in done
    first = dsp("ask", "--no-call", question)
    assert first.err == "Note: cut, so that it fits the model's window: passage 2\n"
    assert dsp("ask", "--no-call", "--json", question).json["cut"] == ["passage 2"]
    crossing = dsp("ask", "--trace", "--json", question).json["trace"][1]
    assert crossing["cached"] is True
    assert crossing["replies"][0]["cut"] == ["passage 2"]
    assert "[2]" not in crossing["request"]["prompt"]
