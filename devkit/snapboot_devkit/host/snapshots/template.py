"""Runs in the function's interpreter: the snapshot of a function on the local host.

At `restore/next` the process reports that its init is over, and from then on clones itself for
each environment that the host wants restored (`process.py`). A clone takes the variables and the
output of its environment, and goes on as the runtime does after a restore.
"""

import _socket
import posix
import sys
from select import POLLIN, poll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # Defined in the same namespace by then.
    from snapboot_devkit.host.snapshots.process import (
        CLibrary,
        become_first,
        free_logging,
        jump,
        start_runtime,
        wait_for_children,
    )

EXIT_REFUSED = 71
STDOUT, STDERR = 1, 2
# What comes with the word for a clone: its output, its errors, and where its end is reported.
DESCRIPTORS = 3
MAX_WORD = 1 << 18
RESTORE_NEXT = "/2018-06-01/runtime/restore/next"


def run(arguments: "list[str]", namespace: "dict[str, Any]") -> None:
    """Start the runtime in this process's place."""
    path, script, *rest = arguments
    libc = CLibrary()
    try:
        become_first(libc)
    except OSError as exc:
        posix.write(STDERR, f"snapboot: no namespace for the snapshot: {exc}\n".encode())
        posix._exit(EXIT_REFUSED)
    start_runtime(script, rest, namespace, SnapshotTemplate(libc, path).install)


class SnapshotTemplate:
    """What stands in the runtime's way at the snapshot."""

    def __init__(self, libc: CLibrary, path: str) -> None:
        self._libc = libc
        self._path = path
        # By the descriptor that becomes readable with a clone's end: its process, and its report.
        self._clones: dict[int, tuple[int, int]] = {}
        # Reports that are made, until the host has read them: only then is the process id free.
        self._ended: dict[int, int] = {}

    def install(self) -> None:
        """Take the place of the call at the snapshot."""
        from snapboot.api import RuntimeAPI

        patched: Any = RuntimeAPI
        self._restore_next = RuntimeAPI.restore_next

        def restore_next(api: RuntimeAPI) -> None:
            self._serve(api)

        patched.restore_next = restore_next

    def _serve(self, api: "Any") -> None:
        """Be the snapshot, and return in each clone."""
        control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        control.connect(self._path)
        jump(self._libc)
        undo = wait_for_children()
        announced = self._announce()
        watch = poll()
        watch.register(control, POLLIN)
        while True:
            for descriptor, _ in watch.poll():
                if descriptor in self._clones:
                    self._report(descriptor, watch)
                elif descriptor in self._ended:
                    watch.unregister(descriptor)
                    posix.waitpid(self._ended.pop(descriptor), 0)
                    posix.close(descriptor)
                elif self._clone(control, watch):
                    announced.close()
                    undo()
                    self._connect_to_own(api)
                    self._restore_next(api)
                    return

    def _announce(self) -> _socket.socket:
        """Report the end of the init to the Runtime API, on a connection that stays unanswered."""
        host, _, port = posix.environ[b"AWS_LAMBDA_RUNTIME_API"].decode().rpartition(":")
        connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        connection.connect((host, int(port)))
        connection.send(f"GET {RESTORE_NEXT} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        return connection

    def _connect_to_own(self, api: "Any") -> None:
        """Have the runtime call the API of the clone's own environment."""
        from snapboot.environment import variable
        from snapboot.main import _transport

        api._transport = _transport(variable("AWS_LAMBDA_RUNTIME_API") or "")

    def _clone(self, control: _socket.socket, watch: "Any") -> bool:
        """Make the clone that the host asks for; tell whether this is the clone."""
        space = _socket.CMSG_SPACE(DESCRIPTORS * 4)
        word, ancillary, _, _ = control.recvmsg(MAX_WORD, space)
        if not word:
            posix._exit(0)
        data = ancillary[0][2]
        output, errors, report = (
            int.from_bytes(data[at : at + 4], sys.byteorder) for at in (0, 4, 8)
        )
        while not word.endswith(b"\n"):
            more = control.recv(MAX_WORD)
            if not more:  # the host has gone amid a word
                posix._exit(0)
            word += more
        try:
            process = self._libc.clone()
        except OSError as exc:  # too many processes: this environment fails, and no other
            posix.write(errors, f"it cannot be cloned: {exc}\n".encode())
            for descriptor in (output, errors, report):
                posix.close(descriptor)
            return False
        if process == 0:
            control.close()
            self._wake(word.decode(), output, errors, report)
            return True
        posix.close(output)
        posix.close(errors)
        end = posix.pidfd_open(process)
        self._clones[end] = process, report
        watch.register(end, POLLIN)
        return False

    def _wake(self, word: str, output: int, errors: int, report: int) -> None:
        """Take the place of an environment's process."""
        for end, (_, other) in self._clones.items():
            posix.close(end)
            posix.close(other)
        for other in self._ended:
            posix.close(other)
        posix.setsid()
        posix.dup2(output, STDOUT)
        posix.dup2(errors, STDERR)
        posix.close(output)
        posix.close(errors)
        posix.write(report, posix.readlink("/proc/self").encode() + b"\n")
        posix.close(report)
        free_logging()
        from snapboot.environment import set_variable

        variables: dict[str, str] = eval(word, {})  # noqa: S307 - the host's, of literals alone
        for name, value in variables.items():
            set_variable(name, value)

    def _report(self, end: int, watch: "Any") -> None:
        """Report the end of a clone, which stays a zombie until the host has taken note."""
        process, report = self._clones.pop(end)
        watch.unregister(end)
        posix.close(end)
        found = posix.waitid(posix.P_PID, process, posix.WEXITED | posix.WNOWAIT)
        assert found is not None
        code = found.si_status if found.si_code == posix.CLD_EXITED else -found.si_status
        try:
            posix.write(report, f"{code}\n".encode())
        except OSError:  # the host no longer listens
            pass
        self._ended[report] = process
        watch.register(report, 0)
