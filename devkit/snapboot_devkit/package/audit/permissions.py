"""What Lambda's user cannot read: it is neither the files' owner nor in their group."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.audit.subject import Subject
from snapboot_devkit.package.checks.contents import Kind
from snapboot_devkit.package.checks.finding import Finding, counted, error, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.checks.contents import PackageEntry

_REMEDY: Final = "chmod -R a+rX, or snapboot audit --fix"
_ENTER: Final = stat.S_IROTH | stat.S_IXOTH


def check(subject: Subject) -> Iterator[Finding]:
    """Find files without read permission for others, and folders they cannot enter and list."""
    closed = [entry.path for entry in subject.package.entries.values() if is_closed(entry)]
    folders = [path for path in closed if subject.package.entries[path].kind is Kind.FOLDER]
    files = [path for path in closed if subject.package.entries[path].kind is Kind.FILE]
    if files:
        yield _finding("unreadable-file", files, "file", "read")
    if folders:
        yield _finding("closed-folder", folders, "folder", "enter and list")
    yield from _odd_names(subject)


def is_closed(entry: PackageEntry) -> bool:
    """Tell whether Lambda's user cannot use a file or folder."""
    if entry.mode is None:
        return False
    if entry.kind is Kind.FOLDER:
        return entry.mode & _ENTER != _ENTER
    return entry.kind is Kind.FILE and not entry.mode & stat.S_IROTH


def opened(entry: PackageEntry) -> int:
    """Return the mode that lets Lambda's user use it, as `chmod a+rX` would set it."""
    mode = (entry.mode or 0) | 0o444
    runs = entry.kind is Kind.FOLDER or mode & 0o111
    return mode | 0o111 if runs else mode


def _finding(code: str, paths: list[str], noun: str, verb: str) -> Finding:
    return error(
        code,
        paths[0] if len(paths) == 1 else "",
        f"Lambda's user, neither owner nor in the group, cannot {verb} "
        f"{counted(len(paths), noun)}: {listed(paths)}",
        _REMEDY,
    )


def _odd_names(subject: Subject) -> Iterator[Finding]:
    for path in subject.package.entries:
        try:
            path.encode()
        except UnicodeEncodeError:
            yield error("bad-name", path, f"its name {path!r} is not UTF-8", "rename it")
