"""Changes carried out: written beside, then renamed into place, and never outside the package."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.audit.changes import Act, Change
from snapboot_devkit.package.checks.contents import AuditError
from snapboot_devkit.package.checks.zips import DAMAGES, ZipStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from snapboot_devkit.package.checks.contents import Package

# The earliest date that a zip can hold: the same content is the same bytes whenever it is written.
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_FILE_MODE: Final = 0o644
_LEVEL: Final = 9
_FOLDER_MODE: Final = 0o755


def write(package: Package, changes: Iterable[Change]) -> None:
    """Carry out changes in the folder or zip that is the package. Raises AuditError."""
    store = package.store
    try:
        if isinstance(store, ZipStore):
            _rewrite(store, {change.path: change for change in changes})
        else:
            _change(Path(os.path.realpath(store.path)), changes)
    except OSError as exc:
        raise AuditError(
            f"cannot write to {exc.filename or str(store.path)!r}: {exc.strerror or exc}; give a "
            "copy that can be written to, on a disk with room"
        ) from exc


def _change(root: Path, changes: Iterable[Change]) -> None:
    # Folders first, the outermost first: what is in a closed one can be reached then.
    for change in changes:
        path = _inside(root, change.path)
        if change.act is Act.REMOVED:
            path.unlink(missing_ok=True)
        elif change.content is not None:
            path.parent.mkdir(_FOLDER_MODE, exist_ok=True)
            _replace(path, change.content, change.mode or _FILE_MODE)
        elif change.mode is not None and not path.is_symlink():
            path.chmod(change.mode)


def _inside(root: Path, path: str) -> Path:
    """Return an entry's path, unless a link leads out of the folder. Raises AuditError."""
    place = root / path
    if os.path.realpath(place.parent) != os.fspath(place.parent):
        raise AuditError(
            f"cannot write {path!r}: a link leads it out of its folder; put a folder in its place"
        )
    return place


def _replace(path: Path, content: bytes, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".snapboot-", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _rewrite(store: ZipStore, changes: Mapping[str, Change]) -> None:
    path = store.path
    descriptor, name = tempfile.mkstemp(prefix=".snapboot-", suffix=".zip", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as target:
                _copy(store, target, changes)
            os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode))
        beside.replace(path)
    except DAMAGES as exc:
        beside.unlink(missing_ok=True)
        raise AuditError(f"cannot rewrite {str(path)!r}: {exc}; pack it again") from exc
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _copy(store: ZipStore, target: zipfile.ZipFile, changes: Mapping[str, Change]) -> None:
    """Write all entries, sorted, the changed ones as they are to be. Raises AuditError."""
    if refused := next(iter(store.refused()), None):
        raise AuditError(
            f"cannot rewrite {str(store.path)!r}: of {refused[0]!r}, {refused[1]}; pack it again"
        )
    for path in sorted(store.by_path.keys() | changes.keys()):
        change, info = changes.get(path), store.by_path.get(path)
        if change is not None and change.act is Act.REMOVED:
            continue
        head = _head(path, info, change)
        if change is not None and change.content is not None:
            target.writestr(head, change.content)
        elif info is not None:
            with store.open(info) as source, target.open(head, "w") as copy:
                shutil.copyfileobj(source, copy)


def _head(path: str, info: zipfile.ZipInfo | None, change: Change | None) -> zipfile.ZipInfo:
    folder = info is not None and info.is_dir()
    head = zipfile.ZipInfo(f"{path}/" if folder else path, info.date_time if info else _DATE)
    head.create_system = _UNIX
    head.compress_type = zipfile.ZIP_DEFLATED
    head.external_attr = info.external_attr if info and info.create_system == _UNIX else 0
    if change is not None and change.mode is not None:
        kind = stat.S_IFDIR if folder else stat.S_IFREG
        head.external_attr = (kind | change.mode) << 16 | (0x10 if folder else 0)
    head.external_attr = head.external_attr or (stat.S_IFREG | _FILE_MODE) << 16
    return head
