"""`--strip`: what of a package never runs, taken out, with what each kind of it saves.

Nothing goes of which a sign is found that it may be used: tests that other modules name, type stubs
of a package that reads them, and ELF files of which any byte that is loaded would change.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.audit.modules import bytecode, cached
from snapboot_devkit.package.audit.sealed import source_path
from snapboot_devkit.package.binary import elf, modules
from snapboot_devkit.package.checks import binaries, sizes
from snapboot_devkit.package.checks.contents import Kind, Package, opened
from snapboot_devkit.package.checks.distributions import distributions
from snapboot_devkit.package.checks.finding import counted, listed
from snapboot_devkit.package.checks.folders import FolderStore
from snapboot_devkit.package.checks.layout import Layout, layout
from snapboot_devkit.package.process import run
from snapboot_devkit.package.target import MACHINES, Architecture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TESTS: Final = "tests of libraries"
STUBS: Final = "type stubs (.pyi)"
HEADERS: Final = "what only a compiler reads (.h, .pxd, .pyx, .c, .a)"
EXAMPLES: Final = "examples in the data of botocore, which only its documentation reads"
COPIES: Final = "copies of a shared library under its other names, now links"
SYMBOLS: Final = "debug sections and symbols"
DOUBLES: Final = "bytecode that the module archive has, too"
LATE: Final = "bytecode of libraries that the import did not load (a late import compiles it)"
LATE_STDLIB: Final = (
    "bytecode of the standard library that the import did not load (a late import compiles it)"
)

_TEST_FOLDERS: Final = ("tests", "test")
_TEST_FILE: Final = re.compile(r"test_\w+\.py|\w+_test\.py|conftest\.py")
# The end of a module's name in a source, in a text or in a compiled module, and what is before it.
_NAMED: Final = re.compile(rb"\.tests?\b")
_BEFORE: Final = re.compile(rb"[\w.]*\Z")
_LONGEST_NAME: Final = 200
# An import statement that takes modules out of a package.
_IMPORTED: Final = re.compile(
    rb"^[ \t]*from[ \t]+([\w.]+)[ \t]+import\b([^\n(]*\([^)]{0,2000}|[^\n]*)", re.MULTILINE
)
_TEST: Final = re.compile(rb"\btests?\b")
# As lazy_loader reads them, and as anything does that knows their suffix.
_READ_STUBS: Final = re.compile(rb"\battach_stub\b|(\.pyi)[\"']")
_FOR_COMPILERS: Final = (".h", ".hpp", ".hh", ".c", ".cc", ".cpp", ".pxd", ".pyx", ".pxi", ".a")
# Of a package that names such a suffix it is not known what it does with it.
_READ_HEADERS: Final = re.compile(rb"(\.(?:h|hpp|hh|c|cc|cpp|pxd|pyx|pxi|a))[\"']")
# By kind, the suffixes, and the signs that a package reads such files itself.
_UNREAD: Final = {STUBS: ((".pyi",), _READ_STUBS), HEADERS: (_FOR_COMPILERS, _READ_HEADERS)}
# What else the interpreter itself imports is frozen into it, from Python 3.11 on.
_OF_THE_START: Final = "encodings/"
# `botocore.docs` alone asks for them, to write the pages of the website.
_EXAMPLES: Final = re.compile(r"botocore/data/(?:.+/)?examples-1\.json(?:\.gz)?")
# "libfruit.so" of "libfruit.so.2.1": a wheel cannot hold links, so it has copies.
_LIBRARY: Final = re.compile(r"(lib[^/]+\.so)(?:\.[\d.]+)?")
# Of binutils and LLVM; the first one that knows the architecture is taken.
_PROGRAMS: Final = ("strip", "{machine}-linux-gnu-strip", "llvm-strip")
_LIMIT_S: Final = 120.0


@dataclass(slots=True)
class Savings:
    """By kind, the bytes that were saved and the number of files.

    `left` are files whose symbols stay, `notes` what could not be done.
    """

    sizes: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def count(self, kind: str, size: int) -> None:
        """Add a file of which so many bytes are gone."""
        self.sizes[kind] += size
        self.files[kind] += 1

    def lines(self) -> Iterator[str]:
        """Return what was saved, the most first."""
        for kind, size in self.sizes.most_common():
            noun = "file" if self.files[kind] == 1 else "files"
            yield f"{kind}: {sizes.megabytes(size)} in {self.files[kind]:,} {noun}"
        if self.left:
            yield (
                f"nothing of {counted(len(self.left), 'compiled file')}, which would be loaded in "
                f"another way without symbols: {listed(self.left)}"
            )


def strip(root: Path, architecture: Architecture, savings: Savings) -> None:
    """Take out of a folder what never runs: tests and stubs of libraries, and symbols of all."""
    package = opened(FolderStore(root))
    places = layout(package, image=False)
    _strip_libraries(root, package, places, savings)
    _link_copies(root, package, places, savings)
    _strip_symbols(root, architecture, savings)


def strip_doubles(root: Path, tag: str, savings: Savings) -> None:
    """Take out the bytecode of the modules in the archive, which is for this interpreter alone.

    That of modules in which imports wait stays: it is what SNAPBOOT_LAZY_IMPORTS=off runs.
    """
    package = opened(FolderStore(root))
    places = layout(package, image=False)
    archive = root / modules.NAME
    if not archive.is_file():
        return
    sealed = modules.read(archive.read_bytes())
    for module in sealed.modules:
        spared = module.is_extension or module.name in sealed.lazy
        path = None if spared else source_path(module, places)
        if path is not None and (entry := package.entries.get(cached(path, tag))):
            (root / entry.path).unlink()
            savings.count(DOUBLES, entry.size)


def strip_late(root: Path, savings: Savings) -> None:
    """Take out the bytecode of libraries that is left: all runs without it, but slower at first."""
    _strip_bytecode(root, savings, LATE)


def strip_late_stdlib(root: Path, savings: Savings) -> None:
    """Take out that of the standard library, but for what each start loads before the archive."""
    _strip_bytecode(root, savings, LATE_STDLIB)


def _strip_bytecode(root: Path, savings: Savings, kind: str) -> None:
    package = opened(FolderStore(root))
    places = layout(package, image=False)
    owned = {path for one in distributions(package, places) for path in one.files}
    runtime, stdlib = places.runtime or "/", places.stdlib or "/"
    start = f"{stdlib}{_OF_THE_START}"
    for found in bytecode(package):
        of_stdlib = found.path.startswith(stdlib) and not found.path.startswith(start)
        of_library = found.source in owned and not found.path.startswith(runtime)
        if of_stdlib if kind == LATE_STDLIB else of_library:
            (root / found.path).unlink()
            savings.count(kind, package.entries[found.path].size)


# ---- libraries -------------------------------------------------------------------------------


def _strip_libraries(root: Path, package: Package, places: Layout, savings: Savings) -> None:
    owned = {path for one in distributions(package, places) for path in one.files}
    tests = _test_folders(owned)
    named = set(_named(package, tests)) if tests else set()
    gone = {folder for folder in tests if folder.replace("/", ".") not in named}
    kept = [path for path in owned if not any(folder in gone for folder in _parents(path))]
    readers = {kind: set(_readers(package, kept, signs)) for kind, (_, signs) in _UNREAD.items()}
    if package.unread:
        savings.notes.append(
            f"{TESTS} and {STUBS} stay, as it is not known what uses them: {min(package.unread)!r} "
            "could not be read"
        )
        return
    left = set(kept)
    for path in sorted(owned):
        if path not in left:
            _remove(root, path, package, TESTS, savings)
            continue
        if _EXAMPLES.fullmatch(path):
            _remove(root, path, package, EXAMPLES, savings)
        for kind, (suffixes, _) in _UNREAD.items():
            suffix = next((each for each in suffixes if path.endswith(each)), None)
            if suffix and (_top(path), suffix) not in readers[kind]:
                _remove(root, path, package, kind, savings)
    for folder in gone:
        _remove_empty(root / folder)


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those in it as far as nothing is left in them."""
    for parent, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):  # what no distribution has recorded stays
            Path(parent).rmdir()


