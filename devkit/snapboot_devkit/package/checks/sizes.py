"""How large a package is, by what it consists of, and what Lambda takes."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.protocol import KIB, MIB
from snapboot_devkit.package.checks import provided
from snapboot_devkit.package.checks.contents import Package, opened
from snapboot_devkit.package.checks.finding import Finding, error
from snapboot_devkit.package.checks.folders import FolderStore
from snapboot_devkit.package.checks.zips import ZipStore
from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from snapboot_devkit.package.checks.distributions import Owners

LARGEST: Final = 5
# Where it is too large, more of them: what is to go may be small.
_LARGEST_OF_TOO_MUCH: Final = 12


def by_owner(package: Package, owners: Owners) -> dict[str, int]:
    """Return the unpacked bytes of each distribution, folder at the top or part; largest first."""
    return by_part([(owners, ((entry.path, entry.size) for entry in package.files))])


def by_part(folders: Iterable[tuple[Owners, Iterable[tuple[str, int]]]]) -> dict[str, int]:
    """Return the same of several folders together, each with the paths and sizes of its files."""
    sizes: Counter[str] = Counter()
    for owners, files in folders:
        for path, size in files:
            sizes[owners.of(path)] += size
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def of_layers(layers: Iterable[Path]) -> dict[str, int]:
    """Return the unpacked bytes of each layer, a folder or a zip. Raises AuditError."""
    found: dict[str, int] = {}
    for layer in layers:
        with contextlib.ExitStack() as stack:
            zipped = layer.is_file()
            store = stack.enter_context(ZipStore(layer)) if zipped else FolderStore(layer)
            name = f"the layer {layer.name!r}"
            found[name] = found.get(name, 0) + opened(store).size
    return found


def excess(parts: Mapping[str, int], *, image: bool) -> Finding | None:
    """Find that it is more than Lambda takes, and say by what."""
    limit = provided.MAX_IMAGE_BYTES if image else provided.MAX_CODE_BYTES
    total = sum(parts.values())
    if total <= limit:
        return None
    more = len(parts) - _LARGEST_OF_TOO_MUCH
    return error(
        "too-large",
        "",
        f"it takes {megabytes(total)} unpacked, and Lambda takes {megabytes(limit)}, layers "
        f"included; the largest: {largest(parts, _LARGEST_OF_TOO_MUCH)}"
        + (f" and {more} more" if more > 0 else ""),
        "leave out what the function does not need"
        + ("" if image else ", try snapboot package --strip, or make an image: --as image"),
    )


def check(parts: Mapping[str, int], *, image: bool) -> None:
    """Raise PackageError for more than Lambda takes."""
    if found := excess(parts, image=image):
        raise PackageError(f"the function is too large: {found.message}; {found.remedy}")


def largest(parts: Mapping[str, int], most: int = LARGEST) -> str:
    """Return the largest parts with their sizes, for people."""
    return ", ".join(f"{name} {megabytes(parts[name])}" for name in list(parts)[:most])


def megabytes(size: int) -> str:
    """Return a size as Lambda's quotas count: 50 MB are 50 · 1024² bytes."""
    return f"{size / MIB:,.1f} MB" if size >= MIB / 10 else f"{size / KIB:.1f} KB"
