"""A chat server that gives one fixed answer after a fixed delay: `python lm_server.py SECONDS`; prints its port.

Only the standard library, so that it runs in any environment. Model `dspy` is answered in DSPy's layout.
"""

import asyncio
import json
import sys

_DSPY = "\n\n".join(
    f"[[ ## {name} ## ]]\n{said}"
    for name, said in {"reasoning": "thinking", "query": "who wrote it", "answer": "Paris", "completed": ""}.items()
)
_OURS = "thinking\n\nSearch Query: who wrote it\n\nAnswer: Paris"


def _response(text: str) -> bytes:
    body = json.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def serve(seconds: float) -> None:
    """Answer until the process is ended."""
    to_dspy, to_others = _response(_DSPY), _response(_OURS)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
                body = await reader.readexactly(length)
                if seconds:
                    await asyncio.sleep(seconds)
                writer.write(to_dspy if b'"dspy"' in body else to_others)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
