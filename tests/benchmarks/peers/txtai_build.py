"""An index of txtai built with its default runtime: python txtai_build.py FILE MODEL-FOLDER; one JSON line."""

import json
import sys
import tempfile
import time
from pathlib import Path

began, cpu = time.perf_counter(), time.process_time()
from txtai import Embeddings  # noqa: E402

texts = [json.loads(line)["text"] for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
imported = time.perf_counter() - began
embeddings = Embeddings(
    path=sys.argv[2], instructions={"query": "query: ", "data": "passage: "}, content=True, hybrid=True
)
embeddings.index(enumerate(texts))
indexed = time.perf_counter() - began
with tempfile.TemporaryDirectory() as folder:
    embeddings.save(f"{folder}/index")
stages = {"imported": imported, "indexed": indexed}
print(
    json.dumps(
        {
            "passages": embeddings.count(),
            "stages": stages,
            "cpu_s": time.process_time() - cpu,
            "wall_s": time.perf_counter() - began,
        }
    )
)
