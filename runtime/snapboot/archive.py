"""The module archive: the code of a function's modules in one file, found instead of their folders.

`snapboot package` writes it; the devkit's `package/in_target/archive.py` describes it byte by byte.
What the import system would find in a folder is found here without a look at the folder. Everything
else about a module is as if it had been: its files are there, and its loader reads them for any
caller that asks for a source or a resource. With the modules come the regular expressions that they
compile, and data that they would parse: see `ADAPTERS`.

It is no finder on `sys.meta_path`: the path finder walks `sys.path` or a package's `__path__` as
ever, and where it asks for the finder of a folder that modules were sealed of, it gets one of ours.
So all that may stand in front of a folder (other finders, path hooks, folders, changed methods of
the import system's own classes) stands in front of the archive, whenever it was put there.
"""

import posix
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import (  # type: ignore[attr-defined]
    MAGIC_NUMBER,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    _get_supported_file_loaders,
)
from _imp import _fix_co_filename, source_hash  # type: ignore[attr-defined]
from marshal import loads
from mmap import MAP_PRIVATE, PROT_READ, mmap

from .environment import variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any

    # Number of its home, file in it, and in the archive: offset, length, check. An extension
    # module has no code here: its length is 0.
    Entry = tuple[int, str, int, int, bytes]
    Place = tuple[int, int, bytes]
    # For a module that reads data: the places of what was sealed for it, and what they are.
    Table = tuple[tuple[Place, ...], Any]

NAME = "snapboot.modules"
MAGIC = NAME.encode()
HEAD_BYTES = 64
CHECK_KEY = int.from_bytes(b"snapboot", "little")
UNSEALED = -1  # the number of a folder that is no home
# Modules that read data which may be sealed, each with the module of ours that gives it to them.
ADAPTERS = {
    "botocore.hooks": "botocore_hooks",
    "botocore.loaders": "botocore_data",
    "importlib.metadata": "entry_points",
    "importlib_metadata": "entry_points",
}

# How the import system reads a folder.
LOADERS = tuple(_get_supported_file_loaders())
READ_FOLDERS = FileFinder.path_hook().__code__


def _own(function: object) -> object:
    """Return a function of the import system's; None for what has been put in its place."""
    home = vars(sys.modules["_frozen_importlib_external"])
    return function if getattr(function, "__globals__", None) is home else None


# What finds and loads the modules of a folder. Once it is replaced, the replacement is to do it.
FIND_SPEC = _own(FileFinder.find_spec)
GET_CODE = _own(SourceFileLoader.get_code)
GET_DATA = _own(SourceFileLoader.get_data)


class ArchiveError(Exception):
    """An archive that cannot be used. The message completes "is not used: "."""


def install(folder: str) -> None:
    """Have modules loaded from the archive in a function's code folder, if it can be used.

    What is wrong with it is written as one warning, and the modules come from their files.
    """
    try:
        archive = ModuleArchive(folder)
        sys.path_hooks.insert(_place_of_folders(), archive.finder)
    except (ArchiveError, OSError, ValueError) as exc:
        _warn(f"{folder}/{NAME}", exc)
        return
    for path, finder in list(sys.path_importer_cache.items()):
        if type(finder) is FileFinder and "find_spec" not in vars(finder):
            del sys.path_importer_cache[path]


