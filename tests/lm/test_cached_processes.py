"""Several processes with several threads on one cache: each key is asked once, whoever asks it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dsp.testing.answers import prompt_hash
from dsp.testing.faults import FaultServer, control

ROOT = Path(__file__).parents[2]
WORKER = """
import json, random, sys, threading
from pathlib import Path
from dsp.lm.cached import CachedLM
from dsp.lm.openai import OpenAILM
from dsp.record.journal import Journal
from dsp.trace import Trace, TracedLM
from tests.lm.test_cached import ask

path, url, number, keys, calls = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
journal, lm, got = Journal(path, patience=60), OpenAILM("m", url, style="text"), {}


def work(thread):
    chance = random.Random(f"{thread} {number % 2}")
    for _ in range(calls):
        batch = [str(key) for key in chance.sample(range(keys), 3)]
        trace = Trace(journal=journal)
        trace.begin({})
        replies = TracedLM(CachedLM(lm, journal), trace).complete([ask(question) for question in batch])
        trace.end({})
        for question, reply in zip(batch, replies, strict=True):
            got.setdefault(question, set()).add(reply.completions[0].text)


print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({question: sorted(texts) for question, texts in got.items()}))
"""


@pytest.mark.parametrize(("keys", "calls"), [(40, 10), pytest.param(500, 170, marks=pytest.mark.slow)])
def test_processes_and_threads_that_share_a_cache_ask_each_key_once(tmp_path: Path, keys: int, calls: int) -> None:
    """Four processes of eight threads; the slow form makes 16,320 calls, in threes, over 500 keys."""
    with FaultServer(control) as server:
        arguments = [tmp_path / "journal" / "journal.sqlite3", server.url]
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, *map(str, arguments), str(number), str(keys), str(calls)],
                cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for number in range(4)
        ]  # fmt: skip
        for worker in workers:
            assert worker.stdout is not None and worker.stdin is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
        ended = [worker.communicate(timeout=1200) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, [error[-2000:] for _, error in ended]
    prompts = [str(seen.json["prompt"]) for seen in server.seen]
    answers: dict[str, set[str]] = {}
    for out, _ in ended:
        for question, texts in json.loads(out).items():
            answers.setdefault(question, set()).update(texts)
    assert all(len(texts) == 1 for texts in answers.values()), "a question got two answers"
    assert {text for texts in answers.values() for text in texts} == {prompt_hash({"prompt": p}) for p in prompts}
    assert len(prompts) == len(set(prompts)) == len(answers)
