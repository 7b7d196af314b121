"""The packages that a function needs: where they are named, and the wheels laid out in a folder."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.contents import installed
from snapboot_devkit.package.contents.resolver import reason, uv_run
from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from pathlib import Path

    from snapboot_devkit.package.target import Target

_NO_WHEEL: Final = ("no usable wheels", "no wheels", "no matching platform", "building from source")


@dataclass(frozen=True, slots=True)
class Requirements:
    """What to install, as arguments of `uv pip install`, and where it is written, for people."""

    arguments: tuple[str, ...]
    origin: str


def find(source: Path, given: Path | None, scratch: Path) -> Requirements | None:
    """Return a function's requirements, or None when nothing names any. Raises PackageError.

    What is given comes first; then the source's `requirements.txt`, its `uv.lock` (exported into
    the folder `scratch`), and the dependencies in its `pyproject.toml`.
    """
    if given is not None:
        if not given.is_file():
            raise PackageError(f"there is no requirements file {str(given)!r}; see --requirements")
        return _file(given)
    if (source / "requirements.txt").is_file():
        return _file(source / "requirements.txt")
    project = source / "pyproject.toml"
    if not project.is_file():
        return None
    if (source / "uv.lock").is_file():
        return _locked(source, scratch)
    return _file(project) if _names_dependencies(project) else None


def install(requirements: Requirements, target: Target, folder: Path) -> None:
    """Unpack the wheels of all requirements into a folder, the same bytes at every time.

    Raises PackageError, which says which package cannot be had for the target, and why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = uv_run([
        "pip", "install",
        # uv looks at some interpreter; what it installs for is told by the two options after it.
        "--python", sys.executable,
        "--python-platform", target.platform,
        "--python-version", target.version,
        "--target", str(folder),
        "--only-binary", ":all:",
        "--no-compile-bytecode",
        "--link-mode", "copy",
        *requirements.arguments,
    ])  # fmt: skip
    if done.status:
        words = reason(done.errors)
        raise PackageError(
            f"cannot install what {requirements.origin} asks for, for {target}: {words} "
            f"{_remedy(words, target)}"
        )
    installed.normalise(folder)


def _remedy(words: str, target: Target) -> str:
    if any(sign in words for sign in _NO_WHEEL):
        return (
            f"Choose a version that has a wheel for {target.platform}, or build one and name its "
            "folder in UV_FIND_LINKS"
        )
    return "Correct the requirement, or choose the index by UV_DEFAULT_INDEX or UV_FIND_LINKS"


def _file(path: Path) -> Requirements:
    return Requirements(("--requirements", str(path)), repr(path.name))


def _names_dependencies(project: Path) -> bool:
    try:
        with project.open("rb") as file:
            table = tomllib.load(file).get("project", {})
    except (OSError, ValueError, RecursionError) as exc:
        raise PackageError(f"cannot read {str(project)!r}: {exc}; correct it") from exc
    if not isinstance(table, dict):
        raise PackageError(
            f"cannot read {str(project)!r}: 'project' is {table!r} and no table; correct it"
        )
    return bool(table.get("dependencies"))


def _locked(source: Path, scratch: Path) -> Requirements:
    exported = scratch / "requirements.txt"
    done = uv_run([
        "export", "--project", str(source), "--frozen", "--no-dev", "--no-emit-project",
        "--no-header", "--no-annotate", "--quiet", "--output-file", str(exported),
    ])  # fmt: skip
    if done.status:
        raise PackageError(
            f"cannot read {str(source / 'uv.lock')!r}: {reason(done.errors)} "
            "Lock it again (uv lock), or name a file by --requirements"
        )
    return Requirements(("--requirements", str(exported)), "'uv.lock'")
