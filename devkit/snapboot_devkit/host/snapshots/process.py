"""Runs in the function's interpreter: a process of its own namespace that can clone itself.

The process is the first of a pid namespace of its own, and its clones are, too, each of a further
one. They are made by the raw system call: no hook for forks runs, and the process id is 1 again, so
that all state a restore would share is shared. Threads are lost, which a restore on Lambda does not
do.

Loads what every interpreter has built in; what it needs beyond (`ctypes`) is forgotten at once.
"""

import _signal  # type: ignore[import-not-found]
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWTIME = 0x80
PR_SET_PDEATHSIG = 1
SIGKILL = 9
SIGCHLD = 17
# The number of the system call `clone`, by machine.
SYS_CLONE = {"x86_64": 56, "aarch64": 220}
# How far the monotonic clock jumps for the clones.
JUMP_S = 3600


class CLibrary:
    """The system calls that Python has no function for."""

    def __init__(self) -> None:
        before = set(sys.modules)
        import ctypes

        # Without letting the GIL go: after the clone there is no other thread to take it from.
        self._library = ctypes.PyDLL(None, use_errno=True)
        self._errno = ctypes.get_errno
        for name in set(sys.modules) - before:
            if name not in ("_ctypes", "_struct"):  # compiled ones are loaded once for all
                del sys.modules[name]

    def call(self, name: str, *arguments: int) -> int:
        """Call a function of the C library. Raises OSError."""
        result: int = getattr(self._library, name)(*arguments)
        if result < 0:
            number = self._errno()
            raise OSError(number, f"{name}: {posix.strerror(number)}")
        return result

    def clone(self) -> int:
        """Return the clone's process id; 0 in the clone."""
        number = SYS_CLONE[posix.uname().machine]
        return self.call("syscall", number, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0)


def become_first(libc: CLibrary) -> None:
    """Return in a child that is the first process of a new namespace; the parent waits for it.

    Raises OSError where that is not allowed.
    """
    uid, gid = posix.getuid(), posix.getgid()
    as_root = posix.geteuid() == 0
    libc.call("unshare", CLONE_NEWPID | (0 if as_root else CLONE_NEWUSER))
    if not as_root:
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"{uid} {uid} 1")
        write("/proc/self/gid_map", f"{gid} {gid} 1")
    child = posix.fork()
    if child:
        status = posix.waitstatus_to_exitcode(posix.waitpid(child, 0)[1])
        posix._exit(status if status >= 0 else 128 - status)
    libc.call("prctl", PR_SET_PDEATHSIG, SIGKILL)


def write(path: str, text: str) -> None:
    """Write a file of the kernel's."""
    descriptor = posix.open(path, posix.O_WRONLY)
    try:
        posix.write(descriptor, text.encode())
    finally:
        posix.close(descriptor)


def read(path: str) -> str:
    """Read a file of the kernel's; return nothing where it does not allow that."""
    try:
        descriptor = posix.open(path, posix.O_RDONLY)
        content = posix.read(descriptor, 1 << 16)
        posix.close(descriptor)
    except OSError:
        return ""
    return content.decode("ascii", "replace")


def jump(libc: CLibrary) -> bool:
    """Let the clones' monotonic clock be another, as after a restore, where that is allowed."""
    try:
        libc.call("unshare", CLONE_NEWTIME)
        write("/proc/self/timens_offsets", f"monotonic {JUMP_S} 0\n")
    except OSError:
        return False
    return True


def wait_for_children() -> "Callable[[], object]":
    """Have the ends of children kept until they are asked for; return what undoes that.

    A function may ignore SIGCHLD, or wait for whatever child has ended.
    """
    before = _signal.signal(SIGCHLD, _signal.SIG_DFL)

    def undo() -> None:
        if before is not None:  # else it is not of Python
            _signal.signal(SIGCHLD, before)

    return undo


def free_logging() -> None:
    """Make the locks of `logging` again: a thread that is lost in a clone may hold one.

    That is what `logging` does itself after a fork.
    """
    renew = getattr(sys.modules.get("logging"), "_after_at_fork_child_reinit_locks", None)
    if renew is not None:
        renew()


def start_runtime(
    script: str,
    arguments: "list[str]",
    namespace: "dict[str, Any]",
    install: "Callable[[], object]",
) -> None:
    """Start the runtime as its script `bootstrap` does; `install` is called before it runs."""
    sys.argv[:] = [script, *arguments]
    namespace["__file__"] = script
    folder = script.rpartition("/")[0]
    sys.path[:0] = [f"{folder}/runtime", folder]
    import snapboot

    del sys.path[:2]
    snapboot.load_unchecked(snapboot.HOT)
    install()
    from snapboot.main import bootstrap

    bootstrap(arguments)
