"""Compiled files, each read once: whether they fit the architecture, C library and system."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.binary import elf
from snapboot_devkit.package.checks import provided
from snapboot_devkit.package.checks.finding import Finding, Severity, error, listed
from snapboot_devkit.package.checks.layout import Place
from snapboot_devkit.package.target import MAX_GLIBC

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from snapboot_devkit.package.binary.elf import Needs
    from snapboot_devkit.package.checks.contents import Package, PackageEntry
    from snapboot_devkit.package.checks.distributions import Distribution

# What `check` may find: `snapboot package` has reported these when it audits what it made.
CODES: Final = frozenset(
    {"elf-damaged", "wrong-architecture", "newer-glibc", "wrong-libc", "missing-library"}
)
LIBRARY: Final = re.compile(r"\.(?:so(?:\.[\d.]+)?|dylib|pyd|dll)$")
REMEDY: Final = "install it for the target: snapboot package, or uv pip install --python-platform"
# What an import loads, by its name.
_EXTENSION: Final = re.compile(r"\.(?:cpython-\d+[\w-]*|abi3)\.so$")
_INTERPRETER: Final = re.compile(r"(?:^|/)(?:bin/python3\.\d+t?|lib/libpython3\.\d+t?\.so[\d.]*)$")
_RUNS: Final = 0o111
HEAD_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Binary:
    """An ELF file; `portable` if its wheel is for every system, and chooses among what it has."""

    path: str
    needs: Needs
    portable: bool = False

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def is_imported(self) -> bool:
        """Whether the interpreter itself, or an import, loads it."""
        return bool(_EXTENSION.search(self.name) or _INTERPRETER.search(self.path))

    @property
    def is_library(self) -> bool:
        """Whether it is loaded, and not started."""
        return LIBRARY.search(self.name) is not None


@dataclass(frozen=True, slots=True)
class Binaries:
    """The ELF files of a package, what is damaged among them, and the names of its libraries."""

    found: tuple[Binary, ...]
    damaged: tuple[Finding, ...]
    names: frozenset[str]

    @property
    def architecture(self) -> str | None:
        """The interpreter's machine; without one that of most extension modules, or else files."""
        kinds = (
            [one for one in self.found if _INTERPRETER.search(one.path)],
            [one for one in self.found if one.is_imported],
            [one for one in self.found if one.is_library and not one.portable],
            [one for one in self.found if not one.portable],
        )
        votes = Counter(one.needs.machine for one in next(filter(None, kinds), ()))
        return votes.most_common(1)[0][0] if votes else None


def candidates(package: Package) -> Iterator[PackageEntry]:
    """Return the files that may be compiled ones, by their names and modes."""
    for entry in package.files:
        runs = entry.mode is not None and entry.mode & _RUNS
        if runs or "." not in entry.name or LIBRARY.search(entry.name):
            yield entry


def read(package: Package, distributions: Iterable[Distribution]) -> Binaries:
    """Read what each ELF file of a package needs."""
    portable = {path for one in distributions if one.is_portable for path in one.files}
    found: list[Binary] = []
    damaged: list[Finding] = []
    for entry in candidates(package):
        if package.head(entry.path, HEAD_BYTES) != elf.MAGIC:
            continue
        content = package.content(entry.path)
        if content is None:
            continue
        try:
            needs = package.facts.needs(content, entry.path, package.steps)
            found.append(Binary(entry.path, needs, entry.path in portable))
        except elf.ElfError as exc:
            damaged.append(error("elf-damaged", entry.path, str(exc), REMEDY))
    names = (entry.name for entry in package.entries.values() if ".so" in entry.name)
    return Binaries(tuple(found), tuple(damaged), frozenset(names))


def check(
    binaries: Binaries,
    place: Place,
    architecture: str | None,
    *,
    beside: Collection[str] = (),
    newer_glibc: bool = False,
) -> Iterator[Finding]:
    """Find files that the target cannot load.

    `beside` are the names of libraries that are there from elsewhere, as from a layer. With
    `newer_glibc` the function is said to go on at one's own risk.
    """
    yield from binaries.damaged
    yield from _machines(binaries.found, architecture)
    own = [one for one in binaries.found if one.needs.machine == architecture]
    if place is Place.IMAGE:  # the C library and the others are the image's own matter
        yield from _mixed(own)
        return
    yield from _libc(own, newer_glibc=newer_glibc)
    yield from _libraries(own, {*binaries.names, *beside})


