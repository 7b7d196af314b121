"""What `snapboot package` makes of a function, and its zip files as Lambda unpacks them."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.shipping.cases import Case

DEADLINE_S: Final = 300.0
FUNCTION: Final = "function.zip"
LAYER: Final = "layer.zip"
WITNESS: Final = Path(__file__).with_name("functions") / "witness.py"
HANDLER: Final = "witness.handler"
# The interpreter that runs the tests. Debian's are made for a newer glibc than Lambda's, which the
# root that they run in here has, too.
INTERPRETER: Final = ("--python", sys.base_prefix, "--allow-newer-glibc")


def snapboot(
    *words: str | Path, under: Sequence[str] = (), **settings: object
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, by way of the command `under`."""
    command = [*under, sys.executable, "-m", "snapboot_devkit", *map(str, words)]
    settings = {"timeout": DEADLINE_S, "capture_output": True, "text": True} | settings
    return subprocess.run(command, check=False, **settings)


def package(source: Path, output: Path, *options: str | Path, **settings: object) -> Path:
    """Package a folder; return where the files are."""
    words = ("package", source, "--handler", HANDLER, "--output", output, *options)
    done = snapboot(*words, **settings)
    assert done.returncode == 0, f"{words!r}: {done.stdout}{done.stderr}"
    return output


def witnessed(case: Case, folder: Path) -> Path:
    """Return a copy of a function, with the witness."""
    shutil.copytree(case.source, folder)
    shutil.copy(WITNESS, folder)
    return folder


def unpack(packed: Path, folder: Path) -> Path:
    """Return a folder with what is in a zip file, as Lambda unpacks it: with its modes and links."""
    folder.mkdir(parents=True)
    with zipfile.ZipFile(packed) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            if stat.S_ISLNK(mode):
                (folder / entry.filename).symlink_to(archive.read(entry).decode())
            else:
                Path(archive.extract(entry, folder)).chmod(stat.S_IMODE(mode))
    return folder


def sources(folders: Sequence[Path]) -> list[Path]:
    """Return every Python source in folders."""
    return [path for folder in folders for path in folder.rglob("*.py")]
