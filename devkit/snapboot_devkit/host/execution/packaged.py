"""A function that was packaged with its interpreter, which has a path that is Lambda's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.sandbox.mount_namespace import LAYER_ROOT, TASK_ROOT

if TYPE_CHECKING:
    from snapboot_devkit.host.sources.code import Code

# The kernel reads no more of a first line (BINPRM_BUF_SIZE).
_SHEBANG_BYTES: Final = 256
# An ELF file begins with the machine it is for: the class, the byte order, the machine.
_HEAD_BYTES: Final = 20


def bootstrap(code: Code) -> Path | None:
    """Return the path on Lambda of a bootstrap that runs by an interpreter of the package's own.

    None for one that names another interpreter, or one that is not for this machine.
    """
    if code.bootstrap is None:
        return None
    program = _named(code.bootstrap, code)
    if program is None or not _is_for_this_machine(program):
        return None
    own = code.bootstrap.parent == code.task_root
    return (TASK_ROOT if own else LAYER_ROOT) / code.bootstrap.name


def _named(file: Path, code: Code) -> Path | None:
    """Return the path here of a script's interpreter, if that is a part of the package."""
    words = _head(file, _SHEBANG_BYTES).partition(b"\n")[0].removeprefix(b"#!").split()
    program = Path((words or [b""])[0].decode("utf-8", "replace"))
    for place, root in ((TASK_ROOT, code.task_root), (LAYER_ROOT, code.layer_root)):
        if root and place in program.parents:
            return root / program.relative_to(place)
    return None


def _is_for_this_machine(program: Path) -> bool:
    theirs, ours = (_head(path, _HEAD_BYTES) for path in (program, Path(sys.executable)))
    return (theirs[:6], theirs[18:]) == (ours[:6], ours[18:])


def _head(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""
