"""Binaries and wheels for another machine, C library or Python than the package's."""

from __future__ import annotations

import io
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from packaging.tags import parse_tag

from snapboot_devkit.package.audit.subject import Subject, counted, listed
from snapboot_devkit.package.checks.finding import Finding, error, warning
from snapboot_devkit.package.checks.layout import Place
from snapboot_devkit.package.formats.elf import MAGIC, ElfError, Needs, dotted, needs_of
from snapboot_devkit.package.target import MAX_GLIBC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.tags import Tag

    from snapboot_devkit.package.audit.pythons import Python
    from snapboot_devkit.package.checks.contents import Entry, Package

_LIBRARY: Final = re.compile(r"\.(?:so(?:\.[\d.]+)?|dylib|pyd|dll)$")
_EXTENSION: Final = re.compile(
    r"^(.+?)\.(?:cpython-(\d{2,4})[\w-]*\.so|cp(\d{2,4})-win[\w-]*\.pyd)$"
)
_RUNS: Final = 0o111
_OTHER_SYSTEMS: Final = {
    b"MZ": "Windows",
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xce\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
    b"\xca\xfe\xba\xbf": "macOS",
}
_HEAD_BYTES: Final = 4
_ABI3: Final = re.compile(r"cp3(\d{1,2})")
_MACHINES: Final = {"x86_64": "x86_64", "arm64": "aarch64"}
_MANYLINUX: Final = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)")
_REMEDY: Final = "install it for the target: snapboot package, or uv pip install --python-platform"


def architecture(package: Package) -> str | None:
    """Return the machine that most ELF files are for, None without any."""
    votes = Counter(needs.machine for _, needs in _elves(package, []))
    return votes.most_common(1)[0][0] if votes else None


def check(subject: Subject) -> Iterator[Finding]:
    """Find files and distributions that the target cannot load."""
    damaged: list[Finding] = []
    elves = list(_elves(subject.package, damaged))
    yield from damaged
    yield from _machines(subject, elves)
    yield from _libraries(subject, elves)
    yield from _other_systems(subject)
    yield from _versions(subject)
    yield from _wheels(subject)


def _elves(package: Package, damaged: list[Finding]) -> Iterator[tuple[Entry, Needs]]:
    for entry in _binaries(package):
        if package.head(entry.path, _HEAD_BYTES) != MAGIC:
            continue
        content = package.content(entry.path)
        try:
            if content is not None:
                yield entry, needs_of(io.BytesIO(content), entry.path)
        except ElfError as exc:
            damaged.append(error("elf-damaged", entry.path, str(exc), _REMEDY))


def _binaries(package: Package) -> Iterator[Entry]:
    for entry in package.files:
        runs = entry.mode is not None and entry.mode & _RUNS and "." not in entry.name
        if runs or _LIBRARY.search(entry.name):
            yield entry


def _machines(subject: Subject, elves: list[tuple[Entry, Needs]]) -> Iterator[Finding]:
    others: dict[str, list[str]] = {}
    for entry, needs in elves:
        if needs.machine != subject.architecture:
            others.setdefault(needs.machine, []).append(entry.path)
    for machine, paths in others.items():
        yield error(
            "wrong-architecture",
            paths[0] if len(paths) == 1 else "",
            f"{counted(len(paths), 'file')} are for {machine}, and the package is for "
            f"{subject.architecture}: {listed(paths)}",
            _REMEDY,
        )


def _libraries(subject: Subject, elves: list[tuple[Entry, Needs]]) -> Iterator[Finding]:
    """Find what needs another C library; that of an image is the image's own matter."""
    if subject.place is Place.IMAGE:
        yield from _mixed(elves)
        return
    for entry, needs in elves:
        if needs.musl:
            yield error("wrong-libc", entry.path, "it is built for musl, not for glibc", _REMEDY)
        elif needs.glibc is not None and needs.glibc > MAX_GLIBC:
            yield error(
                "newer-glibc",
                entry.path,
                f"it needs glibc {dotted(needs.glibc)}, and Lambda has {dotted(MAX_GLIBC)}",
                "install a wheel for manylinux_2_34 or older, or build it on Amazon Linux 2023",
            )


