"""What can be put right without packaging again, and how it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.audit import bootstraps, permissions, sealed
from snapboot_devkit.package.audit.auditing import package_at
from snapboot_devkit.package.audit.changes import Act, Change
from snapboot_devkit.package.audit.compiling import CompileJob, compiled
from snapboot_devkit.package.audit.gathering import AuditOptions, gather
from snapboot_devkit.package.audit.modules import State, cached, useless
from snapboot_devkit.package.audit.writing import write
from snapboot_devkit.package.binary.bytecode import unchecked
from snapboot_devkit.package.checks.contents import AuditError
from snapboot_devkit.package.checks.layout import PackageKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from snapboot_devkit.package.audit.subject import Subject

_FILE_MODE: Final = 0o644
_PROGRAM_MODE: Final = 0o755


def fix(
    path: Path,
    *,
    python: str | None = None,
    target: str | None = None,
    architecture: str | None = None,
) -> tuple[Change, ...]:
    """Put right what can be, in a folder or a zip, and return what was changed.

    Modules are compiled with unchecked hashes, useless bytecode and a module archive that is not
    used are removed, permissions and line ends of `bootstrap` are set. Raises AuditError; files
    are replaced one by one in a folder, all at once in a zip.
    """
    options = AuditOptions(python, target, None, architecture)
    with package_at(path) as (package, image):
        changes = planned(gather(package, options, image=image))
        if changes:
            write(package, changes)
    return changes


def planned(subject: Subject) -> tuple[Change, ...]:
    """Return the changes, one for each entry, sorted by path. Raises AuditError."""
    steps = (_permissions, _bootstrap, _bytecode, _useless, _archive)
    changes: dict[str, Change] = {}
    for step in steps:
        changes.update((change.path, change) for change in step(subject))
    return tuple(changes[path] for path in sorted(changes))


def _permissions(subject: Subject) -> Iterator[Change]:
    for entry in subject.package.entries.values():
        if permissions.is_closed(entry):
            yield Change(entry.path, Act.OPENED, mode=permissions.opened(entry))


def _bootstrap(subject: Subject) -> Iterator[Change]:
    path = bootstraps.path_of(subject)
    if not subject.package.is_file(path):
        return
    if not subject.package.entries[path].others_may(0o001):
        yield Change(path, Act.OPENED, mode=_PROGRAM_MODE)
    content = subject.package.content(path) or b""
    if content.startswith(b"#!") and b"\r\n" in content:
        yield Change(path, Act.REWRITTEN, content.replace(b"\r\n", b"\n"), _PROGRAM_MODE)


def _bytecode(subject: Subject) -> Iterator[Change]:
    """Compile whatever does not have bytecode that is used without a look at its source."""
    due = [path for path, state in subject.states.items() if state is not State.USED]
    if not due or subject.layout.form is PackageKind.CONTEXT:
        return
    python = subject.python
    if not python.measures:
        raise AuditError(
            f"the package is for {python}, which was not found here; it is needed to compile the "
            "modules: name an interpreter of that version by --python"
        )
    work = CompileJob(due, due, keep=True)
    done = compiled(subject.package, subject.layout, python.measured_by, work)
    for path, code in done.codes.items():
        source = subject.package.content(path) or b""
        content = unchecked(python.magic, source, code)
        yield Change(cached(path, python.tag), Act.COMPILED, content, _FILE_MODE)


def _useless(subject: Subject) -> Iterator[Change]:
    for path in useless(subject.package, subject.python):
        yield Change(path, Act.REMOVED)


def _archive(subject: Subject) -> Iterator[Change]:
    """Remove an archive that is refused, or worse, is used and of other modules."""
    unusable = ("archive-refused", "archive-stale", "archive-foreign")
    if any(finding.code in unusable for finding in sealed.check(subject)) and subject.sealed:
        yield Change(subject.sealed.path, Act.REMOVED)