class ModuleArchive:
    """What is in an archive. Raises ArchiveError, OSError and ValueError if unusable."""

    __slots__ = (
        *("_content", "_homes", "_patterns", "_roots"),
        *("adapted", "data", "lazy", "location", "modules", "tops"),
    )

    def __init__(self, folder: str) -> None:
        folder = _absolute(folder)
        self.location = f"{folder}/{NAME}"
        if sys.flags.optimize:
            raise ArchiveError("its code is not optimised, and PYTHONOPTIMIZE or -O asks for that")
        self._content = _mapped(self.location)
        # One that was made by a packager of before there was any data has none.
        homes, self.modules, self._patterns, *more = _index(self._content)
        self.data: dict[str, Place] = more[0] if more else {}
        self.adapted = ("re", *(name for name in self.data if name in ADAPTERS))
        self._roots = {"t": folder, "s": _standard_library(), "r": _own_folder()}
        self._homes = {self.placed(home): number for number, home in enumerate(homes)}
        # How many of them are folders of the path; they come first, in its order at the sealing.
        self.tops = len({entry[0] for name, entry in self.modules.items() if "." not in name})
        # Modules of which the code has imports wait, as the files' does not: `--lazy guided`.
        self.lazy: dict[str, tuple[str, ...]] = more[1] if more[1:] else {}
        if self.lazy and variable("SNAPBOOT_LAZY_IMPORTS") == "off":
            for name in self.lazy:
                self.modules.pop(name, None)
            self.lazy = {}

    def __repr__(self) -> str:
        return f"<ModuleArchive {self.location} of {len(self.modules)} modules>"

    def finder(self, folder: str) -> "ArchiveFinder":
        """Return the finder of a folder (a path hook). Raises ImportError for all others."""
        number = self._homes.get(folder.rstrip("/"), UNSEALED)
        if number == UNSEALED and not (folder in sys.path and _is_folder(folder)):
            raise ImportError("nothing is sealed of this, nor is it looked into often", path=folder)
        return ArchiveFinder(folder, number, self)

    def code(self, name: str, path: str) -> "CodeType | None":
        """Return the code of a module whose source is at `path`; None if it cannot be had here."""
        entry = self.modules.get(name)
        if entry is None:
            return None
        code: CodeType | None = self.loaded(entry[2:], f"the code of {name!r}")
        if code is not None:
            _fix_co_filename(code, path)
        return code

    def import_what_waits(self) -> None:
        """Import what the modules that are loaded have late, and what waits in that in turn.

        What cannot be imported goes on waiting: it fails where it is used, if it ever is.
        """
        done: set[str] = set()
        while left := [name for name in self.lazy if name in sys.modules and name not in done]:
            for name in left:
                done.add(name)
                for late in self.lazy[name]:
                    try:
                        getattr(sys.modules[name], late, None)
                    except Exception:  # noqa: S112 - the function's own, where it is used
                        continue

    def placed(self, home: str) -> str:
        """Return where a home is, or a folder that is named as one."""
        if home[0] == "/":
            return home
        root = self._roots[home[0]]
        return f"{root}/{home[1:]}" if home[1:] else root

    def adapt(self, module: "ModuleType") -> None:
        """Give a module that was just executed what it would parse."""
        name = module.__name__
        if name == "re":
            self._remember_patterns(module)
        else:
            table = self.loaded(self.data[name], f"the table of data for {name!r}")
            if table is not None:
                self._adapter(ADAPTERS[name]).install(module, self, table)

    def _adapter(self, name: str) -> "Any":
        own = __name__.rpartition(".")[0]
        __import__(f"{own}.{name}")
        return sys.modules[f"{own}.{name}"]

    def content(self, place: "Place", what: str) -> "memoryview | None":
        """Return the bytes at a place; None, and none of the archive again, if damaged."""
        offset, length, check = place
        body = self._content[offset : offset + length]
        if source_hash(CHECK_KEY, body) != check:
            self._give_up(f"{what} in it is damaged")
            return None
        return body

    def _remember_patterns(self, re: "ModuleType") -> None:
        """Have `re` find what it would parse as if it had: `re.compile` looks there first."""
        if not self._patterns[1]:
            return
        from _sre import compile as made  # type: ignore[import-not-found]

        for text, flags, final, code, *groups in (
            self.loaded(self._patterns, "what stands for the regular expressions") or ()
        ):
            numbers = memoryview(code).cast("I").tolist()
            pattern = made(text, final, numbers, *groups)
            re._cache[type(text), text, flags] = pattern  # noqa: SLF001 - its own release wrote it

    def loaded(self, place: "Place", what: str) -> "Any":
        """Return what `marshal` wrote at a place, None if it is damaged."""
        body = self.content(place, what)
        # The packager's, and as it was written.
        return None if body is None else loads(body)  # noqa: S302

    def _give_up(self, reason: str) -> None:
        self.modules = {}  # the finders stay, and look into their folders
        _warn(self.location, ArchiveError(reason))


def archive_of(hook: object) -> "ModuleArchive | None":
    """Return the archive whose path hook this is."""
    archive = getattr(hook, "__self__", None)
    return archive if type(archive) is ModuleArchive else None


