"""Where a snapshot and its clones are served and watched: their Runtime API, and their messages."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import secrets
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from snapboot_devkit.host import protocol, snapshots
from snapboot_devkit.host.sandbox import reaper_program
from snapboot_devkit.host.sandbox.mount_namespace import TMP
from snapboot_devkit.host.snapshots.snapshot import WRAPPER
from snapboot_devkit.profile import instrumenting
from snapboot_devkit.profile.environment import MeasuredEnvironment, Outcome, PhaseEnd
from snapboot_devkit.profile.target import ProfiledFunction
from snapboot_devkit.rehearse.errors import RehearsalError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence

    from snapboot_devkit.profile.environment import _Exchange

_LAUNCHER: Final = Path(snapshots.__file__).with_name("launcher.py")
_FILES: Final = (_LAUNCHER.with_name("process.py"), Path(__file__).with_name("template.py"))
_READ_BYTES: Final = 1 << 18
_CREDENTIALS_LAST_S: Final = 6 * 3600
# For the template to note that its clone has ended.
_END_LIMIT_S: Final = 10.0


class Backend(StrEnum):
    """How the snapshot is taken and restored."""

    CLONE = "clone"
    FORK = "fork"
    CRIU = "criu"

    @property
    def can_see_uniqueness(self) -> bool:
        """Whether restores share the state of random generators, as they do on Lambda.

        At a fork CPython, tempfile and OpenSSL renew themselves.
        """
        return self is not Backend.FORK


@dataclass(slots=True)
class Clone:
    """What is known of one restored environment; times in ns."""

    outcome: Outcome | None = None
    cloned_ns: int | None = None
    restored_ns: int | None = None
    invoked_ns: list[int] = field(default_factory=list)
    results: list[bytes] = field(default_factory=list)
    hooks: list[tuple[str, str, int | None]] = field(default_factory=list)
    draws: dict[str, str] = field(default_factory=dict)
    still_open: list[tuple[str, str, str]] = field(default_factory=list)
    late: list[tuple[str, str]] = field(default_factory=list)
    function_error: str = ""
    shared_kib: int | None = None
    own_kib: int | None = None

    def take_memory(self, smaps: str) -> None:
        """Take what the kernel says of a clone's memory (smaps_rollup in proc_pid_smaps(5))."""
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in smaps.splitlines()[1:]}
        if sizes:
            self.shared_kib = sizes.get("Shared_Clean", 0) + sizes.get("Shared_Dirty", 0)
            self.own_kib = sizes.get("Private_Clean", 0) + sizes.get("Private_Dirty", 0)