def _machines(found: Iterable[Binary], architecture: str | None) -> Iterator[Finding]:
    fitting = {one.name for one in found if one.needs.machine == architecture}
    others: dict[tuple[Severity, str], list[str]] = defaultdict(list)
    for one in found:
        if one.needs.machine != architecture:
            # Beside one of the same name for the target, it is for another system on purpose.
            spare = one.portable or (one.name in fitting and not one.is_imported)
            severity = Severity.NOTE if spare else _severity(one, Severity.WARNING)
            others[severity, one.needs.machine].append(one.path)
    for (severity, machine), paths in others.items():
        yield _finding(
            "wrong-architecture",
            severity,
            paths,
            f"built for {machine}, and the package is for {architecture}",
            f"{REMEDY}; or choose the architecture by --arch",
        )


def _libc(own: list[Binary], *, newer_glibc: bool) -> Iterator[Finding]:
    by_severity: dict[Severity, list[Binary]] = defaultdict(list)
    for one in own:
        if one.needs.musl:
            severity = _severity(one, Severity.ERROR)
            text = "built for musl, and Lambda has glibc"
            yield _finding("wrong-libc", severity, [one.path], text, REMEDY)
        elif one.needs.glibc is not None and one.needs.glibc > MAX_GLIBC:
            severity = Severity.WARNING if newer_glibc else _severity(one, Severity.ERROR)
            by_severity[severity].append(one)
    for severity, newer in by_severity.items():
        most = max(one.needs.glibc or MAX_GLIBC for one in newer)
        yield _finding(
            "newer-glibc",
            severity,
            [one.path for one in newer],
            f"built for glibc {elf.dotted(most)}, and Amazon Linux 2023 has only "
            f"{elf.dotted(MAX_GLIBC)}",
            "use wheels for manylinux_2_34 or older, build on Amazon Linux 2023, or use an "
            "interpreter from uv; snapboot package goes on with --allow-newer-glibc",
        )


def _libraries(own: list[Binary], there: Collection[str]) -> Iterator[Finding]:
    users: dict[str, list[Binary]] = defaultdict(list)
    for one in own:
        for library in one.needs.libraries:
            if library not in there and not provided.has_library(library) and not one.needs.musl:
                users[library].append(one)
    for library, needing in sorted(users.items()):
        other = provided.other_name(library)
        instead = f" (it has {other}; a build on Amazon Linux asks for that)" if other else ""
        yield _finding(
            "missing-library",
            Severity.NOTE if all(one.portable for one in needing) else Severity.WARNING,
            [one.path for one in needing],
            f"linked with {library}, which is not in provided.al2023{instead}",
            "put the library into the package or a layer, or take a wheel that has it",
        )


def _mixed(own: list[Binary]) -> Iterator[Finding]:
    """Find files for one C library among those for the other: an image has one of them."""
    musl = [one.path for one in own if one.needs.musl and not one.portable]
    glibc = [one.path for one in own if one.needs.glibc is not None and not one.portable]
    if musl and glibc:
        few, name = (musl, "musl") if len(musl) <= len(glibc) else (glibc, "glibc")
        others = len(musl) + len(glibc) - len(few)
        text = f"built for {name}, and {others:,} are not"
        yield _finding("wrong-libc", Severity.ERROR, few, text, REMEDY)


def _severity(one: Binary, otherwise: Severity) -> Severity:
    """Return how bad it is that a file cannot be loaded: whether it certainly would be."""
    if one.portable:
        return Severity.NOTE
    return Severity.ERROR if one.is_imported else otherwise


def _finding(code: str, severity: Severity, paths: list[str], text: str, remedy: str) -> Finding:
    path = paths[0] if len(paths) == 1 else ""
    which = "it is" if path else f"{len(paths):,} files are"
    names = "" if path else f": {listed(paths)}"
    return Finding(code, severity, path, f"{which} {text}{names}", remedy)
