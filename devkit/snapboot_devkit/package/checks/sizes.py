"""How large a package is, by what it consists of, and what Lambda takes."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.protocol import KIB, MIB
from snapboot_devkit.package import layout
from snapboot_devkit.package.checks import provided
from snapboot_devkit.package.contents import installed
from snapboot_devkit.package.contents.tree import ARCHIVE
from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LARGEST: Final = 5
OWN_CODE: Final = "your code"
_PARTS: Final = {
    layout.INTERPRETER: "the interpreter",
    layout.RUNTIME: "the runtime",
    ARCHIVE: "the module archive",
}
_METADATA: Final = (".dist-info", ".egg-info", ".data")


def by_part(*roots: Path) -> dict[str, int]:
    """Return the bytes of each package, and of the rest by other names; the largest one first."""
    sizes: Counter[str] = Counter()
    for root in roots:
        owners = _owners(root)
        for name, size in _files(root):
            sizes[_part(name, owners)] += size
    return dict(sizes.most_common())


def check(parts: Mapping[str, int], most: int, what: str) -> None:
    """Raise PackageError, which names the largest parts, if there is more than `most` bytes."""
    total = sum(parts.values())
    if total > most:
        raise PackageError(
            f"{what} would take {megabytes(total)}, and Lambda allows {megabytes(most)}. The "
            f"largest parts: {told(parts)}. Leave out what the function does not need"
            + (", or ship an image: --as image" if most == provided.MAX_CODE_BYTES else "")
        )


def told(parts: Mapping[str, int]) -> str:
    """Return the largest parts with their sizes, for people."""
    return ", ".join(f"{name} {megabytes(parts[name])}" for name in list(parts)[:LARGEST])


def megabytes(size: int) -> str:
    """Return a size as Lambda's quotas count: 50 MB are 50 · 1024² bytes."""
    return f"{size / MIB:.1f} MB" if size >= MIB / 10 else f"{size / KIB:.1f} KB"


def _files(root: Path) -> Iterator[tuple[str, int]]:
    for parent, _, names in os.walk(root):
        for name in names:
            path = Path(parent, name)
            yield path.relative_to(root).as_posix(), path.lstat().st_size


def _owners(root: Path) -> dict[str, str]:
    """Return which package each name at the top of a folder belongs to."""
    owners: dict[str, str] = {}
    for record in sorted(root.glob("*.dist-info/RECORD")):
        package = record.parent.name.partition("-")[0]
        rows = installed.recorded(record) or []
        tops = {row[0].partition("/")[0] for row in rows} - {".."}
        # Of a namespace package the first one is named; all of them would be no clearer.
        owners |= {top: package for top in tops if top not in owners}
    return owners


def _part(name: str, owners: Mapping[str, str]) -> str:
    for start, part in _PARTS.items():
        if name == start or name.startswith(f"{start}/"):
            return part
    top = name.partition("/")[0]
    if top.endswith(_METADATA):
        return owners.get(top, top.partition("-")[0])
    return owners.get(top, OWN_CODE)
