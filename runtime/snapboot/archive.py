"""The module archive: the code of a function's modules in one file, found ahead of `sys.path`.

`snapboot package` writes it; the devkit's `package/inside/archive.py` describes it byte by byte.
What the import system would find in a folder is found here without a look at the folder. Everything
else about a module is as if it had been: its files are there, and its loader reads them for whoever
asks for a source or a resource. With the modules come the regular expressions that they compile.
"""

import posix
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, ExtensionFileLoader, SourceFileLoader
from _imp import _fix_co_filename, source_hash  # type: ignore[attr-defined]
from marshal import loads
from mmap import MAP_PRIVATE, PROT_READ, mmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, ModuleType
    from typing import Any

    # Number of its home, file in it, and in the archive: offset, length, check. An extension
    # module has no code here: its length is 0.
    Entry = tuple[int, str, int, int, bytes]
    Place = tuple[int, int, bytes]

NAME = "snapboot.modules"
MAGIC = NAME.encode()
HEAD_BYTES = 64
CHECK_KEY = int.from_bytes(b"snapboot", "little")


class ArchiveError(Exception):
    """An archive that cannot be used. The message completes "is not used: "."""


def install(folder: str) -> None:
    """Have modules loaded from the archive in a function's code folder, if it can be used.

    Whatever is wrong with it is told in one warning, and the modules come from their files.
    """
    try:
        sys.meta_path.insert(0, ModuleArchive(folder))
    except (ArchiveError, OSError, ValueError) as exc:
        _warn(f"{folder}/{NAME}", exc)


