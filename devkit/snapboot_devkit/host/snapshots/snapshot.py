"""One function's snapshot on the local host: initialised once, then cloned for each environment."""

from __future__ import annotations

import array
import asyncio
import functools
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import folders
from snapboot_devkit.host.errors import HostError, LaunchError, NoSnapshotError
from snapboot_devkit.host.lifecycle.states import EnvironmentState
from snapboot_devkit.host.sandbox import child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.execution.environment import LocalEnvironment, Restore
    from snapboot_devkit.host.sandbox.child import ClonedProcess

_HERE: Final = Path(__file__).parent
_FILES: Final = ":".join(str(_HERE / name) for name in ("process.py", "template.py"))
_TRIAL: Final = """
import ctypes, os, sys
flags = 0x2000_0000 | (0 if os.geteuid() == 0 else 0x1000_0000)
sys.exit(ctypes.CDLL(None).unshare(flags) != 0)
"""
WRAPPER: Final = "AWS_LAMBDA_EXEC_WRAPPER"
_TRIAL_S: Final = 30.0
_GOING_ON: Final = frozenset({EnvironmentState.COLD, EnvironmentState.INITIALISING})
# The clones keep those of the snapshot: its folder for temporary files is theirs, too.
_KEPT: Final = frozenset({"TMPDIR"})


def reason_against(config: FunctionConfig) -> str | None:
    """Return why a function's process cannot be cloned as a snapshot, or None where it can."""
    if {**config.image_env, **config.variables}.get(WRAPPER):
        return f"{WRAPPER} starts another program"
    return reason_of_machine()


@functools.cache
def reason_of_machine() -> str | None:
    """Return why this machine cannot clone a process as a snapshot, or None where it can."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return "cloning a process requires Linux 5.3 or later"
    command = [sys.executable, "-I", "-S", "-c", _TRIAL]
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=_TRIAL_S)
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc)
    return "pid namespaces are not allowed" if done.returncode else None


class Snapshot:
    """The process that is cloned, in an environment of its own that is never invoked."""

    def __init__(self, config: FunctionConfig) -> None:
        """Prepare it, in a `folder` of its own; nothing runs before `ready`. Raises OSError."""
        program, *options, script = config.command
        self.folder = folders.temporary("snapboot-snapshot-")
        self._path = self.folder / "control"
        self.command = [
            program,
            *options,
            str(_HERE / "launcher.py"),
            _FILES,
            str(self._path),
            script,
        ]
        self._environment: LocalEnvironment | None = None
        self._variables: Mapping[str, str] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        try:
            self._listener.bind(str(self._path))
        except OSError:  # the path may be too long for a socket
            self._listener.close()
            self.folder.rmdir()
            raise
        self._listener.listen()
        self._listener.setblocking(False)  # noqa: FBT003
        self._control: socket.socket | None = None
        self._outcome: asyncio.Future[None] | None = None
        self._opening: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Snapshot {'taken' if self._control else 'not taken'}>"

    async def ready(
        self, environment: Callable[[Callable[[], None]], LocalEnvironment], of: LocalEnvironment
    ) -> Restore:
        """Take the snapshot, the first time; return what restores it for the environment `of`.

        `environment` makes the one that it is taken of.
        """
        if self._outcome is None:
            loop = asyncio.get_running_loop()
            self._outcome = loop.create_future()
            # Not a part of this call, which may be cancelled while others wait, too.
            self._opening = loop.create_task(self._open(environment(self._changed)))
        await asyncio.shield(self._outcome)
        assert self._environment is not None
        of.take_tokens(self._environment.services)
        return self.clone

    async def _open(self, environment: LocalEnvironment) -> None:
        assert self._outcome is not None
        try:
            await environment.open()
        except (OSError, HostError) as exc:
            self._outcome.set_exception(exc)
            return
        self._environment = environment
        environment.initialise()

    def clone(self, environ: Mapping[str, str]) -> ClonedProcess:
        """Restore the snapshot for an environment. Raises LaunchError, NoSnapshotError."""
        assert self._environment is not None
        if failure := self._environment.lifecycle.kept_failure:
            raise NoSnapshotError(failure)
        if self._control is None:
            raise LaunchError("there is no snapshot to be restored: the host is stopping")
        # Under the address that init has read, too.
        self._environment.renew_services()
        known = self._environment.variables
        changed = {
            name: value
            for name, value in environ.items()
            if known.get(name) != value and name not in _KEPT
        }
        pipes = [os.pipe() for _ in range(3)]
        ends = array.array("i", [end for _, end in pipes])
        word = ascii(changed).encode() + b"\n"
        try:
            self._control.sendmsg([word], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, ends)])
        except OSError as exc:
            for end, _ in pipes:
                os.close(end)
            raise LaunchError(f"the snapshot could not be restored: {exc}") from exc
        finally:
            for end in ends:
                os.close(end)
        return child.started_clone(*(end for end, _ in pipes))

    async def close(self) -> None:
        """End the process, and with it whatever clones are left."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
        if self._environment is not None:
            await self._environment.close()
        if self._outcome is not None and self._outcome.done():
            self._outcome.exception()  # no one may have waited for it
        for one in (self._control, self._listener):
            if one is not None:
                one.close()
        await asyncio.to_thread(folders.remove, self.folder)

    def _changed(self) -> None:
        """Look whether the init has come to its end."""
        if self._environment is None or self._outcome is None or self._outcome.done():
            return
        if self._environment.state is EnvironmentState.READY:
            # It has connected before it asked for its restore.
            try:
                self._control, _ = self._listener.accept()
            except BlockingIOError:
                reason = "its runtime is not the one that was started; is there a wrapper?"
                self._outcome.set_exception(LaunchError(f"there is no snapshot: {reason}"))
                return
            self._control.setblocking(True)  # noqa: FBT003
        elif not self._environment.lifecycle.kept_failure and self._environment.state in _GOING_ON:
            return
        self._outcome.set_result(None)
