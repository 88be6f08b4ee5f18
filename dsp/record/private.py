"""Folders that only their owner can enter."""

from pathlib import Path


def private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, with mode 0700; one that is there stays as it is.

    `Path.mkdir` gives the mode to the last one only.
    """
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
