"""One SQLite file that only its owner reads: opened when first used, and every failure told as one of ours."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dsp.errors import Busy, DSPError, IntegrityError, StorageError
from dsp.record.private import private_folder

if TYPE_CHECKING:
    import sqlite3

_BUSY = frozenset({5, 6})
_STORAGE = frozenset({3, 8, 10, 13, 14})
_RETRY_SECONDS = 0.01
_OPENING = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = NORMAL",
)


class Database:
    """A file of tables behind one connection, for any number of threads and processes.

    `application` marks the file as ours, `version` is that of `schema`; a file of a newer version is refused.
    Raises Busy after `patience` seconds of waiting for another process, StorageError where the disk or the
    permissions forbid, IntegrityError where the file is not what was written.
    """

    def __init__(self, path: Path, *, schema: str, application: int, version: int, patience: float = 10.0) -> None:
        """Name the file; nothing is opened yet."""
        self.path = path
        self._schema = schema
        self._application = application
        self._version = version
        self._patience = patience
        self._lock = threading.RLock()
        self._open: tuple[int, sqlite3.Connection] | None = None
        self._openings = 0
        self._inherited: list[sqlite3.Connection] = []

    @contextmanager
    def reading(self) -> "Iterator[sqlite3.Connection]":
        """The connection, for one read; values come back as bytes and numbers, unchecked."""
        import sqlite3

        with self._lock:
            try:
                yield self._connection()
            except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
                raise self._told(error) from error

    @contextmanager
    def writing(self) -> "Iterator[sqlite3.Connection]":
        """The connection inside one transaction: all of it is kept or, where anything fails, none."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def state(self) -> tuple[int, int]:
        """Equal to an earlier one where no other connection has written to the file since."""
        with self.reading() as connection:
            return self._openings, _number(connection, "data_version")

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._lock:
            if self._open is not None and self._open[0] == os.getpid():
                self._open[1].close()
            self._open = None

    def _connection(self) -> "sqlite3.Connection":
        """The connection of this process: one that was opened before a fork is set aside, never used or closed."""
        if self._open is not None and self._open[0] == os.getpid():
            return self._open[1]
        if self._open is not None:
            self._inherited.append(self._open[1])
        import sqlite3

        self._prepare_folder()
        connection = sqlite3.connect(
            self.path, timeout=self._patience, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            connection.text_factory = bytes
            for pragma in _OPENING:
                connection.execute(pragma)
            self._check_version(connection)
        except BaseException:
            connection.close()
            raise
        self._open = (os.getpid(), connection)
        self._openings += 1
        return connection

    def _prepare_folder(self) -> None:
        """A folder and a file that nobody else can change; raises IntegrityError where somebody could."""
        folder = self.path.parent
        private_folder(folder)
        _require_own(folder, folder.stat())
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _require_own(self.path, os.fstat(descriptor))
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)

    def _check_version(self, connection: "sqlite3.Connection") -> None:
        found = _number(connection, "user_version")
        if found == 0 and _number(connection, "schema_version") == 0:
            self._create(connection)
            return
        if _number(connection, "application_id") != self._application:
            raise IntegrityError(f"{self.path} is a database of something else; move it away or set DSP_HOME")
        if found > self._version:
            raise StorageError(
                f"{self.path} has format {found} and this dsp reads up to {self._version}; "
                "upgrade dsp-qa or set DSP_HOME to another folder"
            )

    def _create(self, connection: "sqlite3.Connection") -> None:
        """Write the schema, unless another process did so while this one waited for the lock."""
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._write_ahead(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _number(connection, "user_version") == 0:
                for statement in filter(str.strip, self._schema.split(";")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {self._application}")
                connection.execute(f"PRAGMA user_version = {self._version}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _write_ahead(self, connection: "sqlite3.Connection") -> None:
        """Set the journal mode; SQLite does not wait for it, as it does for all else, where another begins the file."""
        import sqlite3

        patient_until = time.monotonic() + self._patience
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > patient_until:
                    raise
            time.sleep(_RETRY_SECONDS)

    def _told(self, error: Exception) -> DSPError:
        """What happened, in one line with the fix."""
        if isinstance(error, OSError):
            return StorageError(
                f"cannot open {self.path}: {error.strerror or error}; free or unlock the disk, or set DSP_HOME"
            )
        code = getattr(error, "sqlite_errorcode", 1) & 0xFF
        if code in _BUSY:
            return Busy(f"another process holds {self.path} for more than {self._patience:g} s; try again when it ends")
        if code in _STORAGE:
            return StorageError(
                f"cannot read or write {self.path}: {error}; free space or allow writing there, or set DSP_HOME"
            )
        return IntegrityError(f"{self.path} is damaged ({error}); move it away, a new one is started without it")


def _number(connection: "sqlite3.Connection", pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _require_own(path: Path, found: os.stat_result) -> None:
    """Refuse what another user owns or may write; a group that bears the user's own name has no other member."""
    if found.st_uid != os.geteuid():
        raise IntegrityError(f"{path} belongs to another user (uid {found.st_uid}); set DSP_HOME to your own folder")
    if found.st_mode & 0o002 or (found.st_mode & 0o020 and not _is_private(found.st_gid)):
        raise IntegrityError(f"{path} can be written by other users; run: chmod go-w '{path}'")


def _is_private(group: int) -> bool:
    import grp
    import pwd

    try:
        return grp.getgrgid(group).gr_name == pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
