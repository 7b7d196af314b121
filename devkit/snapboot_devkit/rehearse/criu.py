"""CRIU: a true checkpoint of the function's process tree, its threads included.

The program is looked for and tried before anything starts; what it cannot do is said in one line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.rehearse.errors import RehearsalError

if TYPE_CHECKING:
    from collections.abc import Sequence

OLDEST: Final = 4
# Where a user's PATH may not lead.
_PLACES: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_TRIAL_S: Final = 30.0
_VERSION: Final = re.compile(r"^Version: (\d+)\.", re.MULTILINE)
_PLACE_IN_SOURCE: Final = re.compile(r"^(?:\(\d+\.\d+\) *)?(?:\d+: )?Error \([^)]*\): ")
# Of its own descriptors, of which it has enough without.
_HARMLESS: Final = "Can't setup RLIMIT_NOFILE for self"
_INSTEAD: Final = "or rehearse with --backend clone"


@dataclass(frozen=True, slots=True)
class Criu:
    """A program of CRIU that can be used here; `as_root` is whether it needs no capability."""

    program: str
    as_root: bool

    def checked(self) -> list[str]:
        """Return the command that lists what the kernel lacks."""
        return [self.program, "check", *self._rights]

    def dumped(self, process_id: int, folder: Path) -> list[str]:
        """Return the command that writes a process tree to a folder, and ends it."""
        return [
            *(self.program, "dump", "--tree", str(process_id), *self._kept(folder, "dump.log")),
            *("--skip-in-flight", *self._rights),
        ]

    def restored(self, folder: Path) -> list[str]:
        """Return the command that restores the tree as a child of the process that runs it."""
        return [
            *(self.program, "restore", *self._kept(folder, "restore.log")),
            *("--restore-detached", "--restore-sibling", *self._rights),
        ]

    def _kept(self, folder: Path, log: str) -> tuple[str, ...]:
        # Connections are ended, as on Lambda; locks on files are part of the snapshot.
        return ("--images-dir", str(folder), "--log-file", log, "--tcp-close", "--file-locks")

    @property
    def _rights(self) -> tuple[str, ...]:
        return () if self.as_root else ("--unprivileged",)


def find(path: str | None = None) -> Criu:
    """Return the program that is installed. Raises RehearsalError where it cannot be used."""
    path = path or ":".join((os.environ.get("PATH", os.defpath), *_PLACES))
    program = shutil.which("criu", path=path)
    if sys.platform != "linux":
        raise _unusable("it takes Linux", "run it there")
    if program is None:
        raise _unusable("it is not installed", "install the package criu, version 4 or later")
    found = Criu(program, as_root=os.geteuid() == 0)
    _, said = _run([program, "--version"])
    if reason := reason_of_version(said):
        raise _unusable(reason, "install version 4 or later")
    status, said = _run(found.checked())
    if status:
        raise _unusable(
            f"{' '.join(found.checked())!r} fails with {cause_in(said)!r}",
            "run it as root, in a container with --privileged, on a kernel with the features "
            "that it names"
            if found.as_root
            else "run as root, or give the program the capabilities CAP_CHECKPOINT_RESTORE, "
            "CAP_SYS_PTRACE and CAP_NET_ADMIN",
        )
    return found


def reason_of_version(said: str) -> str | None:
    """Return why what `criu --version` said is no version to be used, or None."""
    match = _VERSION.search(said)
    if match is None:
        return f"'criu --version' names no version, but {cause_in(said)!r}"
    if int(match[1]) < OLDEST:
        return f"it is older than version {OLDEST}: {said.strip().splitlines()[0]!r}"
    return None


def cause_in(said: str) -> str:
    """Return the first error among CRIU's messages, which the others follow from, else the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if _PLACE_IN_SOURCE.match(line) and _HARMLESS not in line]
    return _PLACE_IN_SOURCE.sub("", errors[0] if errors else (lines or ["nothing"])[-1])


def checkpoint(criu: Criu, process_id: int, folder: Path, limit_s: float) -> None:
    """Write a process tree to a folder, and end it. Raises RehearsalError."""
    _hold(criu.dumped(process_id, folder), folder / "dump.log", limit_s, "checkpoint the function")


def restore(criu: Criu, folder: Path, limit_s: float) -> None:
    """Restore the tree as children of this process. Raises RehearsalError."""
    _hold(criu.restored(folder), folder / "restore.log", limit_s, "restore the function")


def _hold(command: Sequence[str], log: Path, limit_s: float, doing: str) -> None:
    status, said = _run(command, limit_s)
    if status:
        with_log = log.read_text("utf-8", "replace") if log.exists() else said
        raise RehearsalError(
            f"CRIU could not {doing}: {cause_in(with_log)!r}; close what it names in a "
            f"before-snapshot hook, {_INSTEAD}"
        )


def _run(command: Sequence[str], limit_s: float = _TRIAL_S) -> tuple[int, str]:
    """Return how a command ended, and what it said."""
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
        )
    except OSError as exc:
        return 1, str(exc)
    except subprocess.TimeoutExpired:
        return 1, f"it has not ended within {limit_s:g} s"
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _unusable(reason: str, remedy: str) -> RehearsalError:
    return RehearsalError(f"--backend criu cannot be used here: {reason}; {remedy}, {_INSTEAD}")
