"""Every measurement that docs/ quotes, one after the other: `make bench`."""

from tests.benchmarks import answers, retrieval, speed

if __name__ == "__main__":
    speed.main([])
    speed.main(["--only", "build", "--only", "peers", "--passages", "2000"])
    print(retrieval.table("digest"))
    for lm in ("extractive", "embedded:qwen2.5-coder-0.5b", "embedded:qwen2.5-coder-1.5b"):
        answers.main(["--lm", lm])