def _remove(root: Path, path: str, package: Package, kind: str, savings: Savings) -> None:
    (root / path).unlink(missing_ok=True)
    savings.count(kind, package.entries[path].size)


def _test_folders(owned: Iterable[str]) -> set[str]:
    """Return the folders of distributions that are called tests, and have tests in them."""
    return {
        folder
        for path in owned
        if _TEST_FILE.fullmatch(path.rpartition("/")[2])
        for folder in _parents(path)
        # A distribution of tests alone is one that the function asks for.
        if folder.rpartition("/")[2] in _TEST_FOLDERS and "/" in folder
    }


def _named(package: Package, tests: set[str]) -> Iterator[str]:
    """Return the dotted names of test folders that anything outside of test folders names."""
    for entry in package.files:
        if not entry.path.endswith((".py", ".so")) or any(f in tests for f in _parents(entry.path)):
            continue
        content = package.content(entry.path) or b""
        inside = entry.folder.rstrip("/").replace("/", ".")
        for match in _NAMED.finditer(content):
            before = _BEFORE.search(content[max(0, match.start() - _LONGEST_NAME) : match.start()])
            name = (before[0] if before else b"") + match[0]
            yield _resolved(name.decode("latin-1"), inside)
        for match in _IMPORTED.finditer(content) if entry.path.endswith(".py") else ():
            base = match[1].decode("latin-1")
            for name in _TEST.findall(match[2]):
                dot = "" if base.endswith(".") else "."
                yield _resolved(f"{base}{dot}{name.decode()}", inside)