def _mixed(elves: list[tuple[Entry, Needs]]) -> Iterator[Finding]:
    musl = [entry.path for entry, needs in elves if needs.musl]
    glibc = [entry.path for entry, needs in elves if needs.glibc is not None and not needs.musl]
    if musl and glibc:
        few, many = sorted((musl, glibc), key=len)
        name = "musl" if few is musl else "glibc"
        yield error(
            "wrong-libc",
            few[0] if len(few) == 1 else "",
            f"{counted(len(few), 'file')} are built for {name}, and {len(many)} are not: "
            f"{listed(few)}",
            _REMEDY,
        )


def _other_systems(subject: Subject) -> Iterator[Finding]:
    for entry in _binaries(subject.package):
        head = subject.package.head(entry.path, _HEAD_BYTES) or b""
        for magic, system in _OTHER_SYSTEMS.items():
            if head.startswith(magic) and _LIBRARY.search(entry.name):
                yield _foreign(entry, system)


def _foreign(entry: Entry, system: str) -> Finding:
    # A package for every system carries them on purpose; an extension module is loaded, or missed.
    tell = error if entry.name.endswith((".so", ".dylib")) else warning
    return tell("other-system", entry.path, f"it is a library for {system}, not Linux", _REMEDY)


def _versions(subject: Subject) -> Iterator[Finding]:
    """Find extension modules that this Python will not see, as their names are another's."""
    wanted = subject.python.tag.removeprefix("cpython-")
    found: dict[str, set[str]] = {}
    for entry in subject.package.files:
        if match := _EXTENSION.match(entry.name):
            found.setdefault(f"{entry.folder}{match[1]}", set()).add(match[2] or match[3])
    lost = [
        module
        for module, tags in found.items()
        if wanted not in tags and not _plain(subject.package, module)
    ]
    for owner, modules in subject.grouped(lost).items():
        tags = sorted(set[str]().union(*(found[module] for module in modules)))
        yield error(
            "wrong-python",
            modules[0] if len(modules) == 1 else "",
            f"{owner}: {counted(len(modules), 'extension module')} for Python "
            f"{', '.join(map(_version, tags))} cannot be imported by {subject.python}: "
            f"{listed(modules)}",
            _REMEDY,
        )


def _plain(package: Package, module: str) -> bool:
    return any(package.is_file(f"{module}{suffix}") for suffix in (".py", ".so", ".abi3.so"))


def _wheels(subject: Subject) -> Iterator[Finding]:
    for one in subject.distributions:
        tags = [tag for text in one.tags for tag in _parsed(text)]
        if tags and not any(
            _fits(tag, subject.python, subject.architecture, subject.place) for tag in tags
        ):
            yield error(
                "wrong-wheel",
                one.info,
                f"{one} was installed for {', '.join(one.tags)}, and the package is for "
                f"{subject.python} on {subject.architecture or 'Linux'}",
                _REMEDY,
            )


def _parsed(text: str) -> list[Tag]:
    try:
        return sorted(parse_tag(text), key=str)
    except ValueError:
        return []


def _fits(tag: Tag, python: Python, machine: str | None, place: Place) -> bool:
    return _fits_python(tag, python.version) and _fits_platform(tag.platform, machine, place)


def _fits_python(tag: Tag, version: tuple[int, int]) -> bool:
    own = f"cp{version[0]}{version[1]}"
    if tag.interpreter == own or tag.interpreter in {"py3", f"py3{version[1]}"}:
        return True
    older = _ABI3.fullmatch(tag.interpreter.replace("py", "cp"))
    return older is not None and tag.abi in {"abi3", "none"} and int(older[1]) <= version[1]


def _fits_platform(platform: str, machine: str | None, place: Place) -> bool:
    if platform == "any":
        return True
    name = _MACHINES.get(machine or "", machine or "")
    if not platform.startswith(("linux_", "manylinux", "musllinux")) or not platform.endswith(name):
        return False
    if place is Place.IMAGE:
        return True
    match = _MANYLINUX.fullmatch(platform)
    newer = match is not None and (int(match[1]), int(match[2])) > MAX_GLIBC
    return not newer and not platform.startswith("musllinux")


def _version(tag: str) -> str:
    return f"{tag[0]}.{tag[1:]}"
