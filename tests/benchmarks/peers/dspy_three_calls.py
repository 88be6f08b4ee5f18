"""The same three calls in DSPy through its `Evaluate`: python dspy_three_calls.py BASE_URL AT_ONCE QUESTIONS."""

import json
import resource
import sys
import time

import dspy

BASE_URL, AT_ONCE, N = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


class ThreeCalls(dspy.Module):
    def __init__(self):
        super().__init__()
        self.hop = dspy.ChainOfThought("context,question->query")
        self.answer = dspy.ChainOfThought("context,question->answer")

    def forward(self, question):
        context = ""
        for _ in range(2):
            self.hop(context=context, question=question)
            context += "passage " * 50
        return self.answer(context=context, question=question)


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(at_once, n):
    dev = [dspy.Example(question=f"q{i}", answer="Paris").with_inputs("question") for i in range(n)]
    evaluate = dspy.Evaluate(
        devset=dev,
        metric=lambda example, prediction, trace=None: prediction.answer == example.answer,
        num_threads=at_once,
        display_progress=False,
    )
    before, started = cpu(), time.perf_counter()
    score = evaluate(ThreeCalls()).score
    seconds = time.perf_counter() - started
    return {"qps": n / seconds, "cpu_ms": (cpu() - before) / (3 * n) * 1000, "score": score}


dspy.configure(lm=dspy.LM("openai/dspy", api_base=BASE_URL, api_key="x", cache=False))
measured(4, 8)
print(json.dumps(measured(AT_ONCE, N)))
