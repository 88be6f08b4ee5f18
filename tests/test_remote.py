from dsp.remote import Endpoint
from dsp.types import JSON
from tests.faultserver import FaultServer, healthy, prompt_hash

ASK: dict[str, JSON] = {"model": "m", "messages": [{"role": "user", "content": "Who?"}]}


def test_a_healthy_server_answers_chat_text_and_embeddings() -> None:
    with FaultServer(lambda seen: healthy) as server:
        endpoint = Endpoint(server.url, "sk-test")
        chat = endpoint.chat(ASK)
        text = endpoint.text({"model": "m", "prompt": "Who?", "n": 2})
        vectors = endpoint.embed("m", ["a", "bcd"])
        endpoint.close()
    assert chat.choices[0].text == prompt_hash(ASK)
    assert (chat.prompt_tokens, chat.completion_tokens) == (7, 3)
    assert [choice.finish for choice in text.choices] == ["stop", "stop"]
    assert vectors.rows == ((1.0, 1.0), (3.0, 1.0))
    assert [seen.path for seen in server.seen] == ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]
    assert all(seen.headers["authorization"] == "Bearer sk-test" for seen in server.seen)
    assert server.connections == 1
