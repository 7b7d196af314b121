"""A runtime under AWS's Runtime Interface Emulator: invoked, listened to, and cleaned up after.

The emulator starts the runtime in a session of its own and leaves it behind when it is ended, so
every process of one emulator carries a mark in its environment, and is looked for by it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from oracles import emulator
from tests.fakes.contenders import function_environment
from tests.fakes.mounts import over_opt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.fakes.contenders import Contender

DEADLINE_S: Final = 30.0
POLL_S: Final = 0.02
START_ATTEMPTS: Final = 5
PATH: Final = "/2015-03-31/functions/function/invocations"
MARK: Final = "SNAPBOOT_TEST_EMULATOR"
START: Final = re.compile(r"START RequestId: \S+ Version: \$LATEST")
PLATFORM: Final = re.compile(r"(?m)((END|REPORT) RequestId|^INIT_START Runtime Version): [^\n]*\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform's caller gets; `refused` when the function was not run at all."""

    status: int
    content_type: str
    body: bytes
    refused: bool = False


class Emulator:
    """The emulator, which runs `handler` out of `task_root` with `contender`. Use it by `with`.

    A `layer` is at /opt, for which it takes a mount namespace: skips where there is none.

    Raises OracleUnavailable when there is no emulator for this machine.
    """

    def __init__(
        self,
        contender: Contender,
        handler: str,
        *,
        task_root: Path,
        environment: Mapping[str, str],
        layer: Path | None = None,
    ) -> None:
        self._mark = f"{MARK}={uuid.uuid4()}"
        name, _, value = self._mark.partition("=")
        self._environment = {
            **function_environment(task_root),
            **contender.environment(),
            **environment,
            name: value,
        }
        self._command = contender.command(handler)
        self._under = [] if layer is None else over_opt(layer)
        self._task_root = task_root
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._start()

    def __repr__(self) -> str:
        """Name the command and the state of the emulator."""
        return f"<Emulator {self._command!r} port={self._port} returncode={self._popen.returncode}>"

    def __enter__(self) -> Self:
        """Return the emulator, which listens already."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """End the emulator, and every process that carries its mark."""
        self.end()
        self._output.close()

    def invoke(self, event: bytes, headers: Mapping[str, str]) -> Answer:
        """Invoke the function once."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_S)
        with contextlib.closing(connection):
            connection.request("POST", PATH, event, dict(headers))
            response = connection.getresponse()
            content_type = response.getheader("Content-Type", "")
            return Answer(response.status, content_type, response.read())

    def rest(self) -> None:
        """Return when nothing is at work any more: it answers only then."""

    def notice(self) -> None:
        """Return when it has noticed that a process at rest has ended: it looks when invoked."""

    def end(self) -> None:
        """End every process; `logs` is complete from here on."""
        self._popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(DEADLINE_S / 10)
        for pid in _marked(self._mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._popen.wait(DEADLINE_S)

    def logs(self) -> list[str]:
        """Return what the runtime wrote, one text for each invocation in order, and one before.

        Standard output and standard error are one stream to the emulator, as they are to Lambda.
        """
        self._output.seek(0)
        return split_log(self._output.read().decode("utf-8", "backslashreplace"))

    def _program(self) -> list[str]:
        """Return what starts the emulator itself."""
        return [*self._under, str(emulator.binary())]

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
            [*self._program(), *addresses, *self._command],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.DEVNULL,
            cwd=self._task_root,
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


def split_log(text: str) -> list[str]:
    """Return what the runtime wrote before the first invocation and with each, without the rest."""
    return [_without_platform(part) for part in START.split(text)]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _marked(mark: str) -> list[int]:
    """Return the processes of this user whose environment carries `mark`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        # A process of another user, or one that has just ended.
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def _without_platform(text: str) -> str:
    return PLATFORM.sub("", text.removeprefix("\n"))
