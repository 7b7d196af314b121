"""Where a package is to run: the Python version, the architecture and the C library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from pathlib import Path

# The runtime's own range; see `requires-python`.
OLDEST_PYTHON: Final = (3, 11)
# Of provided.al2023 (user guide of Amazon Linux 2023, "core-glibc").
MAX_GLIBC: Final = (2, 34)

_VERSION: Final = re.compile(r"3\.(\d{1,2})(?:\.\d+)?")
_FREE_THREADED: Final = re.compile(r"3\.\d{1,2}(?:\.\d+)?t")


class Architecture(StrEnum):
    """A processor architecture by Lambda's name."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


class Libc(StrEnum):
    """The C library that an image has; provided.al2023 has glibc."""

    GLIBC = "glibc"
    MUSL = "musl"


@dataclass(frozen=True, slots=True)
class Target:
    """What the interpreter and the wheels of a package must fit. `python` is as (3, 13).

    `free_threaded` is the program of a build without the GIL, None for the usual ones: its compiled
    modules are others, and an installer learns from the program which.
    """

    python: tuple[int, int]
    architecture: Architecture
    libc: Libc = Libc.GLIBC
    free_threaded: Path | None = None

    def __str__(self) -> str:
        kind = "t" if self.free_threaded else ""
        return f"Python {self.version}{kind} on {self.architecture} ({self.libc})"

    @property
    def version(self) -> str:
        """The version as it is written: 3.13."""
        return f"{self.python[0]}.{self.python[1]}"

    @property
    def cache_tag(self) -> str:
        """What its bytecode has in its name: cpython-313."""
        return f"cpython-{self.python[0]}{self.python[1]}"

    @property
    def platform(self) -> str:
        """The platform by uv's name, for which wheels are chosen."""
        machine = MACHINES[self.architecture]
        if self.libc is Libc.MUSL:
            return f"{machine}-unknown-linux-musl"
        return f"{machine}-manylinux_{MAX_GLIBC[0]}_{MAX_GLIBC[1]}"


# As the kernel, wheels and `sysconfig` name them.
MACHINES: Final = {Architecture.X86_64: "x86_64", Architecture.ARM64: "aarch64"}


def parse_version(text: str) -> tuple[int, int]:
    """Return (3, 13) for `3.13` or `3.13.1`. Raises PackageError."""
    found = _VERSION.fullmatch(text)
    version = (3, int(found[1])) if found else None
    if version is None or version < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise PackageError(
            f"python {text!r} is neither a version from {oldest} up, such as 3.13, nor the folder "
            "of an interpreter; give one of them by --python"
        )
    return version


def is_version(text: str) -> bool:
    """Tell whether `--python` names a version and not a folder."""
    return _VERSION.fullmatch(text) is not None


def is_free_threaded(text: str) -> bool:
    """Tell whether `--python` names a version without the GIL: 3.14t."""
    return _FREE_THREADED.fullmatch(text) is not None