class ArchiveFinder(FileFinder):
    """Finds a folder's modules in the archive, and what is not in there in the folder.

    Of a folder on `sys.path` that nothing was sealed of, it says quicker that a sealed module is
    not in there: each import of the standard library's asks what stands before it.
    """

    def __init__(self, folder: str, number: int, archive: ModuleArchive) -> None:
        super().__init__(folder, *LOADERS)
        self._home = folder.rstrip("/")
        self._number = number
        self._archive = archive
        self._names: set[str] = set()
        self._names_of = -1.0  # the folder's time of change, when it had these

    def invalidate_caches(self) -> None:
        """Look into the folder again, as any finder of a folder then does."""
        super().invalidate_caches()
        self._names_of = -1.0

    def find_spec(self, fullname: str, target: "ModuleType | None" = None) -> "ModuleSpec | None":
        """Return the spec that a look at the folder would end with."""
        archive = self._archive
        entry = archive.modules.get(fullname)
        if (
            entry is not None
            and FileFinder.find_spec is FIND_SPEC
            and SourceFileLoader.get_code is GET_CODE
            and SourceFileLoader.get_data is GET_DATA
        ):
            if entry[0] == self._number:
                return self._spec(fullname, entry)
            if "." not in fullname and self._lacks(fullname, entry[0]):
                return None
        return super().find_spec(fullname, target)

    def _lacks(self, name: str, home: int) -> bool:
        """Whether a module that is sealed of another folder is certainly not in this one."""
        if self._number != UNSEALED:
            return self._number < home < self._archive.tops  # else it had been found in here
        try:
            changed = posix.stat(self.path).st_mtime
            if changed != self._names_of:
                self._names = {file.partition(".")[0] for file in posix.listdir(self.path)}
                self._names_of = changed
        except OSError:
            return False
        return name not in self._names

    def _spec(self, name: str, entry: "Entry") -> ModuleSpec:
        location = f"{self._home}/{entry[1]}"
        loader: ExtensionFileLoader | SourceFileLoader
        if not entry[3]:
            loader = ExtensionFileLoader(name, location)
        elif name in self._archive.adapted:
            loader = AdaptingLoader(name, location, self._archive)
        else:
            loader = ArchiveLoader(name, location, self._archive)
        folder, _, file = location.rpartition("/")
        spec = ModuleSpec(name, loader, origin=location)
        if file.startswith("__init__."):
            spec.submodule_search_locations = [folder]
        spec.has_location = True
        return spec


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


class AdaptingLoader(ArchiveLoader):
    """Loads a module that parses at each start what was parsed when the function was packaged."""

    def exec_module(self, module: "ModuleType") -> None:
        """Execute the module. Raises what that raises."""
        super().exec_module(module)
        if self._archive.modules:  # it has not been given up
            self._archive.adapt(module)


def _mapped(path: str) -> memoryview:
    # A pipe would be waited for.
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    try:
        return memoryview(mmap(descriptor, 0, MAP_PRIVATE, PROT_READ))
    finally:
        posix.close(descriptor)


def _index(content: memoryview) -> "Any":
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
    return loads(index)  # noqa: S302 - as it was written


def _number(content: memoryview, offset: int, size: int = 8) -> int:
    return int.from_bytes(content[offset : offset + size], "little")


def _version(hexversion: int) -> str:
    return f"{hexversion >> 24}.{hexversion >> 16 & 255}.{hexversion >> 8 & 255}"


def _standard_library() -> str:
    return sys._stdlib_dir  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001


def _own_folder() -> str:
    return __file__.rpartition("/")[0].rpartition("/")[0]


def _absolute(folder: str) -> str:
    if folder[:1] != "/":
        folder = f"{posix.getcwd()}/{folder}"
    return folder.rstrip("/")


def _is_folder(path: str) -> bool:
    try:
        return posix.stat(path).st_mode & 0o170000 == 0o040000
    except (OSError, ValueError):
        return False


def _place_of_folders() -> int:
    """Return the place of the path hook that reads folders for the import system.

    The one for zip files stands before it, and opens what it is asked for: no folder is one.
    """
    for place, hook in enumerate(sys.path_hooks):
        if getattr(hook, "__code__", None) is READ_FOLDERS:
            details = [cell.cell_contents for cell in getattr(hook, "__closure__", ())]
            if details == [FileFinder, LOADERS]:
                before = sys.path_hooks[place - 1] if place else None
                return place - (getattr(before, "__name__", "") == "zipimporter")
    raise ArchiveError("something else than the import system's own path hook reads folders")


def _warn(location: str, reason: Exception) -> None:
    from .logs import log_warning

    log_warning(
        f"snapboot: the module archive {location} is not used: {reason}. The modules are loaded"
        " from their files; package the function again"
    )