class Stage(ProfiledFunction):
    """The function as it is rehearsed: with SnapStart's variables and credential endpoint."""

    credentials_token = ""

    def start_fresh(self) -> MeasuredEnvironment:
        """Start the function as if on demand."""
        self._clear()
        return MeasuredEnvironment(
            self.config.command,
            lambda address: {
                **super(Stage, self)._environ(address),
                "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            },
            self._start,
            self.scratch / "output",
            started=self._mark,
        )

    def start_template(self, backend: Backend, token: str) -> TemplateProcess:
        """Start the process that becomes the snapshot. Raises RehearsalError."""
        if sys.platform != "linux":
            raise RehearsalError("a rehearsal clones the process, which takes Linux")
        command = instrumenting.understood(self.config.command, self.outside)
        if self.config.bootstrap is not None or isinstance(command, str):
            raise RehearsalError(
                "a rehearsal clones snapboot's own runtime; leave out --bootstrap and --runtime"
            )
        if {**self.config.image_env, **self.config.variables}.get(WRAPPER):
            raise RehearsalError(f"a rehearsal starts the runtime itself; leave out {WRAPPER}")
        make: Callable[..., TemplateProcess] = TemplateProcess
        if backend is Backend.CRIU:
            if self.namespace is not None:
                raise RehearsalError(
                    "--backend criu sees this machine's files; leave out --isolate"
                )
            # Here, since it is made of this module's.
            from snapboot_devkit.rehearse import checkpoint, criu  # noqa: PLC0415

            make = partial(checkpoint.Checkpoint, criu.find())
        self._clear()
        self.credentials_token = str(uuid4())
        control = self.scratch / f"control-{uuid4().hex[:8]}"
        words = [
            *command.python,
            str(_LAUNCHER),
            ":".join(map(str, _FILES)),
            backend.value,
            str(control),
            str(self._seen.task_root),
            ",".join(sorted(self.own_names)),
            token,
            command.target,
            *command.arguments,
        ]
        return make(
            command=words,
            environ=lambda address: self._snapstart_environ(
                address, super(Stage, self)._environ(address)
            ),
            spawn=self._start,
            output=self.scratch / "output",
            started=self._mark,
            control=control,
            token=self.credentials_token,
        )

    def temporary_files(self) -> list[str]:
        """Return the names of what the function has in its /tmp."""
        places = {bind[2] for bind in self.namespace.binds} if self.namespace else set()
        names = (entry.name for entry in self._temporary.iterdir())
        return sorted(name for name in names if str(TMP / name) not in places)

    def _snapstart_environ(self, address: str, environ: Mapping[str, str]) -> dict[str, str]:
        variables = dict(environ)
        # A BLAS with threads would lose them, and wait for them after the restore.
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            variables.setdefault(name, "1")
        if "AWS_ACCESS_KEY_ID" in self.config.variables:
            return variables
        for name in ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"):
            variables.pop(name, None)
        variables.pop("AWS_SESSION_TOKEN", None)
        variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"http://{address}{protocol.CREDENTIALS}"
        variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = self.credentials_token
        return variables

    def _start(
        self, words: Sequence[str], environ: Mapping[str, str], output: int
    ) -> subprocess.Popen[bytes]:
        return self._spawn(None, words, environ, output)

    def _mark(self, mark: str) -> None:
        self._reaper.send(reaper_program.MARK, mark)


class TemplateProcess(MeasuredEnvironment):
    """The snapshot: a process that clones itself on demand. One clone lives at a time."""

    def __init__(  # noqa: PLR0913 - those of the environment, and two
        self,
        command: Sequence[str],
        environ: Callable[[str], Mapping[str, str]],
        spawn: Any,
        output: Path,
        *,
        started: Callable[[str], object],
        control: Path,
        token: str,
    ) -> None:
        """Start the process; it reports to the socket `control`."""
        self._token = token
        self._generation = 0
        self.found: list[tuple[str, str, str]] = []
        self.troubles: list[str] = []
        self.hooks: list[tuple[str, str, int | None]] = []
        self.initialised_ns: int | None = None
        self.snapshot_ns: int | None = None
        self.clock_jumped = False
        self._ready = False
        self._exited: int | None = None
        self._released_ns: int | None = None
        self._ready_ns: int | None = None
        self._process_id: int | None = None
        self._clone: Clone | None = None
        self._control = socket.socket(socket.AF_UNIX)
        try:
            self._control.bind(str(control))
        except OSError as exc:
            self._control.close()
            raise RehearsalError(
                f"cannot make a socket at {str(control)!r}: {exc}; choose another folder for "
                "temporary files by TMPDIR"
            ) from exc
        self._control.listen()
        self._control.setblocking(False)  # noqa: FBT003
        self._reports: dict[socket.socket, bytearray] = {}
        self._template: socket.socket | None = None
        super().__init__(command, environ, spawn, output, started=started)
        self._selector.register(self._control, selectors.EVENT_READ)

    def _close(self) -> None:
        for connection in (*self._reports, self._control):
            connection.close()
        super()._close()

    # ---- the course --------------------------------------------------------------------------

    def wait_for_snapshot(self, limit_s: float) -> Outcome:
        """Return how the init came out, the hooks before the snapshot included."""
        outcome = self._wait(lambda: self._ready, time.monotonic() + limit_s)
        if outcome is None:
            return Outcome(PhaseEnd.READY)
        if outcome.ended is PhaseEnd.TIMED_OUT:
            outcome.text = f"the init has not ended within {limit_s:g} s{self._running_hook()}"
        return outcome

    def restore(self, limit_s: float, events: Sequence[bytes], invoke_limit_s: float) -> Clone:
        """Restore an environment, have it handle the events, and end it."""
        clone = self._clone = Clone()
        self._init_error, self._next_ns, self._waiting = "", None, None
        self._exited = self._released_ns = self._ready_ns = self._process_id = None
        self._generation += 1
        began_ns = time.perf_counter_ns()
        self._begin_restore()
        outcome = self._wait(lambda: self._ready_ns is not None, time.monotonic() + limit_s)
        if self._released_ns is not None:
            clone.cloned_ns = self._released_ns - began_ns
        if outcome is None:
            assert self._ready_ns is not None
            assert self._released_ns is not None
            clone.restored_ns = self._ready_ns - self._released_ns
            # What it looks up by itself before it asks for an event is not part of the restore.
            outcome = self._wait(lambda: self._waiting is not None, time.monotonic() + limit_s)
            outcome = outcome or self._handle(clone, events, invoke_limit_s)
        elif outcome.ended is PhaseEnd.TIMED_OUT:
            outcome.text = f"the restore has not ended within {limit_s:g} s{self._running_hook()}"
        elif self._running_hook():
            outcome.text += self._running_hook()
        clone.outcome = outcome
        self._end()
        return clone

    def _begin_restore(self) -> None:
        assert self._template is not None
        self._template.sendall(b"clone\n")

    def _handle(self, clone: Clone, events: Sequence[bytes], limit_s: float) -> Outcome | None:
        for event in events:
            done = self.invoke(event, limit_s)
            if isinstance(done, Outcome):
                return done
            clone.invoked_ns.append(done.response_ns)
            clone.function_error = clone.function_error or done.error
        return None

    def _end(self) -> None:
        """End the clone and wait until the template knows."""
        if self._process_id is not None and self._exited is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process_id, signal.SIGKILL)
        self._init_error = ""
        self._wait(lambda: self._exited is not None, time.monotonic() + _END_LIMIT_S)

    def _running_hook(self) -> str:
        hooks = self._clone.hooks if self._clone else self.hooks
        if hooks and hooks[-1][2] is None:
            name, where, _ = hooks[-1]
            return f"; the hook {name} ({where}) was at work"
        return ""

    # ---- what is served ----------------------------------------------------------------------

    def _requested(
        self, connection: socket.socket, exchange: _Exchange, trailers: Mapping[bytes, bytes]
    ) -> None:
        path = exchange.path.partition("?")[0]
        match (exchange.method, path):
            case ("GET", protocol.RUNTIME_RESTORE_NEXT):
                self._released_ns = time.perf_counter_ns()
                self._reply(connection, 200, b"", ())
            case ("POST", protocol.RUNTIME_RESTORE_ERROR):
                exchange.path = protocol.RUNTIME_INIT_ERROR
                super()._requested(connection, exchange, trailers)
            case ("GET", protocol.CREDENTIALS):
                self._reply_credentials(connection, exchange)
            case _:
                if exchange.method == "POST" and path.endswith(("/response", "/error")):
                    self._take_result(path, exchange.body)
                super()._requested(connection, exchange, trailers)

    def _take_result(self, path: str, body: bytes) -> None:
        if self._clone is not None and path.startswith(protocol.RUNTIME_INVOCATION):
            self._clone.results.append(body)

    def _reply_credentials(self, connection: socket.socket, exchange: _Exchange) -> None:
        asked = exchange.headers.get(b"authorization", b"").decode("ascii", "replace")
        if not secrets.compare_digest(asked.encode(), self._token.encode()):
            self._reply(connection, 404, b"cannot get credentials for the provided token\n", ())
            return
        expires = time.gmtime(time.time() + _CREDENTIALS_LAST_S)
        key = f"REHEARSAL{self._generation:07d}"
        document = {
            "AccessKeyId": key,
            "SecretAccessKey": f"secret-of-{key}",
            "Token": f"token-of-{key}",
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", expires),
        }
        body = json.dumps(document).encode()
        self._reply(connection, 200, body, (("Content-Type", "application/json"),))

    # ---- what is reported --------------------------------------------------------------------

    def _serve(self, source: Any) -> None:
        if source is self._control:
            connection, _ = self._control.accept()
            self._reports[connection] = bytearray()
            self._selector.register(connection, selectors.EVENT_READ)
        elif source in self._reports:
            self._read_report(source)
        else:
            super()._serve(source)

    def _read_report(self, connection: socket.socket) -> None:
        try:
            content = connection.recv(_READ_BYTES)
        except OSError:
            content = b""
        if not content:
            self._selector.unregister(connection)
            del self._reports[connection]
            connection.close()
            return
        received = self._reports[connection]
        received += content
        while b"\n" in received:
            line, _, rest = bytes(received).partition(b"\n")
            received[:] = rest
            message = ast.literal_eval(line.decode())
            self._reported(connection, **message)

    def _reported(  # noqa: C901 - a case for each kind of message
        self, connection: socket.socket, kind: str, **facts: Any
    ) -> None:
        clone = self._clone
        hooks = clone.hooks if clone else self.hooks
        match kind:
            case "refused":
                raise RehearsalError(
                    f"this machine does not allow a process namespaces of its own "
                    f"({facts['reason']}); run as root, allow user namespaces, or rehearse without"
                    f" the checks for what restores share, by --backend fork"
                )
            case "no_token":
                raise RehearsalError(
                    f"cannot use what --token names in a restored environment: "
                    f"{facts['reason']}; give a name that the function's module has, such as "
                    "app.make_id"
                )
            case "initialised":
                self.initialised_ns = facts["ns"] - self.started_ns
            case "hook":
                hooks.append((facts["name"], facts["where"], None))
            case "hook_done":
                hooks[-1] = (*hooks[-1][:2], facts["ns"])
            case "snapshot":
                self._template = connection
                self.found, self.snapshot_ns = facts["found"], facts["ns"]
                self.clock_jumped = facts["jumped"]
                self._ready = True
            case "cloned":
                self._process_id = facts["process"]
            case "ready":
                self._ready_ns = time.perf_counter_ns()
            case "restored" if clone:
                clone.draws, clone.still_open = facts["draws"], facts["open"]
                clone.take_memory(facts["memory"])
            case "late" if clone:
                clone.late.append((facts["name"], facts["where"]))
            case "trouble" if facts["text"] not in self.troubles:
                self.troubles.append(facts["text"])
            case "exited":
                self._reported_end(facts["status"])

    def _reported_end(self, status: int) -> None:
        self._exited = status
        self._init_error = self._init_error or f"the environment has ended with status {status}"