class ModuleArchive:
    """A finder on `sys.meta_path`. Raises ArchiveError, OSError and ValueError if unusable."""

    __slots__ = (
        "_ahead",
        "_content",
        "_homes",
        "_hooks",
        "_modules",
        "_path",
        "_patterns",
        "_tops",
        "location",
    )

    def __init__(self, folder: str) -> None:
        folder = _absolute(folder)
        self.location = f"{folder}/{NAME}"
        if sys.flags.optimize:
            raise ArchiveError("its code is not optimised, and PYTHONOPTIMIZE or -O asks for that")
        self._content = _mapped(self.location)
        homes, self._modules, self._patterns = _index(self._content)
        roots = {"t": folder, "s": _standard_library(), "r": _own_folder()}
        self._homes: list[str] = [_placed(home, roots) for home in homes]
        # Folders of the path, in its order when the archive was made.
        tops = {entry[0] for name, entry in self._modules.items() if "." not in name}
        self._tops: dict[str, int] = {self._homes[number]: number for number in tops}
        self._hooks = sys.path_hooks[:]
        self._path: list[str] = []
        self._ahead: dict[str, set[str]] = {}

    def __repr__(self) -> str:
        return f"<ModuleArchive {self.location} of {len(self._modules)} modules>"

    def find_spec(
        self, name: str, path: "Iterable[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Return the spec that the search of `path` would end with, if its module is in here."""
        del target
        entry = self._modules.get(name)
        if entry is None or sys.path_hooks != self._hooks:
            return None  # somebody else reads folders now
        if not entry[3] and name in sys.builtin_module_names:
            return None  # another build of the same release has it built in
        home = self._homes[entry[0]]
        if path is None:
            found = self._is_first_on_path(name, home)
        else:
            found = _is_first(name.rpartition(".")[2], home, path)
        return self._spec(name, f"{home}/{entry[1]}", entry) if found else None

    def invalidate_caches(self) -> None:
        """Look at `sys.path` anew at the next import (see `importlib.invalidate_caches`)."""
        self._path = []

    def code(self, name: str, path: str) -> "CodeType | None":
        """Return the code of a module whose source is at `path`; None if it cannot be had here."""
        entry = self._modules.get(name)
        if entry is None:
            return None
        code: CodeType | None = self._loaded(entry[2:], f"the code of {name!r}")
        if code is not None:
            _fix_co_filename(code, path)
        return code

    def remember_patterns(self, re: "ModuleType") -> None:
        """Have `re` find what it would parse as if it had: `re.compile` looks there first."""
        if not self._patterns[1]:
            return
        from _sre import compile as made  # type: ignore[import-not-found]

        for text, flags, final, code, *groups in (
            self._loaded(self._patterns, "what stands for the regular expressions") or ()
        ):
            numbers = memoryview(code).cast("I").tolist()
            pattern = made(text, final, numbers, *groups)
            re._cache[type(text), text, flags] = pattern  # noqa: SLF001 - its own release wrote it

    def _loaded(self, place: "Place", what: str) -> "Any":
        offset, length, check = place
        body = self._content[offset : offset + length]
        if source_hash(CHECK_KEY, body) != check:
            self._give_up(f"{what} in it is damaged")
            return None
        return loads(body)  # noqa: S302 - the packager's, and as it was written

    def _spec(self, name: str, location: str, entry: "Entry") -> ModuleSpec:
        loader: ExtensionFileLoader | SourceFileLoader
        if name == "re" and entry[3]:
            loader = PatternLoader(name, location, self)
        elif entry[3]:
            loader = ArchiveLoader(name, location, self)
        else:
            loader = ExtensionFileLoader(name, location)
        folder, _, file = location.rpartition("/")
        spec = ModuleSpec(name, loader, origin=location)
        if file.startswith("__init__."):
            spec.submodule_search_locations = [folder]
        spec.has_location = True
        return spec

    def _is_first_on_path(self, name: str, home: str) -> bool:
        if sys.path != self._path:
            self._look_at_path()
        ahead = self._ahead.get(home)
        return ahead is not None and name not in ahead

    def _look_at_path(self) -> None:
        """Note what is found ahead of each home, in folders that were not there at the sealing."""
        self._path = sys.path[:]
        self._ahead = {}
        others: set[str] = set()
        last = -1
        for entry in self._path:
            if not isinstance(entry, str):
                continue  # as the import system does
            try:
                folder = _absolute(entry)
            except OSError:
                continue  # relative to a current folder that is gone
            number = self._tops.get(folder, -1)
            if folder in self._ahead:
                pass  # what is found there has been found
            elif number > last:
                last = number
                self._ahead[folder] = others.copy()
            elif _names(folder, others) is None:
                break  # a zip file, say: whatever is behind it may be in it

    def _give_up(self, reason: str) -> None:
        self._modules = {}  # and not out of `sys.meta_path`: another thread may be going through it
        _warn(self.location, ArchiveError(reason))


class ArchiveLoader(SourceFileLoader):
    """Loads a module's code from the archive, and is in all else the loader of its file."""

    def __init__(self, name: str, path: str, archive: ModuleArchive) -> None:
        super().__init__(name, path)
        self._archive = archive

    def get_code(self, fullname: str) -> "CodeType | None":
        """Return the module's code; from its file once the archive is found to be damaged."""
        code = self._archive.code(fullname, self.path) if fullname == self.name else None
        return super().get_code(fullname) if code is None else code

    def __reduce__(self) -> "tuple[type, tuple[str, str]]":
        return SourceFileLoader, (self.name, self.path)


class PatternLoader(ArchiveLoader):
    """Loads `re`, which then knows the patterns that Function Init is going to compile."""

    def exec_module(self, module: "ModuleType") -> None:
        """Execute the module. Raises what that raises."""
        super().exec_module(module)
        self._archive.remember_patterns(module)


def _mapped(path: str) -> memoryview:
    # A pipe would be waited for.
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    try:
        return memoryview(mmap(descriptor, 0, MAP_PRIVATE, PROT_READ))
    finally:
        posix.close(descriptor)


def _index(content: memoryview) -> "tuple[tuple[str, ...], dict[str, Entry], Place]":
    if content[:16] != MAGIC or len(content) < HEAD_BYTES:
        raise ArchiveError("it does not begin as a module archive does")
    if content[16:20] != MAGIC_NUMBER or _number(content, 20, 4) != sys.hexversion:
        raise ArchiveError(
            f"it was made for CPython {_version(_number(content, 20, 4))}, and this is"
            f" {_version(sys.hexversion)}"
        )
    if _number(content, 24) != len(content):
        raise ArchiveError(
            f"it has {len(content)} bytes, and was written with {_number(content, 24)}"
        )
    start = _number(content, 32)
    index = content[start : start + _number(content, 40)]
    if source_hash(CHECK_KEY, index) != content[48:56]:
        raise ArchiveError("its index is damaged")
    return loads(index)  # type: ignore[no-any-return]  # noqa: S302 - as it was written


def _number(content: memoryview, offset: int, size: int = 8) -> int:
    return int.from_bytes(content[offset : offset + size], "little")


def _version(hexversion: int) -> str:
    return f"{hexversion >> 24}.{hexversion >> 16 & 255}.{hexversion >> 8 & 255}"


def _placed(home: str, roots: "dict[str, str]") -> str:
    if home[0] == "/":
        return home
    return f"{roots[home[0]]}/{home[1:]}" if home[1:] else roots[home[0]]


def _standard_library() -> str:
    return sys._stdlib_dir  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001


def _own_folder() -> str:
    return __file__.rpartition("/")[0].rpartition("/")[0]


def _absolute(folder: str) -> str:
    if folder[:1] != "/":
        folder = f"{posix.getcwd()}/{folder}"
    return folder.rstrip("/")


def _names(folder: str, names: "set[str]") -> "set[str] | None":
    """Add the names of what a folder offers to import; return None if it is no folder, but is."""
    try:
        names.update(name.partition(".")[0] for name in posix.listdir(folder))
    except FileNotFoundError:
        pass
    except OSError:
        return None
    return names


def _is_first(name: str, home: str, path: "Iterable[str]") -> bool:
    """Whether `home` is the first folder of a package's `__path__` that has a member `name`."""
    for folder in path:
        if folder == home:
            return True
        if not isinstance(folder, str):
            continue
        offered: set[str] = set()
        if _names(folder, offered) is None or name in offered:
            return False
    return False


def _warn(location: str, reason: Exception) -> None:
    from .logs import log_warning

    log_warning(
        f"snapboot: the module archive {location} is not used: {reason}. The modules are loaded"
        " from their files; package the function again"
    )
