"""An index of LlamaIndex built with its default runtime: llamaindex_build.py FILE MODEL-FOLDER; one JSON line."""

import json
import sys
import tempfile
import time
from pathlib import Path

began, cpu = time.perf_counter(), time.process_time()
from llama_index.core import VectorStoreIndex  # noqa: E402
from llama_index.core.schema import TextNode  # noqa: E402
from llama_index.embeddings.huggingface import HuggingFaceEmbedding  # noqa: E402

texts = [json.loads(line)["text"] for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
imported = time.perf_counter() - began
model = HuggingFaceEmbedding(
    model_name=sys.argv[2], query_instruction="query: ", text_instruction="passage: ", device="cpu"
)
index = VectorStoreIndex([TextNode(id_=str(n), text=text) for n, text in enumerate(texts)], embed_model=model)
indexed = time.perf_counter() - began
with tempfile.TemporaryDirectory() as folder:
    index.storage_context.persist(folder)
stages = {"imported": imported, "indexed": indexed}
print(
    json.dumps(
        {
            "passages": len(index.docstore.docs),
            "stages": stages,
            "cpu_s": time.process_time() - cpu,
            "wall_s": time.perf_counter() - began,
        }
    )
)
