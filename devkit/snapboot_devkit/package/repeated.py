"""A run that would make what is there: known by everything that a package is made of.

The source, layers and requirements count by their contents, interpreter and devkit by size and time
of change of each file. What an index has, or what an import asks of a network, cannot be known: for
that a run counts for ten minutes only, as long as uv itself trusts what it knows of an index.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uv

import snapboot
import snapboot_devkit
from snapboot_devkit.package.checks.finding import Finding, Severity
from snapboot_devkit.package.contents import tree
from snapboot_devkit.package.request import Imports, Made, Packaged
from snapboot_devkit.package.store import digest
from snapboot_devkit.package.target import Architecture, Libc, Target, is_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from snapboot_devkit.package.request import PackageRequest
    from snapboot_devkit.package.store import Store

TRUSTED_S: Final = 600
# Folders of an interpreter that no package takes anything from.
_NOT_TAKEN: Final = frozenset({"__pycache__", "site-packages", "dist-packages", "test"})
# Where requirements stand, in the source or above it.
_NAMED: Final = (
    "requirements.txt", "uv.lock", "pyproject.toml", "Pipfile.lock", "poetry.lock", "pdm.lock",
    "Pipfile", "environment.yml", "setup.py", "setup.cfg", "uv.toml", "template.yaml",
    "template.yml", "serverless.yml", "samconfig.toml",
)  # fmt: skip
# What a requirement is that has its content elsewhere, in files for pip and in those of projects:
# of such a run nothing can be known. The project itself is `"."`.
_LOCAL: Final = re.compile(rb"(?m)^\s*(?:[-./~$]|[\w.-]+/)|file:|@\s*[./~$]|\.whl\b")
_LOCAL_IN_PROJECT: Final = re.compile(
    rb"""file:|(?:editable|directory|path|virtual)\s*=\s*["'](?!\.["'])|workspace\s*="""
)


def key(request: PackageRequest) -> bytes | None:
    """Return what stands for a run, or None for one that is not to be known again."""
    try:
        parts = [*_settings(request), *_contents(request)]
    except (OSError, ValueError):
        return None  # packaging itself will find the words
    return None if None in parts else digest(*(part for part in parts if part is not None))


def load(
    store: Store, known: bytes, request: PackageRequest
) -> tuple[Packaged, list[Finding]] | None:
    """Return what such a run made if all of it is still there, as it was."""
    content = store.find([known]).get(known)
    if content is None:
        return None
    try:
        document = json.loads(content)
        if not 0 <= time.time() - document["time"] <= TRUSTED_S:
            return None
        made = tuple(
            Made(request.output / one["name"], one["packed"], one["unpacked"])
            for one in document["made"]
        )
        there = [_of_output(each.path) for each in made]
        if there != [one["digest"] for one in document["made"]]:
            return None
        return _packaged(document, made), [_finding(one) for one in document["findings"]]
    except (KeyError, TypeError, ValueError, OSError):
        return None


def save(store: Store, known: bytes, packaged: Packaged, findings: Sequence[Finding]) -> None:
    """Note what a run has made."""
    target = packaged.target
    document = {
        "time": time.time(),
        "made": [
            {
                "name": each.path.name,
                "packed": each.packed,
                "unpacked": each.unpacked,
                "digest": _of_output(each.path),
            }
            for each in packaged.made
        ],
        "target": [list(target.python), target.architecture.value, target.libc.value],
        "freeThreaded": target.free_threaded and str(target.free_threaded),
        "interpreter": packaged.interpreter,
        "modules": packaged.modules,
        "parts": dict(packaged.parts),
        "limit": packaged.limit,
        "warnings": list(packaged.warnings),
        "savings": list(packaged.savings),
        "imports": packaged.imports and asdict(packaged.imports),
        "findings": [asdict(one) | {"severity": one.severity.value} for one in findings],
    }
    store.keep({known: json.dumps(document).encode()})


def _settings(request: PackageRequest) -> Iterator[bytes]:
    plain = replace(request, output=Path(), cache=None)
    yield repr(plain).encode("utf-8", "surrogateescape")
    yield repr(sorted(item for item in os.environ.items() if item[0].startswith("UV_"))).encode()
    yield str(request.source.resolve()).encode("utf-8", "surrogateescape")


