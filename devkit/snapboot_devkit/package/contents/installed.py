"""What an installer leaves in a folder of packages that is specific to the machine it ran on."""

from __future__ import annotations

import csv
import io
import shutil
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.protocol import MIB

if TYPE_CHECKING:
    from pathlib import Path

# In a package's `.dist-info`: the installer's name, and paths of this machine.
_NOTES: Final = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
_PROGRAMS: Final = "bin"
# The longest RECORD of the package index has some 3 MB.
MAX_RECORD_BYTES: Final = 16 * MIB


def normalise(folder: Path) -> None:
    """Remove it, so that the same packages are the same bytes wherever they were installed.

    Programs that begin with the path of this machine's interpreter could not run elsewhere.
    """
    (folder / ".lock").unlink(missing_ok=True)
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    _remove_scripts(folder / _PROGRAMS)
    for record in sorted(folder.glob("*.dist-info/RECORD")):
        for note in _NOTES:
            (record.parent / note).unlink(missing_ok=True)
        if (rows := recorded(record)) is not None:
            text = _kept(rows, folder)
            record.unlink()  # and not written into: the file may be the installer's own
            record.write_text(text, "utf-8")


def recorded(record: Path) -> list[list[str]] | None:
    """Return the rows of a RECORD, each a file's name and more; None if it cannot be read.

    It is not read if it has more than MAX_RECORD_BYTES: then it is something else.
    """
    try:
        if not record.is_file() or record.stat().st_size > MAX_RECORD_BYTES:
            return None
        with record.open(encoding="utf-8", newline="") as file:
            return [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error):
        return None


def _remove_scripts(programs: Path) -> None:
    if not programs.is_dir():
        return
    for program in programs.iterdir():
        if program.is_file() and _is_script(program):
            program.unlink()
    if not any(programs.iterdir()):
        programs.rmdir()


def _is_script(program: Path) -> bool:
    with program.open("rb") as file:
        return file.read(2) == b"#!"


def _kept(rows: list[list[str]], folder: Path) -> str:
    """Return the lines of a RECORD whose files are there, in order."""
    text = io.StringIO()
    kept = sorted(row for row in rows if _exists(folder, row[0]))
    csv.writer(text, lineterminator="\n").writerows(kept)
    return text.getvalue()


def _exists(folder: Path, name: str) -> bool:
    # As recorded, programs are two or three folders above the packages; with --target, below them.
    programs = name.rpartition(f"../{_PROGRAMS}/")
    return (folder / _PROGRAMS / programs[2]).exists() if programs[1] else (folder / name).exists()
