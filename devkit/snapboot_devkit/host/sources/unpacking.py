"""Fills a folder from untrusted folders and zip files: nothing is written outside of it.

Later entries overwrite earlier ones, as layers do on Lambda. Of what a zip file says about itself
nothing is trusted.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from snapboot_devkit.host.errors import SourceError
from snapboot_devkit.host.protocol import KIB, MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # Returns of an entry, named relative to the folder with slashes, whether it is taken.
    Selection = Callable[[str, os.DirEntry[str]], bool]

# Lambda's quota for code, layers and a custom runtime together.
MAX_UNPACKED_BYTES: Final = 250 * MIB
# Lambda names no figure; more files than this is a mistake, such as a packed node_modules.
MAX_ENTRIES: Final = 100_000
_PIECE_BYTES: Final = 256 * KIB
_FILE_MODE: Final = 0o644
_FOLDER_MODE: Final = 0o755
# Without these the host itself could neither run nor remove what it has unpacked.
_OWNER_READS: Final = stat.S_IRUSR
_OWNER_ENTERS: Final = stat.S_IRWXU
_PERMISSIONS: Final = 0o777
_UNIX: Final = 3
_ENCRYPTED: Final = 0x1
_COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# The longest path that Linux takes.
_MAX_TARGET_BYTES: Final = 4096
# What `zipfile` and `zlib` raise for content that is not what the directory promised.
_DAMAGES: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)


class Budget:
    """What is left of the quota; every byte counts once it is really there."""

    def __init__(self, max_bytes: int = MAX_UNPACKED_BYTES, max_entries: int = MAX_ENTRIES) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._bytes = 0
        self._entries = 0

    def __repr__(self) -> str:
        return f"<Budget {self._bytes} of {self._max_bytes} bytes, {self._entries} entries>"

    def take_entry(self, source: Path) -> None:
        """Count a file, folder or link. Raises SourceError."""
        self._entries += 1
        if self._entries > self._max_entries:
            raise SourceError(
                f"cannot take {str(source)!r}: code and layers hold more than "
                f"{self._max_entries} files; leave out what the function does not need"
            )

    def take_bytes(self, size: int, source: Path, entry: str) -> None:
        """Count a piece of a file before it is written. Raises SourceError."""
        self._bytes += size
        if self._bytes > self._max_bytes:
            raise SourceError(
                f"cannot take {entry!r} of {str(source)!r}: code and layers together may take "
                f"{self._max_bytes} bytes unpacked; leave out what the function does not need"
            )


class Tree:
    """A root folder, the budget it is filled from, and the source being unpacked into it."""

    def __init__(self, root: Path, budget: Budget, source: Path) -> None:
        """Fill `root`, which exists, from `source`, which messages name."""
        self._root = Path(os.path.realpath(root))
        self._budget = budget
        self._source = source
        self._links: list[tuple[str, Path]] = []

    def __repr__(self) -> str:
        return f"<Tree {str(self._root)!r} from {str(self._source)!r}>"

    def refusal(self, entry: str, reason: str) -> SourceError:
        """Return the error that says why an entry cannot be taken, and what to do."""
        return SourceError(f"cannot take {entry!r} of {str(self._source)!r}: {reason}")

    def add_folder(self, entry: str, mode: int = 0) -> None:
        """Make a folder, unless it is there. `mode` 0 stands for unknown. Raises SourceError."""
        path = self._place(entry)
        with self._translating(entry):
            if not path.is_dir():
                path.unlink(missing_ok=True)
                path.mkdir()
            path.chmod(((mode & _PERMISSIONS) or _FOLDER_MODE) | _OWNER_ENTERS)

    def add_file(self, entry: str, content: BinaryIO, mode: int = 0) -> None:
        """Write a file; of its mode the permissions are kept. Raises SourceError."""
        path = self._place(entry)
        with self._translating(entry):
            self._clear_for_file(entry, path)
            with path.open("xb") as file:
                while piece := content.read(_PIECE_BYTES):
                    self._budget.take_bytes(len(piece), self._source, entry)
                    file.write(piece)
            path.chmod(((mode & _PERMISSIONS) or _FILE_MODE) | _OWNER_READS)

    def add_link(self, entry: str, target: str) -> None:
        """Make a symbolic link that stays inside. Raises SourceError."""
        path = self._place(entry)
        with self._translating(entry):
            self._clear_for_file(entry, path)
            path.symlink_to(target)
        self._links.append((entry, path))
        self._check_link(entry, path)

    def check(self) -> None:
        """Look at every link again: what a link leads to may have come after it."""
        for entry, path in self._links:
            self._check_link(entry, path)

    def _check_link(self, entry: str, path: Path) -> None:
        if path.is_symlink() and not self._holds(path):
            target = os.readlink(path)  # noqa: PTH115 - Path.readlink drops a trailing slash
            path.unlink()
            raise self.refusal(
                entry, f"it links to {target!r}, out of its folder; link relatively, to inside"
            )

    def _place(self, entry: str) -> Path:
        """Return where an entry belongs, with its parent made. Raises SourceError."""
        self._budget.take_entry(self._source)
        name = PurePosixPath(entry)
        if name.is_absolute() or ".." in name.parts or not name.parts:
            raise self.refusal(entry, "its name leads out of its folder; pack it again without")
        path = self._root / name
        with self._translating(entry):
            if not self._holds(path.parent):
                raise self.refusal(entry, "a link leads it out of its folder; pack it without")
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _clear_for_file(self, entry: str, path: Path) -> None:
        """Remove what a file replaces; never write through a link or into a shared file."""
        if path.is_dir() and not path.is_symlink():
            raise self.refusal(entry, "a folder of that name is there; rename one of the two")
        path.unlink(missing_ok=True)

    def _holds(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._root)

    @contextmanager
    def _translating(self, entry: str) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            reason = f"{exc.strerror or exc} (in {str(self._root)!r})"
            raise self.refusal(entry, f"{reason}; TMPDIR chooses another disk") from exc


# ---- folders ---------------------------------------------------------------------------------


def _everything(entry: str, found: os.DirEntry[str]) -> bool:
    del entry, found
    return True


def copy_folder(folder: Path, tree: Tree, takes: Selection = _everything) -> None:
    """Copy a folder, modes included: what is taken of it. Raises SourceError."""
    _copy(folder, "", tree, takes)
    tree.check()


def _copy(folder: Path, prefix: str, tree: Tree, takes: Selection) -> None:
    for found in _listing(folder):
        entry = f"{prefix}{found.name}"
        if not takes(entry, found):
            continue
        if found.is_symlink():
            tree.add_link(entry, os.readlink(found))  # noqa: PTH115 - keeps a slash at its end
        elif found.is_dir():
            tree.add_folder(entry, found.stat().st_mode)
            _copy(Path(found.path), f"{entry}/", tree, takes)
        elif found.is_file():
            with _opened(Path(found.path)) as content:
                tree.add_file(entry, content, found.stat().st_mode)
        else:
            raise tree.refusal(entry, "it is a device, a pipe or a socket; remove it")


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as exc:
        raise SourceError(
            f"cannot read {str(file)!r}: {exc.strerror or exc}; make it readable, or remove it"
        ) from exc


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as exc:
        raise SourceError(
            f"cannot read {str(folder)!r}: {exc.strerror or exc}; give a folder that can be read"
        ) from exc


# ---- zip files -------------------------------------------------------------------------------


def unpack_zip(archive: Path, tree: Tree) -> None:
    """Unpack a zip file. Raises SourceError."""
    try:
        if archive.stat().st_size > MAX_UNPACKED_BYTES:
            raise SourceError(
                f"{str(archive)!r} alone is larger than the {MAX_UNPACKED_BYTES} bytes that code "
                "and layers may take unpacked; leave out what the function does not need"
            )
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                _add(opened, entry, tree)
    except _DAMAGES as exc:
        raise SourceError(
            f"cannot read {str(archive)!r} as a zip file: {exc}; pack it again"
        ) from exc
    except OSError as exc:
        raise SourceError(
            f"cannot read {str(archive)!r}: {exc.strerror or exc}; give a zip that can be read"
        ) from exc
    tree.check()


def _add(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, tree: Tree) -> None:
    _check(entry, tree)
    mode = entry.external_attr >> 16 if entry.create_system == _UNIX else 0
    kind = stat.S_IFMT(mode)
    if entry.is_dir() or kind == stat.S_IFDIR:
        # "./" stands for the root itself, which is there.
        if entry.filename.strip("./"):
            tree.add_folder(entry.filename, mode)
        return
    if kind not in {0, stat.S_IFREG, stat.S_IFLNK}:
        raise tree.refusal(entry.filename, "it is a device or a pipe; pack it without")
    try:
        with archive.open(entry) as content:
            if kind == stat.S_IFLNK:
                tree.add_link(entry.filename, content.read(_MAX_TARGET_BYTES).decode())
            else:
                tree.add_file(entry.filename, cast("BinaryIO", content), mode)
    except _DAMAGES as exc:
        raise tree.refusal(entry.filename, f"it is damaged ({exc}); pack it again") from exc


def _check(entry: zipfile.ZipInfo, tree: Tree) -> None:
    if entry.flag_bits & _ENCRYPTED:
        raise tree.refusal(entry.filename, "it is encrypted; pack it without a password")
    if entry.compress_type not in _COMPRESSIONS:
        raise tree.refusal(
            entry.filename,
            f"Lambda does not know its compression method {entry.compress_type}; use deflate",
        )
