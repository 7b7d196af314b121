"""What the function imports, and only AWS's own runtimes would have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.protocol import MIB
from snapboot_devkit.package.binary.limits import Steps, TooMuchWorkError
from snapboot_devkit.package.checks.finding import Finding, warning
from snapboot_devkit.package.checks.layout import PackageKind, Place
from snapboot_devkit.package.contents import managed_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.subject import Subject

# `snapboot package` reports this itself.
CODE: Final = "managed-import"
# All that is read of the function's own code for this; people write less.
_MAX_BYTES: Final = 8 * MIB


def check(subject: Subject) -> Iterator[Finding]:
    """Find imports of the function's own code that nothing satisfies where it is to run."""
    if subject.place is Place.MANAGED or subject.layout.form is PackageKind.LAYER:
        return

    def has(module: str) -> bool:
        entries, roots = subject.package.entries, subject.layout.roots
        return any(
            f"{root}{module}" in entries or f"{root}{module}.py" in entries for root in roots
        )

    imported = dict(_imports(subject))
    missing = managed_packages.missing(imported, has, subject.layers)
    if missing:
        version = "{}.{}".format(*subject.python.version)
        image = subject.place is Place.IMAGE
        words = managed_packages.described(missing, version, image=image)
        yield warning(CODE, imported[missing[0]], *words)


def _imports(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield the modules that the function's own code imports, each with a source that does."""
    steps = Steps(_MAX_BYTES)
    elsewhere = (*(root for root in subject.layout.roots[1:] if root), ".snapboot/")
    for entry in subject.package.files:
        if (
            not entry.path.endswith(".py")
            or not entry.path.startswith(subject.layout.task)
            or entry.path.startswith(elsewhere)
            or entry.path in subject.owned
            or entry.size > managed_packages.MAX_SOURCE_BYTES
        ):
            continue
        try:
            steps.take(entry.size)
        except TooMuchWorkError:
            return
        content = subject.package.content(entry.path) or b""
        for module in managed_packages.imports_of(content):
            yield module, entry.path
