"""What packaging has made once and would make the same again, kept in the user's cache folder.

Entries are found by a digest of all that they were made from, so none is ever out of date, and each
has a digest of its own, so that a damaged one is ignored. Without a folder that can be written to
nothing is kept, and nothing is lost but time.
"""

from __future__ import annotations

import contextlib
import os
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

try:
    import sqlite3
except ImportError:  # a build of Python without it
    sqlite3 = None  # type: ignore[assignment]

from snapboot import __version__
from snapboot_devkit.host.protocol import KIB, MIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

MAX_BYTES: Final = 1024 * MIB
_NAME: Final = "package-3.db"
_FORMER: Final = ("package-1.db", "package-2.db")
# Most entries are some kilobytes; by small pages each would take several reads.
_PAGE_BYTES: Final = 32 * KIB
_DIGEST_BYTES: Final = 20
_BUSY_S: Final = 2.0
# What is noted of an entry is apart from its content, which may be megabytes: SQLite reads and
# writes whole rows.
_SCHEMA: Final = (
    f"PRAGMA page_size = {_PAGE_BYTES}",
    """CREATE TABLE IF NOT EXISTS entry (
        key BLOB PRIMARY KEY, digest BLOB NOT NULL, size INTEGER NOT NULL, used INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS content (key BLOB PRIMARY KEY, content BLOB NOT NULL)",
)
# When an entry was used last is noted to the day.
_DAY_S: Final = 24 * 3600
# What a newer snapboot makes of the same may be something else: its version is a part of every key,
# and so is this number, which changes with the form of any entry between two versions.
_FORMAT: Final = b"5"
# What is joined before it is hashed: calls cost more than so many bytes.
_SMALL_BYTES: Final = 4096
# SQLite takes no more variables in a statement (SQLITE_MAX_VARIABLE_NUMBER of old builds).
_MANY: Final = 500


def digest(*parts: bytes) -> bytes:
    """Return what stands for these parts and no others."""
    found = sha256()  # which processors have instructions for
    small = b""
    for part in parts:
        small += len(part).to_bytes(8, "little")
        if len(part) > _SMALL_BYTES:
            found.update(small)
            found.update(part)
            small = b""
        else:
            small += part
    found.update(small)
    return found.digest()[:_DIGEST_BYTES]


def _key(key: bytes) -> bytes:
    """Return an entry's key in the file."""
    return digest(__version__.encode(), _FORMAT, key)


def folder() -> Path | None:
    """Return where caches of this user's are; None for one without a home folder."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    if Path(home).is_absolute():
        return Path(home) / "snapboot"
    try:
        return Path.home() / ".cache" / "snapboot"
    except RuntimeError:  # no HOME, and a user id that the system has no name for
        return None


class Store:
    """Entries by their keys. Use it by `with`; one that cannot be opened holds nothing."""

    def __init__(self, place: Path | None) -> None:
        """Open the file in a folder; None keeps nothing."""
        self._database: sqlite3.Connection | None = None
        if place is None or sqlite3 is None:
            return
        with contextlib.suppress(OSError, sqlite3.Error):
            place.mkdir(parents=True, exist_ok=True)
            for name in _FORMER:
                (place / name).unlink(missing_ok=True)
            database = sqlite3.connect(place / _NAME, timeout=_BUSY_S)
            try:
                for statement in _SCHEMA:
                    database.execute(statement)
            except BaseException:
                database.close()
                raise
            self._database = database

    def __repr__(self) -> str:
        return f"<Store {'open' if self._database else 'closed'}>"

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def find(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return what there is for these keys."""
        wanted = {_key(key): key for key in keys}
        inner = list(wanted)
        found: dict[bytes, bytes] = {}
        for start in range(0, len(inner), _MANY):
            part = inner[start : start + _MANY]
            marks = ",".join("?" * len(part))
            rows = self._run(
                "SELECT key, content, digest FROM entry JOIN content USING (key) "  # noqa: S608
                f"WHERE key IN ({marks})",
                part,
            )
            found |= {
                wanted[key]: content for key, content, check in rows if digest(content) == check
            }
        return found

    def keep(self, entries: Mapping[bytes, bytes], used: Iterable[bytes] = ()) -> None:
        """Keep entries, and note which others were `used`: of too many the oldest go."""
        if self._database is None or sqlite3 is None:
            return
        now = int(time.time())
        rows = [(_key(key), digest(content), len(content), now) for key, content in entries.items()]
        contents = [(row[0], content) for row, content in zip(rows, entries.values(), strict=True)]
        with contextlib.suppress(sqlite3.Error), self._database:
            execute = self._database.executemany
            execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)", rows)
            execute("INSERT OR REPLACE INTO content VALUES (?, ?)", contents)
            if entries:  # a run that added nothing has pushed nothing out
                again = [(now, _key(key), now - _DAY_S) for key in used]
                execute("UPDATE entry SET used = ? WHERE key = ? AND used < ?", again)
                self._shrink()

    def _shrink(self) -> None:
        assert self._database is not None
        (total,) = self._database.execute("SELECT SUM(size) FROM entry").fetchone()
        if total <= MAX_BYTES:
            return
        total = 0
        newest = self._database.execute("SELECT key, size FROM entry ORDER BY used DESC").fetchall()
        gone = [(key,) for key, size in newest if (total := total + size) > MAX_BYTES]
        for table in ("entry", "content"):
            self._database.executemany(f"DELETE FROM {table} WHERE key = ?", gone)  # noqa: S608

    def _run(self, statement: str, values: list[bytes]) -> list[tuple[bytes, bytes, bytes]]:
        if self._database is None or sqlite3 is None:
            return []
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error:  # damaged, or locked for longer than is worth waiting for
            return []


# Holds nothing and keeps nothing.
NOTHING: Final = Store(None)
