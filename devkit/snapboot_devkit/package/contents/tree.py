"""A function's own code, taken from its source folder: what is left out, and what is refused."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.errors import SourceError
from snapboot_devkit.host.sources import unpacking
from snapboot_devkit.host.sources.unpacking import Budget, Tree
from snapboot_devkit.package import scratch
from snapboot_devkit.package.checks import secrets
from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# Names of files and folders that are never a part of a function, in any folder.
LEFT_OUT: Final = frozenset(
    {
        ".git", ".hg", ".svn", ".gitignore", ".gitattributes", ".github",
        ".venv", ".tox", ".nox", ".eggs", "node_modules",
        "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".coverage",
        ".ipynb_checkpoints", ".idea", ".vscode", ".DS_Store",
        ".aws-sam", "cdk.out", ".terraform", ".serverless",
    }
)  # fmt: skip
# What the packager itself puts at the top.
OWN_FOLDER: Final = ".snapboot"
ARCHIVE: Final = "snapboot.modules"
BOOTSTRAP: Final = "bootstrap"


@dataclass(slots=True)
class Copied:
    """What came of a source folder.

    `replaced` are files of it that took the place of a dependency's, `private` those left out since
    they may hold secrets, `kept` those that were asked for all the same.
    """

    replaced: list[str] = field(default_factory=list)
    private: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def copy(  # noqa: PLR0913 - each is a rule of its own
    source: Path,
    target: Path,
    *,
    max_bytes: int,
    spare: Path,
    bootstrap: bool,
    kept: Collection[str] = (),
) -> Copied:
    """Copy a function's source over what is in `target`, which exists.

    `spare` is left out: the folder for the output may be inside of the source. With `bootstrap`
    the package has one, and the source must not. `kept` are files, relative to the source, that go
    in although they may hold secrets. Raises PackageError.
    """
    if not source.is_dir():
        raise PackageError(
            f"the source {str(source)!r} is not a folder; give the one that holds the function"
        )
    if source.resolve() == spare.resolve():
        raise PackageError(
            f"the output {str(spare)!r} is the source itself; name another folder by --output"
        )
    if bootstrap and (source / BOOTSTRAP).exists():
        raise PackageError(
            f"{str(source / BOOTSTRAP)!r} is in the way: Lambda would start it instead of the "
            "package's; rename it, or leave ours out by --no-interpreter"
        )
    copied = Copied()
    selection = _Selection(source, target, spare, copied, frozenset(map(os.path.normpath, kept)))
    tree = Tree(target, Budget(max_bytes), source)
    try:
        unpacking.copy_folder(source, tree, selection.takes)
    except SourceError as exc:
        raise PackageError(str(exc)) from exc
    if absent := selection.kept - set(copied.kept):
        raise PackageError(
            f"there is no file {min(absent)!r} in {str(source)!r} to be kept; give its path from "
            "there by --keep"
        )
    return copied


def walk(source: Path, *, spare: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk through what `copy` would look at in a source folder, in order; see `os.walk`."""
    for parent, inner, names in os.walk(source):
        here = Path(parent)
        inner[:] = [
            name
            for name in sorted(inner)
            if name not in LEFT_OUT
            and here / name != spare
            and not (here / name / "pyvenv.cfg").is_file()
        ]
        yield parent, inner, [name for name in sorted(names) if name not in LEFT_OUT]


def sources(source: Path, *, spare: Path) -> Iterator[Path]:
    """Yield the Python files of a source folder that `copy` would take."""
    for parent, _, names in walk(source, spare=spare):
        yield from (Path(parent, name) for name in names if name.endswith(".py"))


@dataclass(frozen=True, slots=True)
class _Selection:
    source: Path
    target: Path
    spare: Path
    copied: Copied
    kept: frozenset[str]

    def takes(self, entry: str, found: os.DirEntry[str]) -> bool:
        """Tell whether a file or folder of the source goes into the package."""
        if entry in {OWN_FOLDER, ARCHIVE} or found.name in LEFT_OUT or self._is_spare(found):
            return False
        if found.name.startswith(scratch.PREFIX):  # of a run that was killed
            return False
        if self._is_private(entry, found):
            self.copied.private.append(entry)
            return False
        _check_name(entry, self.source)
        if found.is_symlink():
            self._check_link(entry, found)
        elif found.is_dir():
            return not _is_virtual_environment(found)
        elif _is_cached(found):
            return False
        if os.path.lexists(self.target / entry):
            self.copied.replaced.append(entry)
        return True

    def _is_private(self, entry: str, found: os.DirEntry[str]) -> bool:
        """Tell whether it may hold secrets; a folder is looked into, unless its name says so."""
        if entry in self.kept:
            self.copied.kept.append(entry)
            return False
        if os.path.isdir(found.path):  # noqa: PTH112 - False where a link leads to itself
            return found.name.startswith(secrets.ENV) and not _is_virtual_environment(found)
        return secrets.is_secret(entry, lambda size: _head(Path(found.path), size))

    def _is_spare(self, found: os.DirEntry[str]) -> bool:
        if not found.is_dir(follow_symlinks=False):
            return False
        return Path(found.path).resolve() == self.spare.resolve()

    def _check_link(self, entry: str, found: os.DirEntry[str]) -> None:
        if not Path(found.path).exists():
            raise PackageError(
                f"cannot take {entry!r} of {str(self.source)!r}: it links to "
                f"{os.readlink(found.path)!r}, which leads nowhere; remove it"  # noqa: PTH115
            )


def _head(path: Path, size: int) -> bytes:
    """Return the first bytes of a file; none of another, or of one that copying will refuse."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def _is_virtual_environment(found: os.DirEntry[str]) -> bool:
    return Path(found.path, "pyvenv.cfg").is_file()


def _check_name(entry: str, source: Path) -> None:
    try:
        entry.encode()
    except UnicodeEncodeError:
        raise PackageError(
            f"cannot take {os.fsencode(entry)!r} of {str(source)!r}: its name is not UTF-8, as "
            "names in a zip are; rename it"
        ) from None


def _is_cached(found: os.DirEntry[str]) -> bool:
    """Tell whether a file is old bytecode beside its source."""
    return found.name.endswith((".pyc", ".pyo")) and Path(found.path[:-1]).is_file()
