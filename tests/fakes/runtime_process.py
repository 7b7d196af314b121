"""A runtime as a real process, whose end and output can be waited for.

    with RuntimeAPI(Event(b"{}")) as api:
        with RuntimeProcess(AWSLAMBDARIC, "app.handler", api.address, task_root=folder) as process:
            api.wait_for(Call.RESPONSE)
            process.signal(signal.SIGTERM)
            ending = process.wait()
    assert ending.returncode == -signal.SIGTERM
    assert ending.last_error_line == "…"

The process gets a session of its own; leaving the `with` kills whatever is left of it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, Self

from tests.fakes.contenders import function_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.fakes.contenders import Contender

DEADLINE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a runtime ended; `returncode` is negative for a signal, as subprocess has it."""

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def last_error_line(self) -> str:
        """The last line on stderr, without its end; empty when there is none."""
        lines = self.stderr.decode("utf-8", "replace").splitlines()
        return lines[-1] if lines else ""


class _Output:
    """What a process writes to its pipes, kept by threads that read to the end of each."""

    def __init__(self, **pipes: IO[bytes] | None) -> None:
        self._written = {name: bytearray() for name in pipes}
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._read, args=(name, pipe), name=name, daemon=True)
            for name, pipe in pipes.items()
            if pipe is not None
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, name: str, pipe: IO[bytes]) -> None:
        with pipe:
            while chunk := os.read(pipe.fileno(), 65536):
                with self._changed:
                    self._written[name] += chunk
                    self._changed.notify_all()

    def __getitem__(self, name: str) -> bytes:
        with self._changed:
            return bytes(self._written[name])

    def wait_for(self, text: bytes) -> bool:
        def is_there() -> bool:
            return any(text in written for written in self._written.values())

        with self._changed:
            return self._changed.wait_for(is_there, DEADLINE_S)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(DEADLINE_S)


class RuntimeProcess:
    """A contender that runs `handler` out of `task_root`, against the Runtime API at `address`.

    `environment` is added to what Lambda gives to every function; a value of None takes a
    variable away. Use it by `with`.
    """

    def __init__(
        self,
        contender: Contender,
        handler: str,
        address: str,
        *,
        task_root: Path,
        environment: Mapping[str, str | None] | None = None,
    ) -> None:
        wanted: dict[str, str | None] = {
            **function_environment(task_root),
            **contender.environment(),
            "AWS_LAMBDA_RUNTIME_API": address,
            "_HANDLER": handler,
            **(environment or {}),
        }
        self._popen = subprocess.Popen(
            contender.command(handler),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=task_root,
            env={name: value for name, value in wanted.items() if value is not None},
            start_new_session=True,
        )
        self._output = _Output(stdout=self._popen.stdout, stderr=self._popen.stderr)

    def __repr__(self) -> str:
        """Name the process, its state and its output."""
        state = self._popen.returncode
        words = f"stdout={self.stdout!r} stderr={self.stderr!r}"
        return f"<RuntimeProcess pid={self._popen.pid} returncode={state} {words}>"

    def __enter__(self) -> Self:
        """Return the process, which runs already."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Kill the session, children included, and collect the process."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(DEADLINE_S)
        self._output.join()

    @property
    def pid(self) -> int:
        """The process id; the process group and the session have the same."""
        return self._popen.pid

    @property
    def stdout(self) -> bytes:
        """What it has written to stdout so far."""
        return self._output["stdout"]

    @property
    def stderr(self) -> bytes:
        """What it has written to stderr so far."""
        return self._output["stderr"]

    def has_ended(self) -> bool:
        """Return whether the process is over."""
        return self._popen.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self._popen.send_signal(number)

    def wait_for_output(self, text: bytes) -> None:
        """Return once `text` has been written to stdout or stderr."""
        assert self._output.wait_for(text), f"waited {DEADLINE_S} s for {text!r} of {self!r}"

    def wait(self) -> Ended:
        """Return how it ended and all it wrote, once it has."""
        try:
            returncode = self._popen.wait(DEADLINE_S)
        except subprocess.TimeoutExpired as exc:
            message = f"waited {DEADLINE_S} s for the end of {self!r}"
            raise AssertionError(message) from exc
        self._output.join()
        return Ended(returncode, self.stdout, self.stderr)
