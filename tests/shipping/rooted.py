"""A command in a root folder, as Lambda runs it: nothing but /tmp is writable, no one is root.

Linux only, and root: whatever is mounted and started is in namespaces of its own, and goes with
their first process. The network is this machine's, so that the function can be invoked.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import pytest

from oracles import emulator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEADLINE_S: Final = 60.0
POLL_S: Final = 0.02
START_ATTEMPTS: Final = 5
PATH: Final = "/2015-03-31/functions/function/invocations"
# The outer namespace ends with its parent, which the inner one's first process, when it becomes
# Lambda's user, forgets to do (man 2 prctl, PR_SET_PDEATHSIG). It takes the inner one along.
NAMESPACES: Final = (
    *("unshare", "--pid", "--kill-child", "--"),
    *("unshare", "--mount", "--pid", "--ipc", "--fork", "--"),
)
# Where a program from outside is to be seen in a root; nothing else is there.
TOOL: Final = "/run/tool"
# As on Lambda, found by looking there.
UID: Final = 993
GID: Final = 990

# $1: the root; $2: the program to bring along, or nothing; then pairs of a place in the root and
# the folder that is to be seen there; after `--` the command. The root itself is left as it is.
# /dev has what Lambda has, which is no /dev/shm.
ENTER: Final = f"""
root=$1 tool=$2; shift 2
mount --bind "$root" "$root"
mount -t tmpfs -o mode=0755 none "$root/dev"
for name in null zero full random urandom; do
    : > "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=0755 none "$root/run"
if [ -n "$tool" ]; then
    : > "$root{TOOL}"
    mount --bind "$tool" "$root{TOOL}"
fi
mount -t tmpfs -o mode=1777,size=512m none "$root/tmp"
mount -t proc -o ro none "$root/proc"
while [ "$1" != -- ]; do
    mount --bind "$2" "$root$1"
    mount -o remount,bind,ro "$root$1"
    shift 2
done
shift
mount -o remount,bind,ro "$root"
exec /usr/sbin/chroot --userspec={UID}:{GID} --groups= "$root" \
    /bin/sh -c 'umask 022; cd /var/task && exec "$@"' sh "$@"
"""
ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_LAMBDA_FUNCTION_NAME": "test_function",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
}
# What the emulator itself says on standard output.
PLATFORM: Final = re.compile(
    r"(?m)^((START|END|REPORT) RequestId|INIT_START Runtime Version): [^\n]*\n"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller of a function gets."""

    status: int
    body: bytes


def entering(
    root: Path, places: Mapping[str, Path] | None = None, *, tool: Path | None = None
) -> list[str]:
    """Return what runs a command in `root`, from /var/task, with folders and a program (at `TOOL`).

    To end the first process is to end all. The places must be in the root as folders, and /dev,
    /run, /tmp and /proc, too. Skips where there are no namespaces to be had.
    """
    require()
    pairs = [word for place, folder in (places or {}).items() for word in (place, str(folder))]
    return [*NAMESPACES, "sh", "-euc", ENTER, "sh", str(root), str(tool or ""), *pairs, "--"]


def require() -> None:
    """Skip where there are no namespaces to be had."""
    if _obstacle():
        pytest.skip(_obstacle())


def first_inside(process: subprocess.Popen[bytes]) -> int:
    """Return the id, out here, of what `entering` has started: process 1 in the root.

    Signals to `process` itself do not get there.
    """
    found = process.pid
    for _ in range(NAMESPACES.count("unshare")):
        found = int(_children(found).split()[0])
    return found


class Rooted:
    """AWS's emulator in a root. Use it by `with`: it listens by then, and leaves nothing behind.

    Without a command the emulator starts the `bootstrap` in /var/task, /opt or /var/runtime, the
    first that is there; a command, as an image's entrypoint, is followed by the handler.

    Raises OracleUnavailable when there is no emulator for this machine.
    """

    def __init__(
        self,
        root: Path,
        handler: str,
        *,
        places: Mapping[str, Path] | None = None,
        command: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._prefix = entering(root, places, tool=emulator.binary())
        self._command = [*command, handler] if command else []
        self._environment = {**ENVIRONMENT, "_HANDLER": handler, **(variables or {})}
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._start()

    def __repr__(self) -> str:
        """Name the command, the state of the emulator, and what it has printed so far."""
        return f"<Rooted {self._command!r} returncode={self._popen.returncode}: {self._printed()}>"

    def __enter__(self) -> Self:
        """Return the emulator, which listens already."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """End all that runs in the root."""
        self.end()
        self._output.close()

    def invoke(self, event: bytes = b"{}") -> Answer:
        """Invoke the function once."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_S)
        with contextlib.closing(connection):
            connection.request("POST", PATH, event)
            response = connection.getresponse()
            return Answer(response.status, response.read())

    def end(self) -> None:
        """End every process; `log` is complete from here on. Once is enough, twice does no harm."""
        self._popen.kill()
        self._popen.wait(DEADLINE_S)

    def log(self) -> str:
        """End every process, and return what the runtime and the function wrote, and no one else.

        Standard output and standard error are one stream to the emulator, as they are to Lambda.
        """
        self.end()
        return PLATFORM.sub("", self._printed()).strip("\n")

    def _printed(self) -> str:
        # Not by its descriptor, whose place in the file is the writers', too.
        return os.pread(self._output.fileno(), 1 << 24, 0).decode("utf-8", "backslashreplace")

    def _start(self) -> None:
        for _ in range(START_ATTEMPTS):
            self._port = _free_port()
            self._popen = self._spawn(_free_port())
            if self._listens():
                return
            # Another process took one of the ports between our look and the emulator's use of it.
            self.end()
        message = f"no emulator came up in {START_ATTEMPTS} attempts; the last: {self!r}"
        raise AssertionError(message)

    def _spawn(self, runtime_port: int) -> subprocess.Popen[bytes]:
        addresses = (
            *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
            *("--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
        )
        return subprocess.Popen(
            [*self._prefix, TOOL, *addresses, *self._command],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            # What it says itself; what we would want to know of it, it does not.
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=self._environment,
            start_new_session=True,
        )

    def _listens(self) -> bool:
        deadline = time.monotonic() + DEADLINE_S
        while self._popen.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self._port), DEADLINE_S).close()
                return True
            threading.Event().wait(POLL_S)
        return False


def _children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@functools.cache
def _obstacle() -> str:
    if os.geteuid() or not Path("/proc/self/ns").is_dir():
        return "only root on Linux can have a root folder run"
    done = subprocess.run(
        [*NAMESPACES, "mount", "-t", "proc", "none", "/proc"],
        check=False,
        capture_output=True,
        text=True,
        timeout=10,
    )
    return f"no namespaces to be had here: {done.stderr.strip()}" if done.returncode else ""
