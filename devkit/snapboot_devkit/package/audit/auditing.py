"""An audit from beginning to end."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.audit import (
    bootstraps,
    clashes,
    compiled_modules,
    enclosing_folder,
    interpreters,
    managed_imports,
    permissions,
    platforms,
    provided,
    sealed,
    site_files,
    sizes,
    unread,
    wrappers,
)
from snapboot_devkit.package.audit.gathering import AuditOptions, gather
from snapboot_devkit.package.audit.report import AuditReport, CompileMeasure
from snapboot_devkit.package.checks import reserved, secrets
from snapboot_devkit.package.checks.contents import AuditError, Package, opened
from snapboot_devkit.package.checks.folders import FolderStore
from snapboot_devkit.package.checks.layout import image_parts
from snapboot_devkit.package.checks.zips import ZipStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from snapboot_devkit.package.audit.subject import Subject
    from snapboot_devkit.package.checks.finding import Finding
    from snapboot_devkit.package.elf_facts import ElfFacts

CHECKS: Final[tuple[Callable[[Subject], Iterator[Finding]], ...]] = (
    compiled_modules.check,
    sealed.check,
    enclosing_folder.check,
    bootstraps.check,
    wrappers.check,
    platforms.check,
    lambda subject: reserved.check(subject.distributions, subject.layout.task),
    lambda subject: secrets.check(subject.package, subject.owned),
    interpreters.check,
    permissions.check,
    clashes.check,
    provided.check,
    managed_imports.check,
    site_files.check,
    sizes.check,
    unread.check,  # the last: it reports what the others could not read
)


def audit(  # noqa: PLR0913 - each is something that a caller may know
    path: Path | str,
    *,
    python: str | None = None,
    target: str | None = None,
    handler: str | None = None,
    architecture: str | None = None,
    layers: Sequence[Path] = (),
    facts: ElfFacts | None = None,
) -> AuditReport:
    """Return what would make a package start slowly, or not at all.

    `path` is a folder, a zip, the build context of an image or its root file system. `python` is
    the interpreter it is for (a program, a folder or a version; found out by default), `target`
    the runtime (`provided.al2023`, `image`, or one such as `python3.13`), `handler` what the start
    imports (by default all of the function's own modules), `architecture` `x86_64` or `arm64`,
    `layers` are the folders and zips of the function's layers, `facts` what is known of ELF files.
    Raises AuditError.
    """
    options = AuditOptions(python, target, handler, architecture, tuple(layers))
    with package_at(Path(path), facts) as (package, image):
        return _report(gather(package, options, image=image))


@contextmanager
def package_at(path: Path, facts: ElfFacts | None = None) -> Iterator[tuple[Package, bool]]:
    """Open a package, and tell whether it is an image's root file system. Raises AuditError."""
    if path.is_dir():
        parts = image_parts(path)
        yield opened(FolderStore(path, parts or ("",)), facts), parts is not None
    elif path.is_file():
        with ZipStore(path) as store:
            yield opened(store, facts), False
    else:
        why = "it is neither" if os.path.lexists(path) else "it does not exist"
        raise AuditError(f"cannot audit {str(path)!r}: {why}; give a folder or a zip file")


def _report(subject: Subject) -> AuditReport:
    findings = [finding for check in CHECKS for finding in check(subject)]
    package = subject.package
    return AuditReport(
        str(package.store.path),
        subject.layout.form.value,
        subject.place.value,
        str(subject.python),
        subject.architecture,
        sum(1 for _ in package.files),
        package.size,
        package.store.packed_bytes,
        sizes.by_owner(subject),
        _measured(subject),
        tuple(sorted(findings, key=lambda finding: finding.order)),
    )


def _measured(subject: Subject) -> CompileMeasure | None:
    python, done = subject.python, subject.compiled
    if not done.seconds:
        return None
    version = ".".join(map(str, python.measured_version))
    return CompileMeasure(python.measured_by, version, len(done.seconds), done.work.start)
