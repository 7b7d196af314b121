"""What a function is made of, as its environments run it.

A folder is used where it is, so that a change is seen by the next environment; what is packed,
and layers that must be laid over each other, go to a temporary folder.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from snapboot_devkit.host import folders
from snapboot_devkit.host.errors import SourceError
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snapboot_devkit.host.sources.unpacking import Budget

MAX_LAYERS: Final = 5
# A file of this name in the layer root keeps all external extensions from being started.
DISABLE_EXTENSIONS: Final = "disable-extensions-jwigqn8j"


@dataclass(frozen=True, slots=True)
class ExtensionFile:
    """An external extension; one that is not executable cannot be launched, which is reported."""

    name: str
    path: Path
    executable: bool


@dataclass(frozen=True, slots=True)
class Code:
    """A function's folders. Close it, or use it as a context manager: nothing is left then.

    `task_root` stands for `/var/task`, `layer_root` for `/opt`.
    """

    task_root: Path
    layer_root: Path | None = None
    temporary: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was unpacked. Once is enough, twice does no harm."""
        if self.temporary is not None:
            folders.remove(self.temporary)

    @property
    def extensions(self) -> tuple[ExtensionFile, ...]:
        """The external extensions, in the order of their start."""
        if self.layer_root is None or (self.layer_root / DISABLE_EXTENSIONS).exists():
            return ()
        found = sorted((self.layer_root / "extensions").glob("*"))
        return tuple(
            ExtensionFile(path.name, path, os.access(path, os.X_OK))
            for path in found
            if path.is_file()
        )

    @property
    def bootstrap(self) -> Path | None:
        """The program that the code brings along; one that can be executed comes first."""
        roots = (self.task_root, self.layer_root)
        files = [root / "bootstrap" for root in roots if root and (root / "bootstrap").is_file()]
        return next((file for file in files if os.access(file, os.X_OK)), next(iter(files), None))


def prepare(
    code: Path,
    layers: Sequence[Path] = (),
    *,
    within: Path | None = None,
    made: Callable[[Path], None] | None = None,
) -> Code:
    """Return the folders of a function whose code and layers are folders or zip files.

    Temporary folders are made in `within`, by default in the system's; `made` gets one before
    anything is in it. The quota counts what is unpacked or laid over each other, not a folder that
    is used where it is: a checkout holds more than its package will. Raises SourceError.
    """
    if len(layers) > MAX_LAYERS:
        raise SourceError(
            f"{len(layers)} layers are too many: a function has up to {MAX_LAYERS}; leave some out"
        )
    layer_root = layers[0] if len(layers) == 1 and layers[0].is_dir() else None
    if code.is_dir() and (layer_root or not layers):
        return Code(code, layer_root)
    from snapboot_devkit.host.sources.unpacking import Budget  # noqa: PLC0415

    temporary = temporary_folder(within, made=made)
    try:
        budget = Budget()
        task_root = code if code.is_dir() else _lay((code,), temporary / "task", budget)
        if layers and layer_root is None:
            layer_root = _lay(layers, temporary / "opt", budget)
    except BaseException:
        folders.remove(temporary)
        raise
    return Code(task_root, layer_root, temporary)


def temporary_folder(
    within: Path | None = None, *, made: Callable[[Path], None] | None = None
) -> Path:
    """Return a new folder, which `made` gets, too. Raises SourceError."""
    try:
        folder = folders.temporary("snapboot-code-", within).resolve()
    except OSError as exc:
        import tempfile  # noqa: PLC0415

        raise SourceError(
            f"cannot make a folder for the code in {str(within or tempfile.gettempdir())!r}: "
            f"{exc.strerror}; TMPDIR chooses another one"
        ) from exc
    if made is not None:
        made(folder)
    return folder


def _lay(sources: Sequence[Path], root: Path, budget: Budget) -> Path:
    """Put sources over each other in order; the last one wins."""
    # Rarely needed, and imports much.
    from snapboot_devkit.host.sources import unpacking  # noqa: PLC0415

    root.mkdir()
    for source in sources:
        tree = unpacking.Tree(root, budget, source)
        if source.is_dir():
            unpacking.copy_folder(source, tree)
        else:
            unpacking.unpack_zip(source, tree)
    return root