def _contents(request: PackageRequest) -> Iterator[bytes | None]:
    source = request.source.resolve()
    yield _of_folder(source, tree.walk(source, spare=request.output.resolve()))
    above = [folder / name for folder in (source, *source.parents) for name in _NAMED]
    for path in (*above, *([request.requirements] if request.requirements else ())):
        if path.is_file():
            content = path.read_bytes()
            # What else it names may change without it.
            yield None if _is_local(path, content) else content
            yield str(path).encode("utf-8", "surrogateescape")
    if os.environ.get("UV_FIND_LINKS"):
        yield None
    for layer in request.layers:
        yield layer.read_bytes() if layer.is_file() else _of_layer(layer)
    for folder in (Path(snapboot.__file__).parent, Path(snapboot_devkit.__file__).parent):
        yield _of_stats([folder])
    yield _of_stats([Path(uv.find_uv_bin()).parent / "uv"])
    if not is_version(request.python):
        place = Path(request.python).resolve()
        prefix = place if place.is_dir() else place.parent.parent
        yield _of_stats([prefix / "bin", prefix / "lib"])


def _is_local(path: Path, content: bytes) -> bool:
    if path.suffix in {".yaml", ".yml"}:  # they are there to tell a project by
        return False
    in_project = path.suffix in {".toml", ".lock"}
    return (_LOCAL_IN_PROJECT if in_project else _LOCAL).search(content) is not None


def _of_layer(folder: Path) -> bytes | None:
    # It is used where it is: what a link leads to outside of it may change without it.
    root = folder.resolve()
    for parent, inner, names in os.walk(folder):
        for path in (Path(parent, name) for name in (*inner, *names)):
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                return None
    return _of_folder(folder, os.walk(folder))


def _of_output(path: Path) -> str:
    if path.is_dir():
        return _of_folder(path, os.walk(path)).hex()
    return digest(path.read_bytes()).hex()


def _of_folder(folder: Path, walk: Iterable[tuple[str, list[str], list[str]]]) -> bytes:
    """Return what stands for all that a walk through a folder finds; links are not followed."""
    parts: list[bytes] = []
    for parent, inner, names in walk:
        here = Path(parent)
        links = [name for name in inner if (here / name).is_symlink()]
        for path in (here / name for name in sorted([*links, *names])):
            parts.append(os.fsencode(path.relative_to(folder)))
            parts.append(bytes([bool(path.lstat().st_mode & 0o100)]))
            if path.is_symlink():
                parts.append(os.fsencode(os.readlink(path)))  # noqa: PTH115 - as it is
            elif path.is_file():
                with path.open("rb") as file:
                    parts.append(hashlib.file_digest(file, "blake2b").digest())
    return digest(*parts)


def _of_stats(places: Iterable[Path]) -> bytes:
    """Return what stands for files, and those of folders, by size and time of change."""
    parts = []
    for place in places:
        files = _files(place) if place.is_dir() else [str(place)]
        for path in sorted(files):
            with contextlib.suppress(OSError):
                status = os.stat(path)  # noqa: PTH116 - of thousands, a Path each would be slow
                parts.append(f"{path} {status.st_size} {status.st_mtime_ns}")
    return digest(*(part.encode("utf-8", "surrogateescape") for part in parts))


def _files(folder: Path) -> Iterator[str]:
    """Give the files of a folder, but for those that nothing is made of."""
    for parent, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if name not in _NOT_TAKEN]
        yield from (f"{parent}{os.sep}{name}" for name in names)


def _packaged(document: dict[str, Any], made: tuple[Made, ...]) -> Packaged:
    python, architecture, libc = document["target"]
    free_threaded = document["freeThreaded"] and Path(document["freeThreaded"])
    return Packaged(
        made,
        Target((python[0], python[1]), Architecture(architecture), Libc(libc), free_threaded),
        document["interpreter"],
        document["modules"],
        document["parts"],
        document["limit"],
        tuple(document["warnings"]),
        tuple(document["savings"]),
        document["imports"] and Imports(**document["imports"]),
    )


def _finding(document: dict[str, Any]) -> Finding:
    return Finding(**{**document, "severity": Severity(document["severity"])})
