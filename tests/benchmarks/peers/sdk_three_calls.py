"""Three calls a question with the bare `openai` SDK on its aiohttp transport: BASE_URL AT_ONCE QUESTIONS."""

import asyncio
import json
import resource
import sys
import time

import openai

BASE_URL, AT_ONCE, N = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measured(at_once, n):
    client = openai.AsyncOpenAI(base_url=BASE_URL, api_key="x", http_client=openai.DefaultAioHttpClient())
    free = asyncio.Semaphore(at_once)

    async def question(i):
        async with free:
            for hop in range(3):
                await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": f"q{i} {hop} " + "passage " * (50 * hop + 60)}]
                )

    before, started = cpu(), time.perf_counter()
    await asyncio.gather(*(question(i) for i in range(n)))
    seconds = time.perf_counter() - started
    used = cpu() - before
    await client.close()
    return {"qps": n / seconds, "cpu_ms": used / (3 * n) * 1000}


asyncio.run(measured(4, 8))
print(json.dumps(asyncio.run(measured(AT_ONCE, N))))
