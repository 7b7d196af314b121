"""Which distribution a module's file belongs to, read from what pip and others leave beside it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STANDARD_LIBRARY: Final = "standard library"
RUNTIME: Final = "the runtime"
YOURS: Final = "your code"
_INFO: Final = (".dist-info", ".egg-info")
_RUNTIME_NAMES: Final = frozenset({"snapboot", "snapshot_restore_py", "awslambdaric"})
_STANDARD: Final = re.compile(r"/lib(?:64)?/python3[.\d]*t?/")
_MODULE: Final = re.compile(r"([A-Za-z_]\w*)(?:\.[\w.-]+)?\.(?:py|pyc|so|pyd)")


def own_names(task_root: Path) -> frozenset[str]:
    """Return the top modules and packages in a folder that no distribution has installed there."""
    claimed = _claimed(task_root)
    found = set()
    try:
        entries = list(task_root.iterdir())
    except OSError:
        return frozenset()
    for entry in entries:
        name = entry.name
        if entry.is_dir():
            if name.isidentifier() and name != "__pycache__":
                found.add(name)
        elif match := _MODULE.fullmatch(name):
            found.add(match[1])
        elif name.endswith(".py"):
            found.add(name.removesuffix(".py"))  # such as `get-user.py`
    return frozenset(found - claimed.keys() - _RUNTIME_NAMES)


@functools.cache
def _claimed(folder: Path) -> dict[str, str]:
    """Return the top names in a folder that a distribution claims, and which one does."""
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - after what was measured

    claimed: dict[str, str] = {}
    try:
        infos = [entry for entry in folder.iterdir() if entry.name.endswith(_INFO)]
    except OSError:
        return claimed
    for info in sorted(infos):
        distribution = canonicalize_name(info.stem.partition("-")[0])
        for name in _tops(info):
            claimed.setdefault(name, distribution)
    return claimed


def _tops(info: Path) -> Iterable[str]:
    record = _text(info / "RECORD")
    if record:
        for line in record.splitlines():
            path = line.rpartition(",")[0].rpartition(",")[0].strip('"')
            first, slash, _ = path.partition("/")
            if slash:
                if not first.endswith(_INFO) and first != "..":
                    yield first
            elif match := _MODULE.fullmatch(first):
                yield match[1]
    else:
        yield from _text(info / "top_level.txt").split()


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


@dataclass(slots=True)
class Distributions:
    """Names distributions of the files of one function, which `outside` finds on this machine."""

    task_root: str
    own: frozenset[str]
    outside: Callable[[str], Path]
    _known: dict[str, str] = field(default_factory=dict)

    def of(self, name: str, file: str) -> str:
        """Return what a module belongs to: a distribution, or one of the names above."""
        top = name.partition(".")[0]
        if top in self._known:
            return self._known[top]
        return self._known.setdefault(top, self._find(top, file))

    def _find(self, top: str, file: str) -> str:
        if top in _RUNTIME_NAMES:
            return RUNTIME
        if not file or file in {"built-in", "frozen"}:
            return STANDARD_LIBRARY
        if file.startswith(f"{self.task_root}/") and top in self.own:
            return YOURS
        folder = self._folder_of(top, file)
        if folder is not None and (claimed := _claimed(self.outside(str(folder))).get(top)):
            return claimed
        packages = "/site-packages/" in file or "/dist-packages/" in file
        return STANDARD_LIBRARY if not packages and _STANDARD.search(file) else top

    @staticmethod
    def _folder_of(top: str, file: str) -> Path | None:
        """Return the folder of the path in which the top package or module is."""
        path = Path(file)
        for parent in path.parents:
            if parent.name == top or parent.name.startswith(f"{top}."):
                return parent.parent
        return path.parent
