"""Files of variables, read by the rules of python-dotenv.

`export`, comments, quotes, escapes in double quotes and values of several lines work as there, and
so does `${NAME}`: it stands for a variable of the files so far, else of this process, else for the
default in `${NAME:-default}`. A name that is none of these is refused where the library would leave
nothing in its place. With `--env K=V` a value is taken as it is written.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.errors import SourceError
from snapboot_devkit.host.protocol import KIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from dotenv.parser import Binding

# A function's variables may take 4 KiB; a file far above that with its comments is another one.
MAX_FILE_BYTES: Final = 256 * KIB


def read(files: Iterable[Path], environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of all files; of a name that occurs again, the last value.

    `environ` is where a `${NAME}` that no file has is looked up, by default this process. Raises
    SourceError with the file and the line.
    """
    around = os.environ if environ is None else environ
    found: dict[str, str] = {}
    for file in files:
        for binding in _bindings(file):
            place = f"line {binding.original.line} of the env file {str(file)!r}"
            if binding.key is not None:
                found[binding.key] = _value(binding, place, {**around, **found})
    return found


def _bindings(file: Path) -> Iterator[Binding]:
    """Yield what a file's statements say, comments and blank lines included."""
    # Who names no such file needs no such library: the image has none.
    from dotenv.parser import parse_stream  # noqa: PLC0415

    for binding in parse_stream(io.StringIO(_text(file))):
        # The statement begins with the blank lines before it.
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        line = binding.original.line + binding.original.string.count("\n", 0, blank)
        moved = binding._replace(original=binding.original._replace(line=line))
        if binding.error:
            raise SourceError(
                f"line {line} of the env file {str(file)!r} is not KEY=VALUE, or a quote is not "
                "closed; write it as KEY='VALUE', or begin it with # to leave it out"
            )
        yield moved


def _value(binding: Binding, place: str, names: Mapping[str, str]) -> str:
    from dotenv.variables import Variable, parse_variables  # noqa: PLC0415

    if binding.value is None:
        raise SourceError(
            f"{place} names {binding.key!r} without a value; write {binding.key}=VALUE, or pass "
            f"your own one by --env {binding.key}"
        )
    atoms = list(parse_variables(binding.value))
    for atom in atoms:
        if isinstance(atom, Variable) and atom.default is None and atom.name not in names:
            raise SourceError(
                f"{place} uses '${{{atom.name}}}', which is not set; set it before, write "
                f"'${{{atom.name}:-default}}', or give a value with such characters by "
                f"--env '{binding.key}=VALUE'"
            )
    return "".join(atom.resolve(names) for atom in atoms)


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise SourceError(
            f"cannot read the env file {str(file)!r}: {exc.strerror}; give its path"
        ) from exc
    if len(content) > MAX_FILE_BYTES:
        raise SourceError(
            f"the env file {str(file)!r} is larger than {MAX_FILE_BYTES} bytes; "
            "give a file of KEY=VALUE lines"
        )
    try:
        # Editors on Windows begin a file with a byte-order mark.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise SourceError(
            f"line {line} of the env file {str(file)!r} is not UTF-8; save the file as UTF-8"
        ) from exc
