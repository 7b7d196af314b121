"""Bytecode that is never compared with its source (PEP 552, unchecked hash)."""

from __future__ import annotations

import ast
import importlib.util
import marshal
import os
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

from .failure import WorkerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

UNCHECKED_HASH = b"\1\0\0\0"
FOLDER_MODE = 0o755
FILE_MODE = 0o644
REMEDY_SPACE = "make room, or name another place for the output, and run it again"

# What `compile` raises for a source that it cannot make code of.
UNCOMPILABLE = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


@dataclass(frozen=True, slots=True)
class CompiledFolder:
    """What came of a folder; `failed` maps a file, relative to the folder, to why it did not.

    `tag` is what the names of the bytecode files have.
    """

    files: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    tag: str = sys.implementation.cache_tag or ""


def compile_folder(
    folder: str, place: str, *, keep: bool = False, only: Iterable[str] | None = None
) -> CompiledFolder:
    """Write the bytecode of every module below a folder that will be at `place` on Lambda.

    With `keep` what is there already and belongs to its source stays; `only` names the modules.
    A file that is not Python of this version is reported and left: packages carry templates and
    code for other versions, which nothing imports. Raises WorkerError when one cannot be written.
    """
    failed, files = {}, 0
    for name in _sources(folder) if only is None else only:
        path = Path(folder, name)
        try:
            source = _read(path)
            if keep and kept_body(path, source, f"{place}/{name}") is not None:
                files += 1
                continue
            body = marshalled(source, f"{place}/{name}")
        except (OSError, *UNCOMPILABLE) as exc:
            failed[name] = _reason(exc)
        else:
            _write(path, source, body)
            files += 1
    return CompiledFolder(files, failed)


def kept_body(path: Path, source: bytes, place: str) -> bytes | None:
    """Return the bytecode beside a source as it was written here for it; None without it.

    `place` is the source's path on Lambda, which bytecode of other origin does not name.
    """
    head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source)
    try:
        content = _bytecode(path).read_bytes()
    except OSError:
        return None
    if not content.startswith(head):
        return None
    body = content[len(head) :]
    try:
        code = marshal.loads(body)  # noqa: S302 - for this very interpreter
    except (EOFError, ValueError, TypeError):
        return None
    return body if isinstance(code, CodeType) and code.co_filename == place else None


def _bytecode(path: Path) -> Path:
    return path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"


def marshalled(source: bytes | ast.Module, path: str) -> bytes:
    """Return a module's code as the body of its `.pyc` has it, the same in every process.

    Of its source, or of what was parsed of it. Raises one of UNCOMPILABLE.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of other people's packages
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    held: list[object] = []
    _hold(code, held)
    return marshal.dumps(code)


def _hold(value: object, held: list[object]) -> None:
    """Keep a second reference to all that a code object is made of.

    `marshal` marks what has more than one, in case it is met again. A string may have a second
    one anywhere in this process, and the bytes would differ by that from run to run.
    """
    held.append(value)
    if isinstance(value, (tuple, frozenset)):
        for item in value:
            _hold(item, held)
    elif isinstance(value, CodeType):
        names = (value.co_names, value.co_varnames, value.co_cellvars, value.co_freevars)
        texts = (value.co_filename, value.co_name, value.co_qualname)
        _hold((value.co_consts, *names, *texts), held)


def _sources(folder: str) -> list[str]:
    """Return the modules' files relative to a folder, sorted; links are not followed."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        paths = (Path(parent, name) for name in names if name.endswith(".py"))
        found += [path.relative_to(folder).as_posix() for path in paths if not path.is_symlink()]
    return sorted(found)


def _read(path: Path) -> bytes:
    if not path.is_file():  # a FIFO would be waited for
        raise OSError("not a regular file")
    return path.read_bytes()


def _write(path: Path, source: bytes, body: bytes) -> None:
    """Put the bytecode beside its source, whole or not at all."""
    target = _bytecode(path)
    folder = target.parent
    head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source)
    try:
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(FOLDER_MODE)
        replace(target, head + body)
    except OSError as exc:
        words = f"cannot write the bytecode {str(target)!r}: {exc.strerror}"
        raise WorkerError(words, REMEDY_SPACE) from exc


def replace(path: Path, content: bytes) -> None:
    """Write a file beside `path` and rename it into place; raises OSError and leaves no scrap."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        scratch.write_bytes(content)
        scratch.chmod(FILE_MODE)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def _reason(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.msg} (line {error.lineno})"
    return f"{type(error).__name__}: {error}"
