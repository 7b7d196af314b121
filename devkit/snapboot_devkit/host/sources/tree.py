"""A folder that is filled from untrusted sources: nothing is ever written outside of it.

Later entries overwrite earlier ones, as layers do on Lambda.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Final

from snapboot_devkit.host.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.host.sources.budget import Budget

_PIECE_BYTES: Final = 256 * 1024
_FILE_MODE: Final = 0o644
_FOLDER_MODE: Final = 0o755
# Without these the host itself could neither run nor remove what it has unpacked.
_OWNER_READS: Final = stat.S_IRUSR
_OWNER_ENTERS: Final = stat.S_IRWXU
_PERMISSIONS: Final = 0o777


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
                _clear(path)
                path.mkdir()
            path.chmod(((mode & _PERMISSIONS) or _FOLDER_MODE) | _OWNER_ENTERS)

    def add_file(self, entry: str, content: BinaryIO, mode: int = 0) -> None:
        """Write a file; of its mode the permissions are kept. Raises SourceError."""
        path = self._place(entry)
        with self._translating(entry):
            if path.is_dir() and not path.is_symlink():
                raise self.refusal(entry, "a folder of that name is there; rename one of the two")
            _clear(path)
            with path.open("xb") as file:
                while piece := content.read(_PIECE_BYTES):
                    self._budget.take_bytes(len(piece), self._source, entry)
                    file.write(piece)
            path.chmod(((mode & _PERMISSIONS) or _FILE_MODE) | _OWNER_READS)

    def add_link(self, entry: str, target: str) -> None:
        """Make a symbolic link that stays inside. Raises SourceError."""
        path = self._place(entry)
        with self._translating(entry):
            if path.is_dir() and not path.is_symlink():
                raise self.refusal(entry, "a folder of that name is there; rename one of the two")
            _clear(path)
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

    def _holds(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._root)

    @contextmanager
    def _translating(self, entry: str) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            reason = f"{exc.strerror or exc} (in {str(self._root)!r})"
            raise self.refusal(entry, f"{reason}; TMPDIR chooses another disk") from exc


def _clear(path: Path) -> None:
    """Remove what an entry replaces; never write through a link or into a shared file."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
