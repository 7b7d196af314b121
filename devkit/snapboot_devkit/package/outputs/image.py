"""A function as the folder that `docker build` takes: its code, and a Dockerfile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.package import layout
from snapboot_devkit.package.checks import provided, sizes
from snapboot_devkit.package.interpreters.choice import version_of
from snapboot_devkit.package.outputs import dockerfile, sealing
from snapboot_devkit.package.request import Made, Packaged
from snapboot_devkit.package.scratch import put
from snapboot_devkit.package.target import Target
from snapboot_devkit.package.work import PackageWork

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from snapboot_devkit.package.elf_facts import ElfFacts
    from snapboot_devkit.package.request import PackageRequest
    from snapboot_devkit.package.store import Store

_DOCKERFILE: Final = "Dockerfile"


def make(
    request: PackageRequest,
    scratch: Path,
    progress: Callable[[str], object],
    store: Store,
    facts: ElfFacts,
) -> Packaged:
    """Make the folder in the output's. Raises PackageError.

    Bytecode and module archive come of the build, where the base image's interpreter makes them.
    """
    target = Target(version_of(request), request.architecture, request.libc)
    work = PackageWork(request, scratch / layout.IMAGE_FOLDER, progress, target, store, facts)
    work.scratch.mkdir()
    work.lay_out_code(max_bytes=provided.MAX_IMAGE_BYTES, bootstrap=False)
    if request.stripped:
        work.strip(work.task)
    parts = work.examine(work.task)
    sizes.check(parts, image=True)
    env = {**sealing.AS_ON_LAMBDA, **request.env} if request.with_archive else None
    text = dockerfile.dockerfile(request, target, env)
    (work.scratch / _DOCKERFILE).write_text(text, "utf-8")
    (work.scratch / "requirements.txt").unlink(missing_ok=True)
    place = request.output / layout.IMAGE_FOLDER
    put(work.scratch, place)
    size = sum(parts.values())
    warnings = (*work.warnings, *work.savings.notes)
    made = (Made(place, None, size),)
    limit, savings = provided.MAX_IMAGE_BYTES, tuple(work.savings.lines())
    return Packaged(made, target, None, None, parts, limit, warnings, savings)
