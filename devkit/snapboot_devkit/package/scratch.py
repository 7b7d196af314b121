"""Where a package grows, and how it comes to its place: whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from snapboot_devkit.host.protocol import KIB
from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = ".snapboot-package-"
# A disk with less than this is what made something fail that failed.
_NO_SPACE_BYTES: Final = 64 * KIB
# Between making a folder and locking it a run may be this slow.
ABANDONED_S: Final = 60.0
_NO_SPACE: Final = os.strerror(errno.ENOSPC)


class Removal:
    """Removes a folder of thousands of files while there is something else to do.

    Use it by `with`: at its end the folder is gone.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<Removal of {str(self._folder)!r}>"

    def __enter__(self) -> Self:
        """Return the removal, which has not begun."""
        return self

    def __exit__(self, *failure: object) -> None:
        """Wait for the program, and remove what it may have left."""
        if self._process is not None:
            self._process.wait()
        if self._folder is not None and self._folder.exists():
            shutil.rmtree(self._folder, ignore_errors=True)

    def begin(self, folder: Path) -> None:
        """Begin to remove a folder: by a program, since threads of Python's take turns."""
        self._folder = folder
        with contextlib.suppress(OSError):  # without it the end does it
            self._process = subprocess.Popen(
                ["rm", "-rf", "--", str(folder)],  # noqa: S607 - wherever the system has it
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is not for it
            )


@contextlib.contextmanager
def scratch(output: Path, removal: Removal | None = None) -> Iterator[Path]:
    """Make a folder inside of the output's, on the same disk; nothing of it is left in the end.

    If all goes well, `removal` removes it.

    An output folder that had to be made goes, too, if it is still empty, and so do such folders of
    runs that were killed. Raises PackageError, also in place of what fails as the disk is full.
    """
    made = _make_output(output)
    _remove_abandoned(output)
    folder, done = _make_inside(output), False
    try:
        with _locked(folder):
            yield folder
        done = True
    except (OSError, PackageError) as exc:
        raise _translated(exc, output) from exc
    finally:
        if done and removal:
            removal.begin(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        _remove_if_empty(made)


def check_place(place: Path) -> None:
    """Refuse a folder where a file will be put, before the work is done. Raises PackageError."""
    if place.is_dir() and not place.is_symlink():
        raise PackageError(
            f"{str(place)!r} is a folder, where {place.name} will be; move it away, or choose "
            "another --output"
        )


def put(made: Path, place: Path) -> None:
    """Move a file or folder to its place, over what an earlier run has left there."""
    if not made.is_dir():
        made.replace(place)
        return
    old = made.with_name(f"{made.name}.old")
    with contextlib.suppress(FileNotFoundError):
        place.rename(old)
    made.rename(place)


def _make_output(output: Path) -> list[Path]:
    """Make the output's folder; return those that were made, the innermost one first."""
    # Of what cannot be looked at, making it says why.
    missing = [path for path in (output, *output.parents) if not os.path.exists(path)]  # noqa: PTH110
    try:
        output.mkdir(parents=True, exist_ok=True)
    except FileExistsError as exc:
        raise PackageError(
            f"the output {str(output)!r} is not a folder; choose another --output"
        ) from exc
    except OSError as exc:
        raise PackageError(
            f"cannot make the output folder {str(output)!r}: {exc.strerror}; "
            "choose another --output"
        ) from exc
    return missing


def _make_inside(output: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=output)).resolve()
    except OSError as exc:
        raise PackageError(
            f"cannot write to the output folder {str(output)!r}: {exc.strerror}; "
            "choose another --output"
        ) from exc


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a folder for as long as this process lives; yield whether no other process has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = True
    except OSError:  # another run's, or a file system without locks
        free = False
    try:
        yield free
    finally:
        os.close(descriptor)


def _remove_abandoned(output: Path) -> None:
    """Remove what runs have left that were killed: no process holds its lock."""
    with contextlib.suppress(OSError):
        for folder in output.glob(f"{PREFIX}*"):
            if time.time() - folder.lstat().st_mtime < ABANDONED_S:
                continue
            with contextlib.suppress(OSError), _locked(folder) as free:
                if free:
                    shutil.rmtree(folder, ignore_errors=True)


def _translated(exc: OSError | PackageError, output: Path) -> PackageError:
    if _is_full(exc, output):
        return PackageError(
            f"the disk of the output {str(output)!r} is full; make room, or choose another --output"
        )
    if isinstance(exc, PackageError):
        return exc
    if exc.errno == errno.EFBIG:
        return PackageError(
            "cannot make the package: one of its files would be larger than this shell lets a "
            "program write; see 'ulimit -f', and set it to unlimited"
        )
    return PackageError(f"cannot make the package: {exc}; see to that file or folder")


def _is_full(exc: BaseException | None, output: Path) -> bool:
    """Tell whether that was the reason, also of a program's failure, which has words only."""
    if shutil.disk_usage(output).free < _NO_SPACE_BYTES:
        return True
    while exc is not None:
        if getattr(exc, "errno", None) in {errno.ENOSPC, errno.EDQUOT} or _NO_SPACE in str(exc):
            return True
        exc = exc.__cause__
    return False


def _remove_if_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)  # noqa: PTH106 - only ever an empty one
