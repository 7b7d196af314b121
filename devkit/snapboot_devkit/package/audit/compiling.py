"""What it would take to compile a package's modules, measured by really doing so."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.package.checks.contents import AuditError
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.process import run

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from snapboot_devkit.package.checks.contents import Package
    from snapboot_devkit.package.checks.layout import Layout

_PROGRAM: Final = Path(__file__).with_name("compiler.py")
# All of the largest packages takes less than a minute on a slow machine.
_LIMIT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class CompileJob:
    """What to compile: those of the files `due` that loading the modules `start` comes to.

    `sources` are all files that imports may lead to; `start` is None for all of `due`; with `keep`
    the code is returned, too.
    """

    sources: Collection[str]
    due: Collection[str]
    start: tuple[str, ...] | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class CompileTimes:
    """What compiling took: by path the seconds, or why it failed, and the code if it was kept."""

    work: CompileJob
    seconds: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, bytes] = field(default_factory=dict)


def compiled(package: Package, layout: Layout, interpreter: str, work: CompileJob) -> CompileTimes:
    """Compile a package's modules by an interpreter. Raises AuditError."""
    if not work.due:
        return CompileTimes(work)
    contents = ((path, package.content(path)) for path in work.sources)
    sources = {path: content for path, content in contents if content is not None}
    files = [
        (path, layout.on_lambda(path), len(content), path in work.due)
        for path, content in sources.items()
    ]
    asked = {"roots": layout.roots, "start": work.start, "keep": work.keep, "files": files}
    with tempfile.NamedTemporaryFile(prefix="snapboot-audit-") as request:
        request.write(json.dumps(asked).encode() + b"\n")
        request.writelines(sources.values())
        request.flush()
        answer, rest = _asked(interpreter, request.name)
    return CompileTimes(
        work, answer["seconds"], answer["failed"], dict(_cut(answer["sizes"], rest))
    )


def _asked(interpreter: str, request: str) -> tuple[dict[str, Any], bytes]:
    command = [interpreter, "-I", "-S", "-W", "ignore", str(_PROGRAM), request]
    try:
        done = run(command, limit_s=_LIMIT_S, env=os.environ)
        if done.status == 0:
            line, _, rest = done.output.partition(b"\n")
            return json.loads(line), rest
        reason = (done.errors.strip().splitlines() or [f"status {done.status}"])[-1]
    except (PackageError, ValueError) as exc:
        reason = str(exc)
    raise AuditError(
        f"{interpreter!r} could not compile the modules: {reason}; give --python another "
        "interpreter, from 3.11 up"
    )


def _cut(sizes: Mapping[str, int], content: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    for path, size in sizes.items():
        yield path, content[at : at + size]
        at += size
