"""One answer by the bare runtime: python bare_runtime.py FILE; prints the answer as one JSON line.

FILE holds JSON: `path` of a GGUF, `context` in tokens, and the `request` as the runtime takes it. Nothing of dsp is
imported; the settings are those of dsp/lm/embedded.py.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="0")

import xllamacpp


def answered(path: str, context: int, request: dict[str, Any]) -> dict[str, Any]:
    """Load the model, evaluate the prompt, write the answer."""
    wanted = xllamacpp.CommonParams()
    wanted.model.path = path
    wanted.n_ctx, wanted.n_parallel, wanted.kv_unified = context, 1, True
    wanted.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    wanted.no_extra_bufts = True
    wanted.cpuparams.n_threads = 1
    wanted.cpuparams_batch.n_threads = len(os.sched_getaffinity(0))
    wanted.fit_params, wanted.warmup, wanted.ui = False, False, False
    wanted.verbosity, wanted.offline = -1, True
    answer: dict[str, Any] = xllamacpp.Server(wanted).handle_completions(request)
    return {"text": answer["choices"][0]["text"], **answer["usage"]}


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8") as file:
        print(json.dumps(answered(**json.load(file))))
