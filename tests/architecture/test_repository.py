"""What must never be committed: a path of somebody's machine, a secret, results of a benchmark's data."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MACHINE = re.compile(r"(?<![A-Za-z0-9_.\-/])/(?:work|farm|root|home/[a-z]+|Users/[a-z]+)/[A-Za-z.]")
SECRET = re.compile(r"sk-[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----")


def tracked_texts() -> list[tuple[str, str]]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    texts = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (data := path.read_bytes())[:1024]:
            texts.append((name, data.decode("utf-8", errors="replace")))
    return texts


def test_no_path_of_a_machine_and_no_secret_is_tracked() -> None:
    texts = tracked_texts()
    assert len(texts) > 50, "the list of tracked files is not what it should be"
    found = [
        f"{name}: {match.group()}"
        for name, text in texts
        if name != "tests/architecture/test_repository.py"
        for pattern in (MACHINE, SECRET)
        for match in pattern.finditer(text)
    ]
    assert not found, found
