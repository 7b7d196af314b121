"""The program that Lambda starts: whether it can be started at all."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.binary.elf import MAGIC
from snapboot_devkit.package.checks.finding import Finding, error, note, warning
from snapboot_devkit.package.checks.layout import LAYER, TASK, PackageKind, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.subject import Subject

_NAME: Final = "bootstrap"
_IMAGE_BOOTSTRAP: Final = "var/runtime/bootstrap"
# What the kernel reads of a first line (BINPRM_BUF_SIZE).
_SHEBANG_BYTES: Final = 256
# Programs that provided.al2023 has; no Python is among them.
_SYSTEM: Final = frozenset(
    {"/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash", "/usr/bin/env", "/bin/env"}
)


def path_of(subject: Subject) -> str:
    """Return where the package has its bootstrap, if it has one."""
    image = subject.layout.form is PackageKind.IMAGE
    return _IMAGE_BOOTSTRAP if image else f"{subject.layout.task}{_NAME}"


def check(subject: Subject) -> Iterator[Finding]:
    """Find a bootstrap that is missing, or that Lambda cannot start."""
    path = path_of(subject)
    if not subject.package.is_file(path):
        yield from _missing(subject, path)
    elif subject.layout.form is not PackageKind.CONTEXT and subject.place is Place.MANAGED:
        yield note("bootstrap-unused", path, "a managed runtime does not start it", "leave it out")
    else:
        yield from _startable(subject, path)


def _missing(subject: Subject, path: str) -> Iterator[Finding]:
    if subject.place is Place.PROVIDED and subject.layout.form is PackageKind.CODE:
        yield note(
            "bootstrap-missing",
            path,
            "the code has no bootstrap: without a layer that has one it cannot start "
            "(Runtime.InvalidEntrypoint)",
            "add the layer, or package with snapboot package --as zip",
        )


def _startable(subject: Subject, path: str) -> Iterator[Finding]:
    entry = subject.package.entries[path]
    if not entry.others_may(stat.S_IXOTH):
        yield error(
            "bootstrap-mode",
            path,
            f"Lambda's user cannot execute it: its mode is {entry.mode or 0:04o}",
            "chmod a+rx, or snapboot audit --fix",
        )
    start = subject.package.head(path, _SHEBANG_BYTES)
    if start is None or start.startswith(MAGIC):
        return
    if not start.startswith(b"#!"):
        yield error(
            "bootstrap-format",
            path,
            "it is neither a program nor begins with #!",
            "begin it with the interpreter: #!/bin/sh",
        )
        return
    yield from _shebang(subject, path, start.partition(b"\n")[0])


def _shebang(subject: Subject, path: str, line: bytes) -> Iterator[Finding]:
    if line.endswith(b"\r"):
        yield error(
            "bootstrap-crlf",
            path,
            "its lines end with CR LF, and the CR becomes a part of the interpreter's name",
            "save it with LF, or snapboot audit --fix",
        )
    words = line[2:].decode("utf-8", "replace").split()
    if not words:
        yield error("bootstrap-format", path, "its #! names no interpreter", "name it: #!/bin/sh")
    elif reason := _unknown(subject, words):
        yield reason


def _unknown(subject: Subject, words: list[str]) -> Finding | None:
    """Return what is wrong with the interpreter that a bootstrap names."""
    path, program = path_of(subject), words[0]
    inside = subject.layout.in_package(program)
    if inside is not None and subject.layout.form is not PackageKind.IMAGE:
        return _inside(subject, path, program, inside)
    if subject.place is Place.IMAGE:
        return None  # the rest of the image is not looked at
    if program.startswith((LAYER, TASK)):
        return warning(
            "bootstrap-interpreter",
            path,
            f"its interpreter {program!r} is not in this package: it must come with another part",
            "add the layer or the code that it is in",
        )
    started = (
        [word for word in words[1:] if not word.startswith("-")] if program.endswith("/env") else []
    )
    if program in _SYSTEM and not any(word.startswith("python") for word in started):
        return None
    return error(
        "bootstrap-interpreter",
        path,
        f"its interpreter {(started or words)[0]!r} is neither in the package nor in "
        "provided.al2023",
        "bring the interpreter along: snapboot package --as zip or --as layer",
    )


def _inside(subject: Subject, path: str, program: str, inside: str) -> Finding | None:
    entry = subject.package.entries.get(inside)
    if entry is None:
        return error(
            "bootstrap-interpreter",
            path,
            f"its interpreter {program!r} is not in the package",
            "package again with the interpreter, or name one that is there",
        )
    if entry.others_may(stat.S_IXOTH):
        return None
    return error(
        "bootstrap-interpreter",
        inside,
        f"Lambda's user cannot execute the interpreter: its mode is {entry.mode or 0:04o}",
        "chmod a+rx, or snapboot audit --fix",
    )
