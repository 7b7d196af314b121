"""The packages that a function needs: their wheels laid out in a folder.

Where they are named is the business of `projects`.
"""

from __future__ import annotations

import contextlib
import re
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.contents import installed
from snapboot_devkit.package.contents.resolver import reason, uv_started
from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from snapboot_devkit.package.target import Target

_NO_WHEEL: Final = ("no usable wheels", "no wheels", "no matching platform", "building from source")
# What build backends say who look for a compiler.
_COMPILES: Final = (
    "gcc", "g++", "clang", "cc1", "error: command", "Rust", "cargo", "cmake", "CMake", "meson",
    "ninja", "Unable to find a compiler", "Unknown compiler", "Python.h",
)  # fmt: skip
_BUILT: Final = re.compile(r"(?m)^\s*Built (\S+)")


@dataclass(frozen=True, slots=True)
class Requirements:
    """What to install, as arguments of `uv pip install`, and where it is written, for people.

    With `build` source distributions are built where there is no wheel, by running their code.
    """

    arguments: tuple[str, ...]
    origin: str
    build: bool = False


def install(requirements: Requirements, target: Target, folder: Path) -> list[str]:
    """Unpack the wheels of all requirements into a folder, the same bytes at every time.

    Return the packages that were built from source. Raises PackageError, which says which package
    cannot be had for the target, and why.
    """
    with installing(requirements, target, folder) as finish:
        return finish()


@contextlib.contextmanager
def installing(
    requirements: Requirements, target: Target, folder: Path
) -> Iterator[Callable[[], list[str]]]:
    """Begin to do what `install` does; yield what ends it."""
    build = requirements.build
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [
        "pip", "install",
        # uv looks at some interpreter; what it installs for is in the two options after it.
        # But whether that is one without the GIL, which it learns from the interpreter.
        "--python", str(target.free_threaded or sys.executable),
        "--python-platform", target.platform,
        "--python-version", target.version,
        "--target", str(folder),
        *(() if build else ("--only-binary", ":all:")),
        "--no-compile-bytecode",
        # As in an environment of uv's own: a copy takes some ten times as long. So nothing may be
        # written into what is unpacked; what changes is replaced.
        "--link-mode", "hardlink",
        *requirements.arguments,
    ]  # fmt: skip
    with uv_started(arguments) as finish:

        def finish_installing() -> list[str]:
            done = finish()
            if done.status:
                words = reason(done.errors)
                raise PackageError(
                    f"cannot install what {requirements.origin} asks for, for {target}:\n"
                    f"{textwrap.indent(words, '  ')}\n{_remedy(words, target, build=build)}"
                )
            installed.normalise(folder)
            return sorted(set(_BUILT.findall(done.errors)))

        yield finish_installing


def _remedy(words: str, target: Target, *, build: bool) -> str:
    if build and any(sign in words for sign in _COMPILES):
        return (
            "It needs a compiler, and what that makes here may not run on Lambda: choose a version "
            f"that has a wheel for {target.platform}, or build one on Amazon Linux 2023 and name "
            "its folder in UV_FIND_LINKS"
        )
    if any(sign in words for sign in _NO_WHEEL):
        source = "" if build else ", have it built here by --build-sdists, which runs its code"
        return (
            f"Choose a version that has a wheel for {target.platform}{source}, or build one and "
            "name its folder in UV_FIND_LINKS"
        )
    return "Correct the requirement, or choose the index by UV_DEFAULT_INDEX or UV_FIND_LINKS"
