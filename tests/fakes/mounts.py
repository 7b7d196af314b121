"""The paths that Lambda mounts, read-only, where a process sees them and no other does.

Linux only, and root: `unshare` gives the process a mount namespace of its own.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.fakes.contenders import ROOT, Contender

if TYPE_CHECKING:
    from collections.abc import Sequence

# /var is covered, since /var/task and /var/runtime need not be there to be mounted upon.
MOUNT: Final = """
mount -t tmpfs none /var
mkdir /var/task /var/runtime
while [ "$1" != -- ]; do
    mkdir -p "$1"
    mount --bind -o ro "$2" "$1"
    shift 2
done
shift
cd /var/task
exec "$@"
"""
TASK_ROOT: Final = "/var/task"
RUNTIME: Final = "/var/runtime"
LAYERS: Final = "/opt"


def mounted(command: Sequence[str], places: dict[str, Path]) -> Contender:
    """Return our runtime, started by `command` where `places` are mounted; skip if that cannot be.

    The default of LAMBDA_TASK_ROOT applies.
    """
    _require()
    pairs = [word for place, folder in places.items() for word in (place, str(folder))]
    prefix = ["unshare", "--mount", "sh", "-euc", MOUNT, "sh", *pairs, "--"]
    return Contender("mounted", lambda handler: [*prefix, *command], _variables)


def over_opt(layer: Path) -> list[str]:
    """Return what runs a command where `layer` is at /opt; skip if that cannot be."""
    _require()
    script = 'mount --bind -o ro "$1" /opt; shift; exec "$@"'
    return ["unshare", "--mount", "sh", "-euc", script, "sh", str(layer)]


def _variables() -> dict[str, str]:
    return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LAMBDA_TASK_ROOT": ""}


@functools.cache
def _obstacle() -> str:
    if sys.platform != "linux" or os.geteuid():
        return "only root on Linux has a mount namespace to give"
    for needed in (ROOT, Path(sys.base_prefix), Path(sys.prefix)):
        if needed.is_relative_to("/var") or needed.is_relative_to("/opt"):
            return f"{str(needed)!r} would be covered by what is mounted"
    done = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/var"],
        check=False,
        capture_output=True,
        text=True,
        timeout=10,
    )
    return f"no private mounts here: {done.stderr.strip()}" if done.returncode else ""


def _require() -> None:
    if _obstacle():
        pytest.skip(_obstacle())
