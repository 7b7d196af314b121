"""Makes an image of a base with the runtime in it: less ballast, all bytecode, a right shebang.

Run as root in the image, by its own interpreter: `python3 -BsP FOLDER 0|1`; 1 keeps pip. Nothing
that is imported later by this program may be among what it removes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

RUNTIME = Path("/var/runtime")
sys.path.append(f"{RUNTIME}/.devkit")

import ballast  # noqa: E402

IN_TARGET = RUNTIME / ".devkit/snapboot_devkit/package/in_target"
BOOTSTRAP = RUNTIME / "bootstrap"
MATERIALS = Path(__file__).resolve().parents[1]
SEALER = Path("/usr/local/bin/snapboot-seal")
# Lambda looks for these; in a read-only root no one can make them.
MOUNT_POINTS = ("/var/task", "/opt", "/tmp")  # noqa: S108 - the function's
# What holds no modules, or is not the image's.
PASSED_OVER = {*map(Path, ("/proc", "/sys", "/dev", "/run", "/tmp")), MATERIALS}  # noqa: S108
READABLE = 0o444
PASSABLE = 0o555
EXECUTABLE = 0o755


def finish(*, keep_pip: bool) -> None:
    """Do all of it; raises SystemExit with what could not be compiled."""
    python = Path(sys.executable).resolve()
    SEALER.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(MATERIALS / "seal.sh", SEALER)
    SEALER.chmod(EXECUTABLE)
    ballast.remove(keep_pip=keep_pip)
    start_with(python)
    for folder in MOUNT_POINTS:
        Path(folder).mkdir(parents=True, exist_ok=True)
    make_readable(RUNTIME)
    failed = dict(compiled(python, sorted(Path("/").iterdir())))
    shutil.rmtree(MATERIALS)
    if failed:
        sys.exit(f"snapboot: this Python cannot compile modules of its own: {failed!r}")


def start_with(python: Path) -> None:
    """Name the interpreter in the first line of `bootstrap`, which looks it up on the PATH."""
    rest = BOOTSTRAP.read_text("utf-8").partition("\n")[2]
    BOOTSTRAP.write_text(f"#!{python} -SsP\n{rest}", "utf-8")
    BOOTSTRAP.chmod(EXECUTABLE)


def make_readable(root: Path) -> None:
    """Let every user read what the build context's modes may have kept from them."""
    for path in (root, *root.rglob("*")):
        path.chmod(path.stat().st_mode | (PASSABLE if path.is_dir() else READABLE))


def compiled(python: Path, folders: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Compile every module in folders; yield those on the path that failed, with the reason."""
    own = (str(RUNTIME), sysconfig.get_path("stdlib"))
    for folder in folders:
        if not folder.is_dir() or folder.is_symlink() or folder in PASSED_OVER:
            continue
        command = [python, "-BsP", IN_TARGET, "compile", folder, "--as", folder]
        report = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        print(f"{folder}: {report['files']} modules compiled")
        for name, reason in report["failed"].items():
            print(f"  not {folder}/{name}: {reason}")
            if f"{folder}/{name}".startswith(own):
                yield f"{folder}/{name}", reason


if __name__ == "__main__":
    finish(keep_pip=sys.argv[1] == "1")
