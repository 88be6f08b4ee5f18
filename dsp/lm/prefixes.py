"""Evaluated beginnings of prompts, kept on disk: a program's instructions and demonstrations are read once, not daily.

A prompt begins with what a program always says (its template's lead). The evaluated state of that, about
12 kB a token for a model of 0.5 billion parameters, is loaded in milliseconds instead of seconds.
"""

import hashlib
import http.client
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dsp.lm.loopback import post
from dsp.record.private import private_folder

MOST_BYTES = 512 * 1024 * 1024
MOST_SAVED = 16


@dataclass
class Prefixes:
    """The states of one model's prefixes in a folder, and the model's server, asked over its loopback port.

    `settings` tells apart states that another runtime or context wrote. A file's name holds the sha256 of its bytes, so
    a damaged one is never loaded. Whatever fails here only costs time: the prefix is evaluated again. A process saves
    the first sixteen; after those, what comes a second time, since demonstrations that change with every question are
    not worth the disk.
    """

    folder: Path
    settings: str
    address: str
    api_key: str
    _held: str = field(default="", init=False)
    _seen: set[str] = field(default_factory=set, init=False)
    _saved: int = field(default=0, init=False)

    def prepare(self, prefix: str, evaluate: Callable[[str], object]) -> bool:
        """Have the model's one slot begin with a prompt's prefix, from the disk or evaluated and then saved.

        `evaluate` reads a text with the model; says whether the prefix was read so, now. The runtime's own memory of
        prompts is not relied on: it passes over a prefix that is less than a quarter of the prompt that it began.
        """
        if prefix == self._held:
            return False
        self._held, read = prefix, False
        if not prefix:
            return False
        with suppress(OSError, http.client.HTTPException):
            if kept := self._kept(prefix):
                if self._ask("restore", kept.name):
                    os.utime(kept)
                    return False
                kept.unlink(missing_ok=True)
            if self._saved < MOST_SAVED or self._key(prefix) in self._seen:
                evaluate(prefix)
                read = True
                self._save(prefix)
        self._seen.add(self._key(prefix))
        return read

    def _key(self, prefix: str) -> str:
        return hashlib.sha256(f"{self.settings}\n{prefix}".encode()).hexdigest()[:32]

    def _kept(self, prefix: str) -> Path | None:
        """The state of a prefix on disk; a damaged one is thrown away."""
        for path in self.folder.glob(f"{self._key(prefix)}-*.state"):
            if path.stem.partition("-")[2] == _sha256(path):
                return path
            path.unlink(missing_ok=True)
        return None

    def _save(self, prefix: str) -> None:
        private_folder(self.folder)
        new = self.folder / f"{secrets.token_hex(8)}.new"
        try:
            if self._ask("save", new.name):
                new.chmod(0o600)
                new.replace(self.folder / f"{self._key(prefix)}-{_sha256(new)}.state")
                self._saved += 1
        finally:
            new.unlink(missing_ok=True)
        self._trim()

    def _trim(self) -> None:
        """Delete the states that were used longest ago, beyond 512 MiB."""
        left = MOST_BYTES
        for path in sorted(self.folder.glob("*.state"), key=lambda p: p.stat().st_mtime_ns, reverse=True):
            left -= path.stat().st_size
            if left < 0:
                path.unlink(missing_ok=True)

    def _ask(self, action: str, name: str) -> bool:
        """Whether the server did it to its one slot."""
        status, _ = post(self.address, self.api_key, f"/slots/0?action={action}", {"filename": name})
        return status == http.client.OK


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
