from dsp import fields
from dsp.lm.openai import OpenAILM
from dsp.lm.protocol import Request
from dsp.template import Template
from dsp.types import Example
from tests.faultserver import FaultServer, error, healthy, then_healthy

QA = Template("Answer the question.", (fields.question(),), (fields.answer(),))


def ask(question: str = "Who?", **options: object) -> Request:
    return Request(template=QA, example=Example(question=question), **options)  # type: ignore[arg-type]


def test_chat_sends_messages_and_text_sends_the_prompt() -> None:
    with FaultServer(lambda seen: healthy) as server:
        chat, text = OpenAILM("m", server.url), OpenAILM("m", server.url, style="text")
        (one,) = chat.complete([ask()])
        (two,) = text.complete([ask()])
        chat.close()
        text.close()
    first, second = server.seen
    assert first.path == "/v1/chat/completions"
    assert [turn["role"] for turn in first.json["messages"]] == ["system", "user"]
    assert second.path == "/v1/completions"
    assert second.json["prompt"] == ask().prompt
    assert "authorization" not in first.headers
    assert one.completions[0].text != two.completions[0].text
    assert one.usage.prompt_tokens == 7


def test_a_refused_option_is_left_out_and_remembered() -> None:
    refusal = error(400, "Unsupported parameter: 'temperature' is not supported with this model.", param="temperature")
    with FaultServer(then_healthy(refusal)) as server:
        lm = OpenAILM("m", server.url)
        replies = lm.complete([ask("a"), ask("b")])
        lm.close()
    assert [reply.dropped for reply in replies] == [("temperature",), ("temperature",)]
    assert ["temperature" in seen.json for seen in server.seen] == [True, False, False]
