"""What of a package is for another machine, C library, system or Python than it runs on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from packaging.tags import Tag, compatible_tags, cpython_tags

from snapboot_devkit.package.checks import binaries
from snapboot_devkit.package.checks.binaries import HEAD_BYTES, LIBRARY, REMEDY
from snapboot_devkit.package.checks.finding import Finding, counted, error, listed, note
from snapboot_devkit.package.checks.layout import Place
from snapboot_devkit.package.target import MACHINES, MAX_GLIBC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.subject import Subject
    from snapboot_devkit.package.checks.contents import Package

_EXTENSION: Final = re.compile(
    r"^(.+?)\.(?:cpython-(\d{2,4})[\w-]*\.so|cp(\d{2,4})-win[\w-]*\.pyd)$"
)
_OTHER_SYSTEMS: Final = {
    b"MZ": "Windows",
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xce\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
    b"\xca\xfe\xba\xbf": "macOS",
}
# What an image may have; its glibc and its musl are newer than these only in some years.
_NEWEST_GLIBC_MINOR: Final = 99
_NEWEST_MUSL_MINOR: Final = 9
# The first glibc that `manylinux_2_N` is named after, and the older names.
_OLDEST_GLIBC: Final = 5
_OLDER_NAMES: Final = ("manylinux2014", "manylinux2010", "manylinux1", "linux")


def check(subject: Subject) -> Iterator[Finding]:
    """Find files and distributions that the target cannot load."""
    yield from binaries.check(subject.binaries, subject.place, subject.architecture)
    yield from _other_systems(subject)
    yield from _versions(subject)
    yield from _wheels(subject)


def _other_systems(subject: Subject) -> Iterator[Finding]:
    """Find libraries of other systems. One that Linux never loads by its name is there for them."""
    for entry in binaries.candidates(subject.package):
        if not LIBRARY.search(entry.name):
            continue
        head = subject.package.head(entry.path, HEAD_BYTES) or b""
        for magic, system in _OTHER_SYSTEMS.items():
            if head.startswith(magic):
                report = error if entry.name.endswith(".so") else note
                text = f"it is a library for {system}, not Linux"
                yield report("other-system", entry.path, text, REMEDY)


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
            REMEDY,
        )


def _plain(package: Package, module: str) -> bool:
    return any(package.is_file(f"{module}{suffix}") for suffix in (".py", ".so", ".abi3.so"))


def _wheels(subject: Subject) -> Iterator[Finding]:
    fitting = _fitting(subject)
    for one in subject.distributions:
        if one.tags and not fitting.intersection(one.tags):
            yield error(
                "wrong-wheel",
                one.info,
                f"{one} was installed for {', '.join(map(str, one.tags))}, and the package is for "
                f"{subject.python} on {subject.architecture or 'Linux'}",
                REMEDY,
            )


def _fitting(subject: Subject) -> frozenset[Tag]:
    """Return the tags of the wheels that the target takes."""
    version = subject.python.version
    platforms = list(_platforms(subject.architecture, subject.place))
    own = cpython_tags(version, [f"cp{version[0]}{version[1]}"], platforms)
    return frozenset((*own, *compatible_tags(version, f"cp{version[0]}{version[1]}", platforms)))


def _platforms(architecture: str | None, place: Place) -> Iterator[str]:
    known = {name.value: machine for name, machine in MACHINES.items()}
    image = place is Place.IMAGE
    for machine in known.values() if architecture is None else (known.get(architecture),):
        newest = _NEWEST_GLIBC_MINOR if image else MAX_GLIBC[1]
        yield from (f"manylinux_2_{n}_{machine}" for n in range(newest, _OLDEST_GLIBC - 1, -1))
        yield from (f"{name}_{machine}" for name in _OLDER_NAMES)
        if image:
            yield from (f"musllinux_1_{n}_{machine}" for n in range(_NEWEST_MUSL_MINOR, -1, -1))


def _version(tag: str) -> str:
    return f"{tag[0]}.{tag[1:]}"
