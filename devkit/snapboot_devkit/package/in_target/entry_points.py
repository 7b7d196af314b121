"""The entry points that Function Init has read, to be sealed.

For `importlib.metadata` and its forerunner `importlib_metadata` alike: {folder: {name of a
distribution's folder: ((name, value, group), …)}}. There are no contents beside it.
Loaded by `tracing`, once the modules have been listed.
"""

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Any

    from .tracing import Data

FILE = "entry_points.txt"
SUFFIX = ".dist-info"


def data(module: str, opened: "Iterable[str]", _wanted: "Iterable[str]") -> "Data | str | None":
    """Return the entry points of all folders of which some were read; None if none were.

    Or the reason why none can be sealed.
    """
    metadata = sys.modules.get(module)
    folders = dict.fromkeys(
        folder
        for path in opened
        if path.endswith(f"{SUFFIX}/{FILE}")
        for folder in [path.rsplit("/", 2)[0]]
        if folder in sys.path
    )
    if metadata is None or not folders:
        return None
    if not _is_own(metadata):
        return "its functions are not those that are known here"
    known = {folder: _points(metadata, folder) for folder in folders}
    listings = [(folder, f"*{SUFFIX}/{FILE}") for folder in folders]
    files = [
        _file(f"{folder}/{name}/{FILE}")
        for folder, distributions in known.items()
        for name, points in distributions.items()
        if points
    ]
    return files, known, listings


def _is_own(metadata: "ModuleType") -> bool:
    try:
        used = (
            metadata.Distribution.entry_points.fget,
            metadata.PathDistribution.read_text,
            metadata.EntryPoints._from_text_for,  # noqa: SLF001
            metadata.EntryPoint._for,  # noqa: SLF001
        )
    except AttributeError:
        return False
    functions = (getattr(one, "__func__", one) for one in used)
    return all(getattr(one, "__globals__", None) is vars(metadata) for one in functions)


def _points(metadata: "ModuleType", folder: str) -> "dict[str, tuple[tuple[str, str, str], ...]]":
    from pathlib import Path  # noqa: PLC0415 - the modules are listed

    return {
        name: tuple(
            (point.name, point.value, point.group)
            for point in metadata.PathDistribution(Path(folder, name)).entry_points
        )
        for name in sorted(posix.listdir(folder))
        if name.endswith(SUFFIX)
    }


def _file(path: str) -> "tuple[Any, ...]":
    status = posix.stat(path)
    return path, status.st_size, status.st_mtime_ns, b""