def _resolved(name: str, inside: str) -> str:
    """Return the module that a name stands for in a module of a package."""
    rest = name.lstrip(".")
    dots = len(name) - len(rest)
    if not dots:
        return rest
    parts = inside.split(".")
    return ".".join([*parts[: len(parts) - dots + 1], rest])


def _readers(
    package: Package, kept: Iterable[str], signs: re.Pattern[bytes]
) -> Iterator[tuple[str, str]]:
    """Return the packages with a source that names a suffix, and that suffix."""
    for path in kept:
        if path.endswith(".py"):
            for match in signs.finditer(package.content(path) or b""):
                yield _top(path), (match[1] or b".pyi").decode()


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _top(path: str) -> str:
    return path.partition("/")[0]


def _link_copies(root: Path, package: Package, places: Layout, savings: Savings) -> None:
    """Make links, as the library's own installation has them, of copies beside each other."""
    groups: dict[tuple[str, str, int], list[str]] = {}
    for path in sorted({path for one in distributions(package, places) for path in one.files}):
        entry = package.entries[path]
        if entry.kind is Kind.FILE and (match := _LIBRARY.fullmatch(entry.name)):
            groups.setdefault((entry.folder, match[1], entry.size), []).append(path)
    for paths in groups.values():
        whole, *others = sorted(paths, key=len, reverse=True)
        for path in others:
            if (root / path).read_bytes() == (root / whole).read_bytes():
                (root / path).unlink()
                (root / path).symlink_to(whole.rpartition("/")[2])
                savings.count(COPIES, package.entries[path].size)


# ---- ELF files -------------------------------------------------------------------------------


def _strip_symbols(root: Path, architecture: Architecture, savings: Savings) -> None:
    package = opened(FolderStore(root))
    paths = [
        entry.path
        for entry in binaries.candidates(package)
        if package.head(entry.path, binaries.HEAD_BYTES) == elf.MAGIC
    ]
    if not paths:
        return
    programs = _programs(architecture)
    if not programs:
        savings.notes.append(
            f"symbols stay: there is no program strip for {architecture}; install binutils, or LLVM"
        )
    spare = root.parent / f"{root.name}.stripped"
    try:
        for path in paths if programs else ():
            _strip_one(root / path, spare, programs, savings)
    finally:
        spare.unlink(missing_ok=True)


def _programs(architecture: Architecture) -> list[str]:
    names = (name.format(machine=MACHINES[architecture]) for name in _PROGRAMS)
    return [found for name in names if (found := shutil.which(name))]


def _strip_one(file: Path, spare: Path, programs: Sequence[str], savings: Savings) -> None:
    before = file.read_bytes()
    for program in programs:
        command = [program, "--strip-unneeded", "-o", str(spare), str(file)]
        if run(command, limit_s=_LIMIT_S).status == 0 and spare.is_file():
            break
    else:
        savings.left.append(file.name)
        return
    after = spare.read_bytes()
    if len(after) >= len(before):
        return
    if not elf.loads_the_same(before, after):
        savings.left.append(file.name)
        return
    spare.chmod(file.stat().st_mode)
    spare.replace(file)
    savings.count(SYMBOLS, len(before) - len(after))
