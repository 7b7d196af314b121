"""A folder around the whole code, as zipping a folder from outside leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapboot_devkit.package.checks.finding import Finding, error
from snapboot_devkit.package.checks.layout import PackageKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.subject import Subject
    from snapboot_devkit.package.checks.contents import Package


def check(subject: Subject) -> Iterator[Finding]:
    """Find that nothing but a folder is at the top, so that no handler was found there."""
    if subject.layout.form is not PackageKind.CODE or subject.compiled.work.start is not None:
        return  # the start is known where the handler was given, or the folder is a package
    if folder := enclosing(subject.package):
        yield error(
            "enclosing-folder", "", f"all files are in the folder {folder!r}", remedy(folder)
        )


def enclosing(package: Package) -> str | None:
    """Return the one folder that all files of a package are in."""
    tops = {path.partition("/")[0] for path in package.entries}
    (top,) = tops if len(tops) == 1 else (None,)
    return None if top is None or package.is_file(top) else top


def remedy(folder: str) -> str:
    """Return what to do about such a folder."""
    return (
        f"zip what is in it: (cd {folder} && zip -r ../function.zip .); or name the handler as "
        f"{folder}.module.function"
    )
